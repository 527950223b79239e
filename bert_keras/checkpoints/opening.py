"""What every kind of checkpoint is opened by: as what, with which heads and which tokenizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_keras.checkpoints.config_json import LABELLING
from bert_keras.checkpoints.weights import Request, Weights
from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
)
from bert_keras.tokenization import BertTokenizer

_POOLER = "bert.pooler."
_LABEL_HEADS = ("classifier.", "qa_outputs.")


def make_request(
    own: type,
    in_file: dict[str, Any],
    config: BertConfig,
    weights: Weights,
    model_class: type | None,
    arguments: dict[str, Any],
) -> Request:
    """What a checkpoint is opened as: what it says it is, or what the caller wants.

    Args:
        own: The class that the checkpoint is of.
        in_file: What that class is made of beside the config, as the checkpoint says.
        config: The architecture.
        weights: The checkpoint's weights.
        model_class: The class that the caller wants; ``None`` for ``own``.
        arguments: What the caller says that the model is made of.
    """
    wanted = model_class or own
    ignored: tuple[str, ...] = ()
    may_be_new: set[str] = set()
    may_be_left_out: tuple[str, ...] = () if getattr(wanted, "with_pooler", True) else (_POOLER,)
    if wanted is own:
        if "labels" in arguments and _count(arguments["labels"]) != _count(in_file["labels"]):
            ignored, may_be_new = _LABEL_HEADS, {"classifier"}
            in_file = {key: value for key, value in in_file.items() if key != "problem_type"}
        arguments = in_file | arguments
    else:
        may_be_new = {"pooler", *getattr(wanted, "heads", ())}
        may_be_left_out = (_POOLER, "cls.", *_LABEL_HEADS)
        if own in (*LABELLING, BertForQuestionAnswering):
            ignored = _LABEL_HEADS  # their names are alike, what they were trained for is not
    if wanted in (BertEncoder, BertForSentenceEmbedding):
        arguments = {"with_pooler": weights.has(_POOLER)} | arguments
    return Request(wanted, config, arguments, may_be_new, may_be_left_out, ignored)


def load_tokenizer(path: Path, config: BertConfig) -> BertTokenizer | None:
    """The directory's tokenizer, where it has one and it fits the model.

    Raises:
        InputError: When the vocabulary is not of the config's size.
    """
    if not any((path / name).exists() for name in ("vocab.txt", "tokenizer.json")):
        return None
    tokenizer = BertTokenizer.from_pretrained(path)
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


def _count(labels: int | Sequence[str]) -> int:
    return labels if isinstance(labels, int) else len(labels)
