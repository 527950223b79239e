"""A model as one SavedModel for TF Serving: text in, answers out."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras.arithmetic import Inference, OneDNN
from bert_keras.config.export import SavedModelConfig
from bert_keras.errors import InputError
from bert_keras.export.answers import Answers, answers_of, served
from bert_keras.export.comparison import check_tokens, compare
from bert_keras.export.operations import check_operations
from bert_keras.export.registry import with_settings
from bert_keras.export.report import Report, describe
from bert_keras.export.session import quiet
from bert_keras.export.signatures import ServedModel
from bert_keras.export.tf_serving import next_version, write_batching_parameters, write_warmup
from bert_keras.files import check_utf8, write_text_atomic
from bert_keras.modeling.model import BertModel
from bert_keras.saving.build import check_vocabulary_size
from bert_keras.tokenization import Tokenizer, WordPieceTokenizer
from bert_keras.tokenization.subword_parts import UNIGRAM

_logger = logging.getLogger("bert_keras")

REPORT_FILE = "export_report.json"
_NO_OFFSETS = (
    "answers that are places in a text need those of its tokens, which SentencePiece's operation "
    "does not give as the host does for a Unigram"
)
_ASKED = (
    " (--input text takes a Unigram too, by SentencePiece's operation, which may cut a word of "
    "repeated parts otherwise)"
)
_ARITHMETICS = {"cpu": OneDNN(), "gpu": Inference()}


def export_saved_model(
    model: BertModel,
    tokenizer: Tokenizer | None,
    path: str | Path,
    config: SavedModelConfig | None = None,
    **settings: Any,
) -> Report:
    """Write a model as a SavedModel that the stock TF Serving loads: text in, answers out.

    From Python ``tf.saved_model.load`` opens it after ``import tensorflow_text``, which registers
    the tokenizer's operations; with ``input="tokens"`` it takes ids and needs no such import. So
    does the export of a tokenizer that is not of word pieces, and a line says so. Where ``input``
    or ``pair`` asks for text, a Unigram as XLM-R's is read by SentencePiece's operation, which may
    cut a word of repeated parts otherwise than the host; any other is refused.

    It becomes the next version in ``path``: ``path/1``, ``path/2`` and so on. A version appears
    whole or not at all, and only when the file, opened the way TF Serving opens it, tokenizes real
    text as the host does and answers as Keras does.

    Args:
        model: One of our models.
        tokenizer: What its text is read with; ``None`` takes the one it was loaded with.
        path: The folder of the versions, which TF Serving is pointed at.
        config: The settings.
        **settings: Fields of ``SavedModelConfig`` that win over ``config``, such as
            ``max_length=128`` or ``weights="bfloat16"``.

    Returns:
        What ``export_report.json`` says: sizes, hashes, operations and how far the answers are
        from Keras's.

    Raises:
        InputError: When the model has no tokenizer, a setting does not suit it, or the answers
            disagree: in float32 by more than 1e-4. Then nothing is left behind.

    Example:
        >>> report = export_saved_model(load("run"), None, "served", max_length=32)
        >>> report["version"]
        'served/1'
    """
    tokenizer, path = model.tokenizer_or(tokenizer), Path(path)
    _check_name(path)
    check_vocabulary_size(tokenizer, model.config, path)
    config = with_settings(config or SavedModelConfig(), settings)
    config = _with_input(config, served.of(model), tokenizer)
    kind, own_config = answers_of(model, replace(config, max_length=None))
    kind, config = answers_of(model, config)
    answers = _trace(kind, model, tokenizer, config)
    own = kind(answers.model, tokenizer, None, own_config)  # asked on the host alone
    if config.max_request_tokens < answers.most_row_tokens():
        raise InputError(
            f"max_request_tokens must be at least {answers.most_row_tokens()}, what a single text "
            f"may become. Received: {config.max_request_tokens}"
        )
    with next_version(path) as (version, folder):
        saved = _save(answers, folder)
        write_warmup(answers, path.name, folder)
        write_batching_parameters(answers, folder)
        operations = check_operations(folder)
        comparison = compare(answers, own, _reference(model, tokenizer), folder)
        report = describe(version, answers, saved, operations, comparison, folder)
        write_text_atomic(folder / REPORT_FILE, json.dumps(report, indent=2) + "\n")
    return report


def _with_input(
    config: SavedModelConfig, kind: type[Answers], tokenizer: Tokenizer
) -> SavedModelConfig:
    """The settings with ``input`` filled in: where it is left out, what the tokenizer allows.

    Raises:
        InputError: When text is asked for and a Unigram's tokens are others in the graph.
    """
    if config.input == "tokens" or isinstance(tokenizer, WordPieceTokenizer):
        return replace(config, input=config.input or "text")
    is_unigram = getattr(tokenizer, "kind", None) == UNIGRAM
    if config.input == "text" or config.pair:
        if is_unigram:
            _check_unigram(kind, tokenizer)
        return replace(config, input="text")  # other kinds are refused where the graph is made
    _logger.warning(
        "text in a graph is for BERT's word pieces alone%s, and the tokenizer has other rules "
        '(%s): the export takes tokens alone; give --input tokens (input = "tokens") to leave this '
        "warning out",
        _ASKED if is_unigram and not kind.needs_offsets else "",
        getattr(tokenizer, "kind", type(tokenizer).__name__),
    )
    return replace(config, input="tokens")


def _check_unigram(kind: type[Answers], tokenizer: Tokenizer) -> None:
    """Raise ``InputError`` where a Unigram's answers or tokens would be others from text."""
    try:
        if kind.needs_offsets:
            raise InputError(_NO_OFFSETS)
        check_tokens(tokenizer)
    except InputError as error:
        raise InputError(f"{error}; take ids: --input tokens") from None


def _check_name(path: Path) -> None:
    """Raise ``InputError`` for a name that TensorFlow cannot write to."""
    check_utf8(path, "as TensorFlow asks")
    if not set("[\\").isdisjoint(str(path)):
        raise InputError(
            f"{path}: TensorFlow opens nothing below a name with [ or \\; choose another"
        )


def _trace(
    kind: type[Answers], model: BertModel, tokenizer: Tokenizer, config: SavedModelConfig
) -> Answers:
    """The answers of a copy of the model with the weights that are asked for."""
    assert config.max_length is not None
    graph_tokenizer = None
    if config.input == "text":
        # Imported here: it needs tensorflow-text, which is not available for every system.
        from bert_keras.tokenization.graph import GraphTokenizer

        graph_tokenizer = GraphTokenizer(tokenizer, config.max_length, kind.truncation(model))
    # A graph names the device of its variables, and a server on CPUs has no other.
    with tf.device("CPU:0" if config.device == "cpu" else None):
        arithmetic = _ARITHMETICS[config.device]
        copy = model.copy(dtype=config.weights, packed=True, arithmetic=arithmetic)
    return kind(copy, tokenizer, graph_tokenizer, config)


def _save(answers: Answers, folder: Path) -> ServedModel:
    # A server has no use for the gradients of our look-up.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    # The device of the tracing must not be in the graph.
    with quiet(), tf.device(None):
        served = ServedModel(answers)
        tf.saved_model.save(served, str(folder), signatures=served.functions, options=options)
    return served


def _reference(model: BertModel, tokenizer: Tokenizer) -> BertModel:
    """The model as Keras computes it in float32, with the tokenizer."""
    if model.dtype_policy.name == "float32" and model.tokenizer is tokenizer:
        return model
    copy = model.copy(dtype="float32")
    copy.tokenizer = tokenizer
    return copy
