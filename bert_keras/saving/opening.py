"""What every kind of checkpoint is opened by: as what, with which heads and which tokenizer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
)
from bert_keras.saving.config_json import LABELLING
from bert_keras.saving.weights import Request, Weights
from bert_keras.tokenization import BertTokenizer, Casing

_POOLER = "bert.pooler."
_LABEL_HEADS = ("classifier.", "pre_classifier.", "qa_outputs.")


@dataclass(frozen=True)
class Wanted:
    """What the caller of ``load`` asks for.

    Attributes:
        model_class: The class to open it as; ``None`` for what the checkpoint says it is.
        arguments: More of the model's constructor.
        on_progress: Told of the bytes read so far and of all there are.
        casing: The tokenizer's casing, whatever the files say; ``None`` for what they say.
    """

    model_class: type | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    on_progress: Callable[[int, int], None] | None = None
    casing: Casing | None = None


def make_request(
    own: type | None,
    in_file: dict[str, Any],
    config: BertConfig,
    weights: Weights,
    wanted: Wanted,
) -> Request:
    """What a checkpoint is opened as: what it says it is, or what the caller wants.

    Args:
        own: The class that the checkpoint is of; ``None`` when it is one that we do not have, and
            the caller wants another.
        in_file: What that class is made of beside the config, as the checkpoint says.
        config: The architecture.
        weights: The checkpoint's weights.
        wanted: What the caller asks for.
    """
    model_class = wanted.model_class or own
    assert model_class is not None
    arguments = dict(wanted.arguments)
    ignored: tuple[str, ...] = ()
    may_be_new: set[str] = set()
    may_be_left_out: tuple[str, ...] = (
        () if getattr(model_class, "with_pooler", True) else (_POOLER,)
    )
    if model_class is own:
        if (
            "labels" in arguments
            and own in LABELLING
            and _count(arguments["labels"]) != _count(in_file["labels"])
        ):
            ignored, may_be_new = _LABEL_HEADS, {"classifier"}
            in_file = _without(in_file, "problem_type", "function_to_apply")
        if "problem_type" in arguments:  # what the scores were is another matter then
            in_file = _without(in_file, "function_to_apply")
        arguments = in_file | arguments
    else:
        may_be_new = {"pooler", *getattr(model_class, "heads", ())}
        may_be_left_out = (_POOLER, "cls.", *_LABEL_HEADS)
        if own in (None, *LABELLING, BertForQuestionAnswering):
            ignored = _LABEL_HEADS  # their names are alike, what they were trained for is not
    if model_class is BertForSentenceEmbedding:
        may_be_left_out = ("cls.", *_LABEL_HEADS)  # as sentence-transformers leaves them
    if model_class in (BertEncoder, BertForSentenceEmbedding):
        arguments = {"with_pooler": weights.has(_POOLER)} | arguments
    return Request(
        model_class,
        config,
        arguments,
        may_be_new,
        may_be_left_out,
        ignored,
        wanted.on_progress,
    )


def class_of(weights: Weights) -> type:
    """The class that has the heads which a checkpoint has."""
    if weights.has("cls.predictions.") and weights.has("cls.seq_relationship."):
        return BertForPreTraining
    for head, model_class in (
        ("qa_outputs.", BertForQuestionAnswering),
        ("classifier.", BertForSequenceClassification),
        ("cls.predictions.", BertForMaskedLM),
        ("cls.seq_relationship.", BertForNextSentencePrediction),
    ):
        if weights.has(head):
            return model_class
    return BertEncoder


def load_tokenizer(path: Path, config: BertConfig, casing: Casing | None) -> BertTokenizer | None:
    """The directory's tokenizer, where it has one and it fits the model; ``casing`` as wanted.

    Raises:
        InputError: When the vocabulary is not of the config's size.
    """
    if not any((path / name).exists() for name in ("vocab.txt", "tokenizer.json")):
        return None
    tokenizer = BertTokenizer.from_pretrained(path, casing)
    check_vocabulary_size(tokenizer, config, path)
    return tokenizer


def check_vocabulary_size(tokenizer: BertTokenizer, config: BertConfig, path: Path) -> None:
    """Raises ``InputError`` unless vocabulary and config belong together.

    A table with spare rows, up to a multiple of 8 as some pad it, is let pass.
    """
    spare = config.vocab_size - tokenizer.vocab_size
    if spare and not (0 < spare < 128 and config.vocab_size % 8 == 0):
        raise InputError(
            f"{path}: the vocabulary has {tokenizer.vocab_size} word pieces, but the config says "
            f"vocab_size={config.vocab_size}; they do not belong together"
        )


def _without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _count(labels: int | Sequence[str]) -> int:
    return labels if isinstance(labels, int) else len(labels)
