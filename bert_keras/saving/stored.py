"""A model on the disk in any layout, before ``build`` makes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import Family
from bert_keras.saving.names import Names, Shape, component_of, projection_variables
from bert_keras.tokenization import Casing, Tokenizer


@dataclass(frozen=True)
class StoredWeights:
    """The weights in a file, each read when it is asked for.

    Attributes:
        file: The file's name in messages.
        names: The names of our weights in it.
        shapes: The shape of each weight by those names, or by the file's own where ``names`` knows
            none.
        read: Gives the array of a name.
        name: Gives the very name in the file.
    """

    file: str
    names: Names
    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]
    name: Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model as a file or a directory describes it.

    Attributes:
        path: The file or directory.
        layout: The kind of file, such as ``"huggingface"``.
        family: The family that the model is of.
        config: Its architecture.
        weights: Its weights, which are not read yet.
        model_class: Its class; ``None`` where we lack it.
        arguments: More arguments of that class's constructor.
        refusal: The reason why it cannot be opened as that class; empty where it can.
        read_tokenizer: Reads its tokenizer, with another casing if one is given; ``None`` where it
            has none.
        foreign: The keys of its config that do not belong to the architecture.
        other_files: The JSON of its other files that are written back, by name.
        notes: Messages to log when it is opened as its own class: level and text.
        files: The files that identify it, by their names in messages; not all need exist.
    """

    path: Path
    layout: str
    family: Family
    config: BertConfig
    weights: StoredWeights
    model_class: type[BertModel] | None
    read_tokenizer: Callable[[Casing | None], Tokenizer | None]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refusal: str = ""
    foreign: Mapping[str, Any] = field(default_factory=dict)
    other_files: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[tuple[int, str]] = ()
    files: Mapping[str, Path] = field(default_factory=dict)


def names_by_component(names: Names, family: Family, config: BertConfig) -> dict[str, set[str]]:
    """The names of a layout by component of the model; of the layers only the first's."""
    result: dict[str, set[str]] = {"masked_lm_head": set(names.tied)}
    variables = family.variables(replace(config, num_hidden_layers=1), 2)
    for path, _ in chain(variables, projection_variables(config, {"dense_units": 1})):
        result.setdefault(component_of(path), set()).update(names.of(path))
    return result


def components_in(weights: StoredWeights, family: Family, config: BertConfig) -> set[str]:
    """The components of a model that a file has weights of, such as ``"pooler"``."""
    known = names_by_component(weights.names, family, config)
    return {name for name, names in known.items() if not names.isdisjoint(weights.shapes)}


def stored_weights(
    file: str,
    names: Names,
    shapes: Mapping[str, Shape],
    read: Callable[[str], np.ndarray],
    rename: Callable[[str], str] = str,
    missing: Callable[[str], str] = str,
) -> StoredWeights:
    """The weights of a file under the table's names.

    Args:
        file: The file's name in messages.
        names: The table.
        shapes: The shapes by the names in the file.
        read: Gives the array of a name in the file.
        rename: Gives the table's name of one in the file, which may be older or shorter.
        missing: Gives the file's form of a name of the table that it lacks.

    Raises:
        InputError: When two names in the file are the same weight.
    """
    in_file: dict[str, str] = {}
    for original in shapes:
        name = rename(original)
        if name in in_file:
            raise InputError(
                f"{file} holds one weight twice: {in_file[name]} and {original} are the same of a "
                "BERT; save one model a file"
            )
        in_file[name] = original
    for copy, name in names.tied.items():
        if name not in in_file and copy in in_file:
            in_file[name] = in_file.pop(copy)
    return StoredWeights(
        file,
        names,
        {name: shapes[original] for name, original in in_file.items()},
        lambda name: read(in_file[name]),
        lambda name: in_file.get(name, missing(name)),
    )
