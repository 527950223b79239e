"""What a ``config.json`` says beside the architecture: class, labels, kind of model."""

import json
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)

CLASSES = {
    "BertForPreTraining": BertForPreTraining,
    "BertForMaskedLM": BertForMaskedLM,
    "BertForNextSentencePrediction": BertForNextSentencePrediction,
    "BertForSequenceClassification": BertForSequenceClassification,
    "BertForTokenClassification": BertForTokenClassification,
    "BertForQuestionAnswering": BertForQuestionAnswering,
    "BertModel": BertEncoder,
}
_OTHER_KINDS = {
    "roberta": "its tokenizer is byte-level BPE and its positions count from 2",
    "albert": "its layers share one set of weights",
    "electra": "its embeddings are projected and its heads are others",
}
LABELLING = (BertForSequenceClassification, BertForTokenClassification)
# What we write is float32 and tied, whatever the file was.
_FILE_KEYS = ("dtype", "torch_dtype", "tie_word_embeddings")
_DISTILBERT_CLASSIFIER = "DistilBertForSequenceClassification"
# Where sentence-transformers keeps what makes a score of a cross-encoder's logit, by release.
_CROSS_ENCODER = "sentence_transformers"
_OLD_ACTIVATION = "sbert_ce_default_activation_function"
SCORE_KEYS = (_CROSS_ENCODER, _OLD_ACTIVATION, "function_to_apply")
# The classes of torch that a file may name; none is imported.
_TORCH_FUNCTIONS = {
    "torch.nn.modules.linear.Identity": "none",
    "torch.nn.Identity": "none",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.Softmax": "softmax",
    "torch.nn.Softmax": "softmax",
}
LABEL_KEYS = ("id2label", "label2id", "num_labels", "problem_type", "classifier_dropout")


def check_kind(file: Path, values: dict[str, Any]) -> str:
    """``"bert"`` or ``"distilbert"``; refuses models that are neither, or BERTs of other kinds."""
    model_type = str(values.get("model_type") or "bert")
    if model_type not in ("bert", "distilbert"):
        reasons = (reason for name, reason in _OTHER_KINDS.items() if name in model_type)
        why = next(reasons, "it is another model")
        raise InputError(
            f"{file} is of model_type {model_type!r} ({why}); bert-keras opens BERT and DistilBERT"
        )
    names = values.get("architectures") or []
    if not isinstance(names, list):
        raise InputError(f"{file}: architectures must be a list of names. Received: {names!r}")
    for key, plain in (
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("add_cross_attention", False),
    ):
        if values.get(key, plain) != plain:
            raise InputError(
                f"{file}: {key} must be {json.dumps(plain)}, as in BERT. "
                f"Received: {json.dumps(values[key])}"
            )
    return model_type


def named_class(file: Path, values: dict[str, Any], wanted: type | None) -> type | None:
    """The class that config.json names; ``None`` when only the encoder is of use.

    Raises:
        InputError: When we have no such class and the caller wants none that we have.
    """
    name = str((values.get("architectures") or ["BertModel"])[0])
    if values.get("model_type") == "distilbert" and name != _DISTILBERT_CLASSIFIER:
        name = name.replace("DistilBert", "Bert", 1)
    if name in CLASSES or wanted is not None:
        return CLASSES.get(name)
    why = (
        "whose classifier reads a layer with ReLU where BERT's reads the pooler, with tanh"
        if name == _DISTILBERT_CLASSIFIER
        else f"known are {', '.join(CLASSES)}"
    )
    raise InputError(
        f"{file} names the architecture {name!r}, {why}; a class as the second argument of "
        "bert_keras.load opens the encoder alone (BertEncoder) or under a new head"
    )


def bert_values(values: dict[str, Any]) -> dict[str, Any]:
    """The keys of a DistilBERT's config under BERT's names; those of a BERT as they are."""
    if values.get("model_type") != "distilbert":
        return values
    names = {
        "dim": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "hidden_dim": "intermediate_size",
        "activation": "hidden_act",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
    }
    renamed = {names.get(key, key): value for key, value in values.items()}
    # It has no token types: two of them, both zero, change nothing and take pairs as well.
    return renamed | {"type_vocab_size": 2, "layer_norm_eps": 1e-12}


def head_arguments(
    model_class: type | None, values: dict[str, Any], file: str, activation: Any = None
) -> dict[str, Any]:
    """The constructor arguments of a labelling model beside its architecture.

    Args:
        model_class: The model's.
        values: The ``config.json``.
        file: What messages call the model.
        activation: The class of torch that makes the scores, where another file names it.
    """
    if model_class not in LABELLING:
        return {}
    labels: int | list[str] = values.get("num_labels", 2)
    names = values.get("id2label")
    if names is not None:
        try:
            labels = [str(names[key]) for key in sorted(names, key=int)]
            whole = bool(labels) and sorted(map(int, names)) == list(range(len(names)))
        except (AttributeError, TypeError, ValueError):
            whole = False
        if not whole:
            raise InputError(
                f"{file}: id2label must give each number from 0 on a name. Received: {names!r}"
            )
    arguments: dict[str, Any] = {
        "labels": labels,
        "classifier_dropout": values.get("classifier_dropout"),
    }
    if model_class is BertForSequenceClassification:
        count = labels if isinstance(labels, int) else len(labels)
        function = _function(values, activation, file)
        if values.get("problem_type") is None and function is None:
            function = "sigmoid" if count == 1 else "softmax"  # as transformers' pipeline
        arguments |= {"problem_type": values.get("problem_type"), "function_to_apply": function}
    return arguments


def _function(values: dict[str, Any], activation: Any, file: str) -> str | None:
    """The function that makes a cross-encoder's scores, as sentence-transformers keeps it."""
    saved = values.get(_CROSS_ENCODER)
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


def config_values(model: Any) -> dict[str, Any]:
    """The contents of a model's ``config.json``.

    Raises:
        InputError: When the model is of no class that the layout knows.
    """
    kinds = {cls: name for name, cls in CLASSES.items()} | {BertForSentenceEmbedding: "BertModel"}
    if type(model) not in kinds:
        raise InputError(f"cannot save a {type(model).__name__}; known are {', '.join(CLASSES)}")
    kind = {"architectures": [kinds[type(model)]], "model_type": "bert"}
    values = other_config(model) | model.config.to_dict() | kind
    if values["hidden_act"] == "gelu_tanh":
        values["hidden_act"] = "gelu_new"  # the same function by a name that transformers knows
    return values


def other_config(model: Any) -> dict[str, Any]:
    """What ``config.json`` says beside the architecture: labels, problem type, foreign keys."""
    values = dict(model.other_config)
    if isinstance(model, LABELLING):
        values["id2label"] = {str(number): name for number, name in enumerate(model.labels)}
        values["label2id"] = {name: number for number, name in enumerate(model.labels)}
        values["classifier_dropout"] = model.classifier_dropout
    if isinstance(model, BertForSequenceClassification):
        given = model.as_given
        if given["problem_type"] is not None or given["function_to_apply"] is None:
            values["problem_type"] = given["problem_type"] or model.problem_type
    return values


def finish(model: Any, values: dict[str, Any]) -> None:
    """Keeps the keys of a config that are not ours with the model, to write them back."""
    ours = [*model.config.to_dict(), *_FILE_KEYS]
    ours += LABEL_KEYS if isinstance(model, LABELLING) else ()
    given = getattr(model, "as_given", {})
    ours += () if given.get("function_to_apply") else SCORE_KEYS  # of a head that is gone
    model.other_config = {key: value for key, value in values.items() if key not in ours}
