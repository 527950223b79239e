"""The description of a family of models, and the registry of families."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import keras

from bert_keras.config import BertConfig
from bert_keras.config.model import field_names
from bert_keras.errors import InputError
from bert_keras.modeling import BertEncoder
from bert_keras.modeling.headed import HeadedModel
from bert_keras.modeling.heads import PROJECTION
from bert_keras.modeling.model import BertModel
from bert_keras.saving.names import Names, Shape, bert_variables
from bert_keras.tokenization import Casing, Tokenizer, WordPieceTokenizer
from bert_keras.tokenization.directory import VOCABULARY_FILE
from bert_keras.tokenization.settings import PIPELINE_FILE
from bert_keras.tokenization.subword import read_pieces
from bert_keras.tokenization.subword_files import TOKENIZER_FILES

# Families that we lack, each with how it differs.
_OTHERS = {
    "albert": "its layers share one set of weights",
}


def read_tokenizer(folder: Path, casing: Casing | None) -> Tokenizer | None:
    """The tokenizer of a directory, of whatever kind; ``None`` where it has none.

    The kind is not bound to the family: multilingual MiniLM and E5 are BERTs with a Unigram.
    """
    return read_pieces(folder, casing) or read_word_pieces(folder, casing)


def read_word_pieces(folder: Path, casing: Casing | None) -> Tokenizer | None:
    """The WordPiece tokenizer of a directory; ``None`` where it has none."""
    if not any((folder / name).exists() for name in (VOCABULARY_FILE, PIPELINE_FILE)):
        return None
    return WordPieceTokenizer.from_pretrained(folder, casing)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of model in Hugging Face's layout, such as BERT.

    Attributes:
        model_type: The ``model_type`` of its ``config.json``.
        title: Its name in messages.
        classes: Our classes by their names in ``architectures``, the bare encoder first. Where
            they are another family's, models are read and saved as that family's.
        sentence_embedding: The class that a directory of sentence-transformers is opened as.
        pretraining: The class that ``pretrain`` trains; ``None`` where it trains none.
        names: The names of our weights in its files.
        prefix: The beginning of the encoder's names in a model with a head.
        variables: Gives the path and shape of every weight of its classes, by the config and the
            number of labels.
        config_keys: The keys of ``config.json`` that differ from the names of the config's fields,
            by field.
        config_values: The fields that its ``config.json`` has no key for, and their values.
        required: The values that keys of ``config.json`` must have where they are there.
        read_tokenizer: Reads the tokenizer of a directory; ``None`` where it has none.
        tokenizer_files: The names of the files that it reads.
    """

    model_type: str
    title: str
    classes: Mapping[str, type[BertModel]]
    names: Names
    prefix: str
    sentence_embedding: type[BertModel] | None = None
    pretraining: type[HeadedModel] | None = None
    variables: Callable[[BertConfig, int], Iterator[tuple[str, Shape]]] = bert_variables
    config_keys: Mapping[str, str] = field(default_factory=dict)
    config_values: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)
    read_tokenizer: Callable[[Path, Casing | None], Tokenizer | None] = read_tokenizer
    tokenizer_files: tuple[str, ...] = TOKENIZER_FILES

    @property
    def encoder(self) -> type[BertModel]:
        """The class of the bare encoder."""
        return next(iter(self.classes.values()))

    @property
    def config_class(self) -> type[BertConfig]:
        """The class of its configs."""
        return self.encoder.config_class

    @property
    def models(self) -> list[type[BertModel]]:
        """All its classes."""
        more = [] if self.sentence_embedding is None else [self.sentence_embedding]
        return [*self.classes.values(), *more]

    def architecture(self, model_class: type) -> str:
        """The name of a class in ``architectures``; a sentence embedding is an encoder there."""
        names = {cls: name for name, cls in self.classes.items()}
        return names.get(model_class) or names[self.encoder]

    def named_class(
        self, file: Path, values: Mapping[str, Any]
    ) -> tuple[type[BertModel] | None, str]:
        """The class that a ``config.json`` names; or ``None``, and why we do not have it."""
        name = str((values.get("architectures") or [*self.classes])[0])
        if name in self.classes:
            return self.classes[name], ""
        why = f"known are {', '.join(self.classes)}"
        return None, (
            f"{file} names the architecture {name!r}, {why}; a class as the second argument of "
            f"bert_keras.load opens the encoder alone ({self.encoder.__name__}) or under a new head"
        )

    def read_config(self, values: Mapping[str, Any]) -> tuple[BertConfig, dict[str, Any]]:
        """The architecture in a ``config.json``, and the keys that do not belong to it."""
        keys = {self.config_keys.get(name, name): name for name in field_names(self.config_class)}
        given = {keys[key]: value for key, value in values.items() if key in keys}
        foreign = {key: value for key, value in values.items() if key not in keys}
        return self.config_class(**{**given, **self.config_values}), foreign

    def config_to_write(self, config: BertConfig) -> dict[str, Any]:
        """The keys of ``config.json`` for the architecture."""
        values = {name: v for name, v in config.to_dict().items() if name not in self.config_values}
        if values.get("hidden_act") == "gelu_tanh":
            values["hidden_act"] = "gelu_new"  # the same function by a name that transformers knows
        return {self.config_keys.get(name, name): value for name, value in values.items()}


def derived(
    encoder: type[BertEncoder], bases: Mapping[str, type[BertModel]], **attributes: Any
) -> dict[str, type[BertModel]]:
    """Classes with an encoder of a family's own, registered with Keras, by their names.

    Args:
        encoder: The family's encoder; its ``config_class`` is theirs too.
        bases: The class that each is derived from, by the new class's name.
        **attributes: More of their attributes.
    """
    own = {"config_class": encoder.config_class, "encoder_class": encoder, **attributes}
    classes = {}
    for name, base in bases.items():
        doc = f"``{base.__name__}`` with the encoder of ``{encoder.__name__}``."
        body = {"__doc__": doc, "__module__": encoder.__module__, **own}
        classes[name] = keras.saving.register_keras_serializable("bert_keras")(
            type(name, (base,), body)
        )
    return classes


_families: dict[str, Family] = {}


def register_family(family: Family) -> Family:
    """Make a family known: its directories open, and models of its classes are saved as its own.

    Raises:
        InputError: When there is one of that ``model_type`` already.
    """
    if family.model_type in _families:
        raise InputError(f"there is a family of model_type {family.model_type!r} already")
    _families[family.model_type] = family
    return family


def pretraining_class(model_type: str) -> type[HeadedModel]:
    """The class that ``pretrain`` trains of a family.

    Raises:
        InputError: When there is none.
    """
    family = _families.get(model_type)
    if family is None or family.pretraining is None:
        known = ", ".join(name for name, each in _families.items() if each.pretraining)
        raise InputError(f"model.family must be one of {known}. Received: {model_type!r}")
    return family.pretraining


def register_model(
    model_class: type[BertModel],
    family: str,
    layers: Mapping[str, str],
    shapes: Callable[[BertConfig], Mapping[str, Shape]],
) -> None:
    """Make a class of models with heads of its own known to a family.

    Args:
        model_class: The class; in ``architectures`` it has its own name.
        family: The ``model_type`` of the family.
        layers: The names of the heads' layers in the family's files, as in ``Names``.
        shapes: Gives the shape of each weight of the heads, by its path.

    Example:
        >>> register_model(  # doctest: +SKIP
        ...     BertForStars,
        ...     "bert",
        ...     {"stars_head/output": "stars"},
        ...     lambda config: {
        ...         "stars_head/output/kernel": (config.hidden_size, 1),
        ...         "stars_head/output/bias": (1,),
        ...     },
        ... )
    """
    before = _families[family]
    _families[family] = replace(
        before,
        classes={**before.classes, model_class.__name__: model_class},
        names=replace(before.names, layers={**before.names.layers, **layers}),
        variables=lambda config, labels: chain(
            before.variables(config, labels), shapes(config).items()
        ),
    )


def family_of_config(file: Path, values: Mapping[str, Any]) -> Family:
    """The family that a ``config.json`` is of.

    Args:
        file: The file.
        values: Its contents.

    Raises:
        InputError: When we do not have it, or the model computes differently from the family's.
    """
    model_type = str(values.get("model_type") or "bert")
    family = _families.get(model_type)
    if family is None:
        reasons = (reason for name, reason in _OTHERS.items() if name in model_type)
        *titles, last = (known.title for known in _families.values())
        raise InputError(
            f"{file} has model_type {model_type!r} ({next(reasons, 'it is another model')}); "
            f"bert-keras opens {', '.join(titles)} and {last}"
        )
    names = values.get("architectures") or []
    if not isinstance(names, list):
        raise InputError(f"{file}: architectures must be a list of names. Received: {names!r}")
    for key, needed in family.required.items():
        if values.get(key, needed) != needed:
            raise InputError(
                f"{file}: {key} must be {json.dumps(needed)}, as in {family.title}. "
                f"Received: {json.dumps(values[key])}"
            )
    return family


def family_of_model(model_class: type) -> Family | None:
    """The family that a class of models, or the class that it is derived from, is saved as."""
    for cls in model_class.__mro__:
        for family in _families.values():
            if cls in family.models:
                return family
    return None


def all_models() -> list[type[BertModel]]:
    """The classes of all families."""
    return [cls for family in _families.values() for cls in family.models]


def all_heads() -> set[str]:
    """The names of the heads that some class has, and of a pooler and a projection."""
    heads = (head for cls in all_models() for head in getattr(cls, "heads", ()))
    return {"pooler", PROJECTION, *heads}
