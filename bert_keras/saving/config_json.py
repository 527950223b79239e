"""The keys of a ``config.json`` besides the architecture: labels, problem type, scores."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_keras.config.model import require_dropout, require_whole_number
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification, BertForTokenClassification
from bert_keras.modeling.embedding import SETTINGS_FILE
from bert_keras.modeling.finetuning import resolve_problem
from bert_keras.modeling.headed import ClassifierModel
from bert_keras.modeling.labeling import label_names
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import all_models, family_of_model
from bert_keras.saving.weights import count_labels

LABELING = (BertForSequenceClassification, BertForTokenClassification)
QUANTIZATION = "quantization_config"
# What we write is float32 and tied, whatever was read.
_FILE_KEYS = ("dtype", "torch_dtype", "tie_word_embeddings", QUANTIZATION)
_LABEL_KEYS = ("id2label", "label2id", "num_labels", "problem_type", "classifier_dropout")
# A key of ours that others ignore: what probabilities and labels are made by.
DECISION = "bert_keras_decision"
# Where releases of sentence-transformers keep the function from a cross-encoder's logit to a score.
_SENTENCE_TRANSFORMERS = "sentence_transformers"
_OLD_ACTIVATION = "sbert_ce_default_activation_function"
_SCORE_KEYS = (_SENTENCE_TRANSFORMERS, _OLD_ACTIVATION, "function_to_apply")
# The classes of torch that a file may name; none is imported.
_TORCH_FUNCTIONS = {
    "torch.nn.modules.linear.Identity": "none",
    "torch.nn.Identity": "none",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.Softmax": "softmax",
    "torch.nn.Softmax": "softmax",
}


def head_arguments(
    model_class: type[BertModel] | None,
    values: Mapping[str, Any],
    file: str,
    activation: Any = None,
) -> dict[str, Any]:
    """The constructor arguments of a model with a classifier besides its architecture.

    Args:
        model_class: The model's class.
        values: The ``config.json``.
        file: The file's name in messages.
        activation: The torch class that makes the scores, where another file names it.

    Raises:
        InputError: When the labels or the dropout cannot be read, or the activation is unknown.
    """
    if model_class is None or not issubclass(model_class, ClassifierModel):
        return {}
    rate = values.get("classifier_dropout")
    if rate is not None:
        require_dropout(f"{file}: classifier_dropout", rate)
    dropout = {"classifier_dropout": rate}
    if not issubclass(model_class, LABELING):
        return dropout
    labels = _labels(values, file)
    arguments: dict[str, Any] = {"labels": labels} | dropout
    if issubclass(model_class, BertForSequenceClassification):
        function = _function(values, activation, file)
        if values.get("problem_type") is None and function is None:
            function = "sigmoid" if count_labels(labels) == 1 else "softmax"  # as transformers
        arguments |= {"problem_type": values.get("problem_type"), "function_to_apply": function}
    if DECISION in values:
        arguments["decision"] = values[DECISION]
    return arguments


def _labels(values: Mapping[str, Any], file: str) -> int | list[str]:
    """The labels' names by ``id2label``; where it is not there, how many there are."""
    names = values.get("id2label")
    if names is None:
        count = values.get("num_labels", 2)
        require_whole_number(f"{file}: num_labels", count, at_least=1)
        return int(count)
    numbers = [str(number) for number in range(len(names))] if isinstance(names, dict) else []
    if not numbers or {*names} != {*numbers} or not all(isinstance(names[n], str) for n in numbers):
        raise InputError(
            f'{file}: id2label must give a name to each number from 0 on, as {{"0": "no", '
            f'"1": "yes"}} does. Received: {names!r:.200}'
        )
    return [names[number] for number in numbers]


def label_notes(
    labels: int | Sequence[str] | None, values: Mapping[str, Any], file: str
) -> list[tuple[int, str]]:
    """Warnings of keys that contradict the labels; ``save`` writes others in their place.

    Args:
        labels: The labels by ``head_arguments``; ``None`` for a model without.
        values: The ``config.json``.
        file: The file's name in messages.

    Returns:
        Level and text of each.
    """
    if labels is None:
        return []
    number, count, numbers = count_labels(labels), values.get("num_labels"), values.get("label2id")
    notes = []
    if not isinstance(labels, int) and count not in (None, number):
        notes.append(
            f"{file}: num_labels is {count!r}, but id2label has {number} names; id2label counts"
        )
    if numbers is not None:
        why = "contradicts id2label"
        if isinstance(labels, int):
            why = "says nothing without an id2label"
            labels = label_names(min(number, 1000))  # a false number costs no memory
        if numbers != {name: number for number, name in enumerate(labels)}:
            shown = ", ".join(labels[:3]) + (", ..." if number > 3 else "")
            notes.append(f"{file}: label2id {why}; its labels are {shown}")
    return [(logging.WARNING, note) for note in notes]


def _function(values: Mapping[str, Any], activation: Any, file: str) -> str | None:
    """The function that makes a cross-encoder's scores, as sentence-transformers keeps it."""
    saved = values.get(_SENTENCE_TRANSFORMERS)
    of_config = saved.get("activation_fn") if isinstance(saved, dict) else None
    name = activation or of_config or values.get(_OLD_ACTIVATION)
    if name is None:
        return None
    if not isinstance(name, str) or name not in _TORCH_FUNCTIONS:
        raise InputError(
            f"{file}: the activation of its scores must be one of "
            f"{', '.join(n for n in _TORCH_FUNCTIONS if 'modules' in n)}. Received: {name!r}"
        )
    return _TORCH_FUNCTIONS[name]


def config_values(model: BertModel) -> dict[str, Any]:
    """The contents of a model's ``config.json``.

    Raises:
        InputError: When no family has the model's class.
    """
    family = family_of_model(type(model))
    if family is None or type(model) not in family.models:
        known = dict.fromkeys(cls.__name__ for cls in all_models())
        raise InputError(f"cannot save a {type(model).__name__}; known are {', '.join(known)}")
    kind = {
        "architectures": [family.architecture(type(model))],
        "model_type": family.model_type,
    }
    return values_besides_architecture(model) | family.config_to_write(model.config) | kind


def values_besides_architecture(model: BertModel) -> dict[str, Any]:
    """The values of ``config.json`` besides the architecture: labels, problem type, other keys."""
    values = dict(model.other_config)
    if isinstance(model, LABELING):
        values["id2label"] = {str(number): name for number, name in enumerate(model.labels)}
        values["label2id"] = {name: number for number, name in enumerate(model.labels)}
        if kept := model.decision_to_keep():
            values[DECISION] = kept
    if isinstance(model, ClassifierModel):
        values["classifier_dropout"] = model.classifier_dropout
    if isinstance(model, BertForSequenceClassification):
        given = model.as_given
        if given["problem_type"] is not None or given["function_to_apply"] is None:
            values["problem_type"] = given["problem_type"] or model.problem_type
        values |= _score_keys(model, values)
    return values


def _score_keys(model: BertForSequenceClassification, values: Mapping[str, Any]) -> dict[str, Any]:
    """The key that makes others give a model's one score by its own function, where they would not.

    sentence-transformers takes the sigmoid where no file names a function, whatever the problem.

    Args:
        model: The model.
        values: The ``config.json`` as it is without.
    """
    if len(model.labels) > 1:
        return {}
    # The file of sentence-transformers that was read with the model names its own function.
    settings = model.other_files.get(SETTINGS_FILE, {})
    read = head_arguments(type(model), values, "config.json", settings.get("activation_fn"))
    function = read["function_to_apply"]
    ours = resolve_problem(read["problem_type"], function, 1)[1]
    if ours == (function or "sigmoid") == model.function_to_apply:
        return {}
    kept = values.get(_SENTENCE_TRANSFORMERS)
    name = next(n for n, f in _TORCH_FUNCTIONS.items() if f == model.function_to_apply)
    return {_SENTENCE_TRANSFORMERS: {**(kept or {}), "activation_fn": name}}


def foreign_keys(
    model: BertModel, values: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The keys of a config that are not the model's own; they are kept and written back.

    Args:
        model: The model.
        values: The keys.
        arguments: The constructor's arguments by the file.
    """
    own = [*model.config.to_dict(), *_FILE_KEYS, DECISION]
    own += _LABEL_KEYS if isinstance(model, LABELING) else ()
    own += ("classifier_dropout",) if isinstance(model, ClassifierModel) else ()
    if not (isinstance(model, BertForSequenceClassification) and keeps_score(model, arguments)):
        own += _SCORE_KEYS  # of a head that is gone
    return {key: value for key, value in values.items() if key not in own}


def keeps_score(model: BertModel, arguments: Mapping[str, Any]) -> bool:
    """Tell whether a classifier makes scores as its file says; true for other models.

    Args:
        model: The model.
        arguments: The constructor's arguments by the file.
    """
    if not isinstance(model, BertForSequenceClassification):
        return True
    given = model.as_given["function_to_apply"]
    return bool(given) and given == arguments.get("function_to_apply")


def write_json(files: Mapping[str, Any], directory: Path) -> None:
    """Write values into a directory as JSON files of these names."""
    for name, values in files.items():
        text = json.dumps(values, indent=2) + "\n"
        (directory / name).write_text(text, encoding="utf-8")
