"""Google's own checkpoints: bert_config.json, bert_model.ckpt.* and vocab.txt.

The variables are called and shaped as in ``modeling.py``, ``run_pretraining.py``,
``run_classifier.py`` and ``run_squad.py`` of google-research/bert, so that code reads what we
write.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.saving.config_json import finish, head_arguments, other_config
from bert_keras.saving.name_rules import by_table_name, google_name, is_google_kernel
from bert_keras.saving.names import entries
from bert_keras.saving.opening import Wanted, class_of, load_tokenizer, make_request
from bert_keras.saving.tf_checkpoint import TFCheckpoint
from bert_keras.saving.weights import Weights, make_model, model_weights
from bert_keras.tokenization import BertTokenizer

CONFIG_FILE = "bert_config.json"
PREFIX = "bert_model.ckpt"
# Google's code knows these, and its "gelu" is the tanh form.
_ACTIVATIONS = {"gelu_tanh": "gelu", "gelu_erf": "gelu", "relu": "relu", "tanh": "tanh"}
# A key of ours that Google's code passes over: what hidden_act really is.
_EXACT_ACTIVATION = "bert_keras_hidden_act"
_LAYER = re.compile(r"bert/encoder/layer_\d+/output/dense/kernel")
# What training left in the file: the step, Adam's moments, and the same of LAMB.
_OPTIMIZER = re.compile(r"^global_step$|/(adam|lamb)_[mv]$|^(beta[12]_power|signal_early_stop)")


def load_google(checkpoint: TFCheckpoint, wanted: Wanted) -> Any:
    """Opens a checkpoint that TF1's ``Saver`` wrote; see ``bert_keras.load``."""
    folder = checkpoint.prefix.parent
    values = read_json_object(folder / CONFIG_FILE)
    exact = values.pop(_EXACT_ACTIVATION, None)
    activation = values.get("hidden_act", "gelu")
    if isinstance(activation, str):
        activation = activation.lower()  # as that code reads it
    values["hidden_act"] = exact or ("gelu_new" if activation == "gelu" else activation)
    config = BertConfig.from_dict(values)
    weights = _weights(checkpoint, config)
    own = class_of(weights)
    in_file = {}
    if own is BertForSequenceClassification:
        count = weights.shapes["classifier.weight"][0]
        in_file = head_arguments(own, {"num_labels": count} | values, weights.file)
    request = make_request(own, in_file, config, weights, wanted)
    model = make_model(request, weights, "google")
    finish(model, values)
    model.tokenizer = load_tokenizer(folder, config, wanted.casing)
    return model


def save_google(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a folder that Google's TF1 code opens.

    That code computes ``"gelu"`` by tanh. A model that was trained with the erf form keeps it
    here (in a key that the code passes over), but its outputs there differ by about 1e-3.

    Args:
        model: One of our models but for ``BertForTokenClassification``, for which that code has
            no names.
        path: The folder. One that was written so before is replaced once the new one is whole.
        tokenizer: Its ``vocab.txt`` is written; by default the one the model was loaded with.

    Raises:
        InputError: When that code has nothing like the model, or the folder has files in it that
            were not written so.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    config = model.config
    nameless = (BertForTokenClassification, BertForSentenceEmbedding)
    if isinstance(model, nameless) or config.activation not in _ACTIVATIONS:
        what = (
            f"hidden_act {config.hidden_act!r}"
            if config.activation not in _ACTIVATIONS
            else type(model).__name__
        )
        raise InputError(f"Google's layout has nothing for {what}; use the Hugging Face layout")
    values = other_config(model) | config.to_dict()
    values["hidden_act"] = _ACTIVATIONS[config.activation]
    if config.hidden_act not in ("gelu_new", "relu", "tanh"):
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
        tf.raw_ops.SaveV2(
            prefix=os.fsencode(directory / PREFIX),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(array) for array in arrays],
        )
        if tokenizer is not None:
            tokenizer.save(directory, config.max_position_embeddings)


def _weights(checkpoint: TFCheckpoint, config: BertConfig) -> Weights:
    """The checkpoint's variables under the table's names, those of the optimizer left out."""
    stored = checkpoint.shapes
    layers = sum(bool(_LAYER.fullmatch(name)) for name in stored)  # what the config says may lie
    table = entries(replace(config, num_hidden_layers=min(config.num_hidden_layers, layers) or 1))
    known = {google_name(name): name for entry in table for name in entry.theirs}
    kept = [name for name in stored if not _OPTIMIZER.search(name)]
    names = by_table_name(str(checkpoint.prefix), kept, lambda name: known.get(name, name))
    shapes = {
        name: stored[there][::-1] if is_google_kernel(name) else stored[there]
        for name, there in names.items()
    }

    def read(name: str) -> np.ndarray:
        array = checkpoint.read(names[name])
        return array.T if is_google_kernel(name) else array

    return Weights(str(checkpoint.prefix), shapes, read, google_name)
