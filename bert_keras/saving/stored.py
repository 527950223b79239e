"""A model as it lies on the disk, whatever wrote it: what ``build`` makes one of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import Family
from bert_keras.saving.names import Names, Shape, part_of
from bert_keras.tokenization import Casing, Tokenizer


@dataclass(frozen=True)
class StoredWeights:
    """The weights in a file, each read when it is asked for.

    Attributes:
        file: What messages call the file.
        names: The names of our weights there.
        shapes: The shape of each weight by those names, or by the file's own where ``names`` knows
            none.
        read: Gives the array of a name.
        name: Gives what the very file calls a name.
    """

    file: str
    names: Names
    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]
    name: Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """What a file or a directory says of a model.

    Attributes:
        path: The file or directory.
        layout: What kind of file it is, such as ``"huggingface"``.
        family: The family that the model is of.
        config: Its architecture.
        weights: Its weights, which are not read yet.
        model_class: Its class; ``None`` where it is one that we lack.
        arguments: What else that class's constructor is given.
        refusal: Why it cannot be opened as what it is, where it cannot.
        read_tokenizer: Reads its tokenizer, with another casing if one is given; ``None`` where it
            has none.
        foreign: The keys of its config that are not of the architecture.
        other_files: The JSON of files beside it that are written back, by name.
        notes: What is to be logged where it is opened as what it is: level and text.
        files: The files by which it is told from another one, by the names that messages give them;
            not all need be there.
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


def names_by_part(names: Names, family: Family, config: BertConfig) -> dict[str, set[str]]:
    """The names of a layout by the part of a model they belong to; of the layers only the first."""
    by_part: dict[str, set[str]] = {"masked_lm_head": set(names.tied)}
    for path, _ in family.variables(replace(config, num_hidden_layers=1), 2):
        by_part.setdefault(part_of(path), set()).update(names.of(path))
    return by_part


def parts_in(weights: StoredWeights, family: Family, config: BertConfig) -> set[str]:
    """The parts of a model that a file has weights of, such as ``"pooler"``."""
    by_part = names_by_part(weights.names, family, config)
    return {part for part, names in by_part.items() if not names.isdisjoint(weights.shapes)}


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
        file: What messages call the file.
        names: The table.
        shapes: The shapes by the names in the file.
        read: Gives the array of a name in the file.
        rename: Gives the table's name of one in the file, where it has older or shorter ones.
        missing: Gives what the file would call a name of the table that it lacks.

    Raises:
        InputError: When two names in the file are the same weight.
    """
    there: dict[str, str] = {}
    for own in shapes:
        name = rename(own)
        if name in there:
            raise InputError(
                f"{file} holds one weight twice: {there[name]} and {own} are the same of a BERT; "
                "save one model a file"
            )
        there[name] = own
    for copy, original in names.tied.items():
        if original not in there and copy in there:
            there[original] = there.pop(copy)
    return StoredWeights(
        file,
        names,
        {name: shapes[own] for name, own in there.items()},
        lambda name: read(there[name]),
        lambda name: there.get(name, missing(name)),
    )
