"""Google's own checkpoints: bert_config.json, bert_model.ckpt.* and vocab.txt.

The variables are called and shaped as in ``modeling.py``, ``run_pretraining.py``,
``run_classifier.py`` and ``run_squad.py`` of google-research/bert, so that code reads what we
write.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.checkpoints.config_json import finish, head_arguments, other_config
from bert_keras.checkpoints.names import entries, google_name, is_google_kernel
from bert_keras.checkpoints.opening import load_tokenizer, make_request
from bert_keras.checkpoints.weights import Weights, make_model, model_weights
from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
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
from bert_keras.tokenization import BertTokenizer

CONFIG_FILE = "bert_config.json"
PREFIX = "bert_model.ckpt"
# Google's code knows these, and its "gelu" is the tanh form.
_ACTIVATIONS = {"gelu_new": "gelu", "gelu_tanh": "gelu", "gelu": "gelu", "relu": "relu"}
# A key of ours that Google's code passes over: what hidden_act really is.
_EXACT_ACTIVATION = "bert_keras_hidden_act"
# What training left in the file: the step, Adam's moments, and the same of LAMB.
_READ_ERRORS = (tf.errors.OpError, ValueError, RuntimeError)
_LAYER = re.compile(r"bert/encoder/layer_\d+/output/dense/kernel")
_OPTIMIZER = re.compile(r"^global_step$|/(adam|lamb)_[mv]$|^(beta[12]_power|signal_early_stop)")


def is_google(path: Path) -> bool:
    """Whether a folder, or the beginning of a checkpoint's name, is Google's."""
    return (path / CONFIG_FILE).exists() or Path(f"{path}.index").exists()


def load_google(path: Path, model_class: type | None = None, **arguments: Any) -> Any:
    """Opens a folder, or a checkpoint in it by its name (``.../model.ckpt-1000``)."""
    prefix = _prefix(path)
    values = read_json_object(prefix.parent / CONFIG_FILE)
    exact = values.pop(_EXACT_ACTIVATION, None)
    activation = values.get("hidden_act", "gelu")
    values["hidden_act"] = exact or ("gelu_new" if activation == "gelu" else activation)
    config = BertConfig.from_dict(values)
    weights = _weights(prefix, config)
    own = _class_of(weights)
    in_file = {}
    if own is BertForSequenceClassification:
        count = weights.shapes["classifier.weight"][0]
        in_file = head_arguments(own, {"num_labels": count} | values, weights.file)
    request = make_request(own, in_file, config, weights, model_class, arguments)
    model = make_model(request, weights, "google")
    finish(model, values)
    model.tokenizer = load_tokenizer(prefix.parent, config)
    return model


def save_google(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a folder that Google's TF1 code opens.

    That code computes ``"gelu"`` by tanh. A model that was trained with the erf form keeps it
    here (in a key that the code passes over), but its outputs there differ by about 1e-3.

    Args:
        model: One of our models but for ``BertForTokenClassification``, for which that code has
            no names.
        path: The folder. One that is there already is replaced once the new one is whole.
        tokenizer: Its ``vocab.txt`` is written; by default the one the model was loaded with.

    Raises:
        InputError: When that code has nothing like the model.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    config = model.config
    nameless = (BertForTokenClassification, BertForSentenceEmbedding)
    if isinstance(model, nameless) or config.hidden_act not in _ACTIVATIONS:
        what = (
            f"hidden_act {config.hidden_act!r}"
            if config.hidden_act not in _ACTIVATIONS
            else type(model).__name__
        )
        raise InputError(f"Google's layout has nothing for {what}; use the Hugging Face layout")
    values = other_config(model) | config.to_dict()
    values["hidden_act"] = _ACTIVATIONS[config.hidden_act]
    if config.hidden_act not in ("gelu_new", "relu"):
        values[_EXACT_ACTIVATION] = config.hidden_act
    for key in ("architectures", "model_type"):
        values.pop(key, None)
    names: list[str] = []
    arrays: list[np.ndarray] = []
    for entry, variable in model_weights(model):
        for name, array in entry.to_theirs(variable.numpy()).items():
            names.append(google_name(name))
            arrays.append(array.T if is_google_kernel(name) else array)
    tokenizer = tokenizer or model.tokenizer
    with atomic_directory(path, replace=True) as directory:
        text = json.dumps(values, indent=2) + "\n"
        (directory / CONFIG_FILE).write_text(text, encoding="utf-8")
        try:
            tf.raw_ops.SaveV2(
                prefix=str(directory / PREFIX),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=[tf.constant(array) for array in arrays],
            )
        except tf.errors.OpError as error:  # such as a full disk
            raise OSError(f"cannot write {Path(path) / PREFIX}: {error.message}") from None
        if tokenizer is not None:
            tokenizer.save(directory)


def _prefix(path: Path) -> Path:
    """The checkpoint's name without ``.index``."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.ckpt*.index"))
    if len(found) != 1:
        names = ", ".join(file.name.removesuffix(".index") for file in found[:3])
        raise InputError(
            f"{path} must hold one checkpoint (*.ckpt*.index); give the path of the one you mean, "
            f"without .index. Received: {names or 'none'}"
        )
    return found[0].with_name(found[0].name.removesuffix(".index"))


def _weights(prefix: Path, config: BertConfig) -> Weights:
    """The checkpoint's variables under the table's names, those of the optimizer left out."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        stored = reader.get_variable_to_shape_map()
    except _READ_ERRORS as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{prefix} is damaged or no TensorFlow checkpoint: {reason}") from None
    layers = sum(bool(_LAYER.fullmatch(name)) for name in stored)  # what the config says may lie
    table = entries(replace(config, num_hidden_layers=min(config.num_hidden_layers, layers) or 1))
    known = {google_name(name): name for entry in table for name in entry.theirs}
    names = {known.get(name, name): name for name in stored if not _OPTIMIZER.search(name)}
    shapes = {}
    for name, there in names.items():
        shape = tuple(stored[there])
        shapes[name] = shape[::-1] if is_google_kernel(name) else shape

    def read(name: str) -> np.ndarray:
        try:
            array = reader.get_tensor(names[name])
        except (*_READ_ERRORS, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{prefix} is damaged: {reason}") from None
        return array.T if is_google_kernel(name) else array

    return Weights(str(prefix), shapes, read, google_name)


def _class_of(weights: Weights) -> type:
    """The class that has the heads which the file has."""
    for head, model_class in (
        ("qa_outputs.", BertForQuestionAnswering),
        ("classifier.", BertForSequenceClassification),
        ("cls.predictions.", BertForMaskedLM),
        ("cls.seq_relationship.", BertForNextSentencePrediction),
    ):
        if weights.has(head):
            both = model_class is BertForMaskedLM and weights.has("cls.seq_relationship.")
            return BertForPreTraining if both else model_class
    return BertEncoder
