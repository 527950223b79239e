"""A model from what is stored: every weight in its place, or a clear refusal."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling import (
    BARE,
    BertEncoder,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    Decision,
)
from bert_keras.modeling.finetuning import resolve_problem
from bert_keras.modeling.headed import ClassifierModel
from bert_keras.modeling.heads import PROJECTION
from bert_keras.modeling.labeling import LabelingModel, label_names
from bert_keras.modeling.model import FROZEN, BertModel
from bert_keras.saving.config_json import LABELING, QUANTIZATION, foreign_keys, keeps_score
from bert_keras.saving.families import all_heads, family_of_model
from bert_keras.saving.stored import StoredModel, components_in
from bert_keras.saving.weights import Plan, Report, check, count_labels, fill
from bert_keras.tokenization import Casing, Tokenizer

_logger = logging.getLogger("bert_keras")

_LABEL_HEADS = {"classifier", "deep_classifier", "span_head"}


def build(
    stored: StoredModel,
    model_class: type[BertModel] | None = None,
    *,
    casing: Casing | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **arguments: Any,
) -> BertModel:
    """Make a model and fill it; its ``report`` says what went where.

    Everything is checked against the file before a model is made, so that a config with false
    sizes costs no memory. One weight is read at a time.

    Args:
        stored: The stored model.
        model_class: The class to open it as; by default its own.
        casing: The tokenizer's casing, whatever the files say.
        on_progress: Called with the bytes read so far and their total, counted as float32.
        **arguments: More arguments of the constructor.

    Raises:
        InputError: When it cannot be opened so, or a weight is missing, unused or of another shape.
    """
    plan = _plan(stored, model_class, arguments)
    tokenizer = stored.read_tokenizer(casing)
    if tokenizer is not None:
        check_vocabulary_size(tokenizer, stored.config, stored.path)
        _warn_of_types(tokenizer, stored.config, stored.path)
    report = Report(stored.layout)
    found = check(stored, plan, report)
    # Initial weights are drawn only where some are not read.
    given = {"initialize": bool(report.new)} | plan.arguments
    frozen = given.pop(FROZEN, ())
    model = plan.model_class(stored.config, **given)
    fill(model, found, stored.weights, report, on_progress)
    model.freeze(frozen)
    if isinstance(model, LabelingModel) and "decision" not in arguments:
        _check_head(model, stored)
    model.report = report
    model.tokenizer = tokenizer
    if tokenizer is not None and getattr(model, "do_lower_case", False):
        model.tokenizer = tokenizer.lowercased()
    model.other_config = foreign_keys(model, stored.foreign, stored.arguments)
    if stored.foreign.get(QUANTIZATION) is not None:
        _logger.warning(
            "%s: its %s is left out, as its weights are floats", stored.path, QUANTIZATION
        )
    if plan.model_class is stored.model_class:
        keeps = keeps_score(model, stored.arguments)
        model.other_files = dict(stored.other_files) if keeps else {}
        for level, note in stored.notes:
            _logger.log(level, note)
    if report.new:
        _logger.warning("%s: new and to be trained: %s", stored.weights.file, ", ".join(report.new))
    if report.left_out:
        _logger.warning("%s: left out: %s", stored.weights.file, ", ".join(report.left_out))
    return model


def _warn_of_types(tokenizer: Tokenizer, config: BertConfig, path: Any) -> None:
    """Say that a model has no embedding for the token type of a pair's second text."""
    second = tokenizer.template.second_type
    if config.has_token_types and second >= config.type_vocab_size:
        _logger.warning(
            "%s: its tokenizer gives the second text of a pair type %d, but the model has %d token "
            "types: pairs are refused",
            path,
            second,
            config.type_vocab_size,
        )


def check_vocabulary_size(tokenizer: Tokenizer, config: BertConfig, path: Any) -> None:
    """Refuse a vocabulary that has more tokens than the word embeddings have rows.

    A table with spare rows is accepted, with a note where they are more than some pad it with, up
    to a multiple of 8.

    Raises:
        InputError: When they do not belong together.
    """
    spare = config.vocab_size - tokenizer.vocab_size
    if spare < 0:
        raise InputError(
            f"{path}: the vocabulary has {tokenizer.vocab_size} tokens, but the config says "
            f"vocab_size={config.vocab_size}; they do not belong together: a token without a row "
            "has no embedding"
        )
    if spare >= 128 or (spare and config.vocab_size % 8):
        _logger.warning(
            "%s: the word embeddings have %d rows, the vocabulary %d tokens: the %d rows behind "
            "are kept; no text uses them and no answer names them",
            path,
            config.vocab_size,
            tokenizer.vocab_size,
            spare,
        )


def _plan(stored: StoredModel, asked: type[BertModel] | None, arguments: dict[str, Any]) -> Plan:
    """The class and the heads of the model: its own, or those of the class that is asked for."""
    own = stored.model_class
    model_class = _counterpart(stored, asked) if asked else own
    if model_class is None or (stored.refusal and model_class is own):
        raise InputError(stored.refusal)
    heads = set(getattr(model_class, "heads", ()))
    in_file = dict(stored.arguments)
    optional: set[str] = set()
    ignored: set[str] = set()
    has_pooler = getattr(stored.family.encoder, "has_pooler", True)
    superfluous = set() if getattr(model_class, "with_pooler", True) else {"pooler"}
    if model_class is own:
        in_file.pop("decision", None)
        in_file |= _fitted(stored, arguments)
        count = count_labels(in_file.get("labels", 2))
        if issubclass(own, LABELING) and count_labels(arguments.get("labels", count)) != count:
            optional, ignored = heads & _LABEL_HEADS, _LABEL_HEADS
            del in_file["labels"]
            in_file.pop("problem_type", None)
            in_file.pop("function_to_apply", None)
        if "problem_type" in arguments:  # the file's function is for other scores
            in_file.pop("function_to_apply", None)
        arguments = in_file | arguments
    else:
        optional, superfluous = {"pooler"} | heads, all_heads()
        if own is None or issubclass(own, (ClassifierModel, BertForQuestionAnswering)):
            ignored = _LABEL_HEADS  # of the same name, but trained for something else
    if issubclass(model_class, BertForSentenceEmbedding):
        # As sentence-transformers ignores them.
        superfluous = all_heads() - ({"pooler"} if has_pooler else set())
        if _dense(arguments) != _dense(in_file):
            optional, ignored = optional | {PROJECTION}, ignored | {PROJECTION}
    if issubclass(model_class, (BertEncoder, BertForSentenceEmbedding)):
        found = components_in(stored.weights, stored.family, stored.config)
        arguments = {"with_pooler": has_pooler and "pooler" in found} | arguments
    if "decision" in stored.arguments and "decision" not in arguments:
        _logger.warning(
            "%s: its decision is left out, as it was fitted to another head: %s",
            stored.path,
            stored.arguments["decision"],
        )
    return Plan(model_class, dict(arguments), optional, superfluous, ignored)


def _dense(arguments: Mapping[str, Any]) -> tuple[Any, ...]:
    """The shape and function of a sentence encoder's dense layer; another one is new."""
    defaults = {"dense_units": None, "dense_activation": "tanh", "dense_bias": True}
    return tuple(arguments.get(name, default) for name, default in defaults.items())


def _fitted(stored: StoredModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's decision as an argument of the model; none where the head is to be another.

    Raises:
        InputError: When it is damaged.
    """
    in_file = stored.arguments
    if "decision" not in in_file or _head(in_file) != _head({**in_file, **given}):
        return {}
    try:
        return {"decision": Decision.from_values(in_file["decision"], _head(in_file)[0])}
    except InputError as error:
        raise InputError(f"{stored.path}: the model's decision is damaged: {error}") from None


def _check_head(model: LabelingModel, stored: StoredModel) -> None:
    """Drop a decision where the head is not the one that it was saved with; warn of it.

    Another program may have trained the model on and kept the keys of its config, or have rounded
    the weights to float16, of which bfloat16's hash cannot be told.
    """
    if model.decision == BARE:
        return
    of = stored.arguments["decision"].get("head")
    if of is not None and of != model.head_digest():
        _logger.warning(
            "%s: its decision is left out, as it was fitted to other weights of the head, which "
            "was trained since or rounded to float16: %s",
            stored.path,
            model.decision,
        )
        model.decision = BARE


def _head(values: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The labels of a model and their kind, by the arguments of its constructor."""
    labels, function = label_names(values.get("labels", 2)), values.get("function_to_apply")
    return labels, resolve_problem(values.get("problem_type"), function, len(labels))[0]


def _counterpart(stored: StoredModel, asked: type[BertModel]) -> type[BertModel]:
    """The class that is asked for, or the family's own class that is derived from it."""
    family = family_of_model(stored.family.encoder) or stored.family
    if family_of_model(asked) in (family, None):
        return asked
    for cls in family.models:
        if issubclass(cls, asked):
            return cls
    names = ", ".join(cls.__name__ for cls in family.models)
    raise InputError(f"{stored.path}: {family.title} opens as {names}. Received: {asked.__name__}")
