"""Google's own files: bert_config.json, bert_model.ckpt.* and vocab.txt.

The variables are called and shaped as in ``modeling.py``, ``run_pretraining.py``,
``run_classifier.py`` and ``run_squad.py`` of google-research/bert, so that code reads what we
write.
"""

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertForMultipleChoice,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.modeling.model import BertModel
from bert_keras.saving.config_json import (
    head_arguments,
    label_notes,
    values_besides_architecture,
    write_json,
)
from bert_keras.saving.families import family_of_model
from bert_keras.saving.families.bert import BERT, class_of
from bert_keras.saving.names import Names
from bert_keras.saving.stored import StoredModel, components_in, stored_weights
from bert_keras.saving.tensorflow_file import TensorFlowFile
from bert_keras.saving.weights import weights_to_save
from bert_keras.tokenization import Tokenizer

NAMES = Names(
    layers={
        "embeddings/word_embeddings": "bert/embeddings/word_embeddings",
        "embeddings/position_embeddings": "bert/embeddings/position_embeddings",
        "embeddings/token_type_embeddings": "bert/embeddings/token_type_embeddings",
        "embeddings/layer_norm": "bert/embeddings/LayerNorm",
        "layer_#/attention/query_key_value": (
            "bert/encoder/layer_#/attention/self/(query|key|value)"
        ),
        "layer_#/attention/output": "bert/encoder/layer_#/attention/output/dense",
        "layer_#/attention_layer_norm": "bert/encoder/layer_#/attention/output/LayerNorm",
        "layer_#/feed_forward/intermediate": "bert/encoder/layer_#/intermediate/dense",
        "layer_#/feed_forward/output": "bert/encoder/layer_#/output/dense",
        "layer_#/feed_forward_layer_norm": "bert/encoder/layer_#/output/LayerNorm",
        "pooler/output": "bert/pooler/dense",
        "masked_lm_head/transform": "cls/predictions/transform/dense",
        "masked_lm_head/layer_norm": "cls/predictions/transform/LayerNorm",
        "masked_lm_head/output_bias": "cls/predictions/output_bias",
        "next_sentence_head/output/kernel": "cls/seq_relationship/output_weights",
        "next_sentence_head/output/bias": "cls/seq_relationship/output_bias",
        "classifier/output/kernel": "output_weights",
        "classifier/output/bias": "output_bias",
        "span_head/output/kernel": "cls/squad/output_weights",
        "span_head/output/bias": "cls/squad/output_bias",
    },
    ends={"kernel": "/kernel", "bias": "/bias", "gamma": "/gamma", "beta": "/beta"},
    transposed=(
        "next_sentence_head/output/kernel",
        "classifier/output/kernel",
        "span_head/output/kernel",
    ),
)
CONFIG_FILE = "bert_config.json"
PREFIX = "bert_model.ckpt"
# The activations that Google's code knows; its "gelu" is the tanh form.
_ACTIVATIONS = {"gelu_tanh": "gelu", "gelu_erf": "gelu", "relu": "relu", "tanh": "tanh"}
# A key of ours that Google's code ignores: the exact hidden_act.
_EXACT_ACTIVATION = "bert_keras_hidden_act"
# What training left in the file: the step, Adam's moments, and the same of LAMB.
_OPTIMIZER = re.compile(r"^global_step$|/(adam|lamb)_[mv]$|^(beta[12]_power|signal_early_stop)")


def read_google(tf_file: TensorFlowFile) -> StoredModel:
    """A file that TF1's ``Saver`` wrote, with ``bert_config.json`` next to it."""
    folder = tf_file.prefix.parent
    values = read_json_object(folder / CONFIG_FILE)
    exact = values.pop(_EXACT_ACTIVATION, None)
    activation = values.get("hidden_act", "gelu")
    if isinstance(activation, str):
        activation = activation.lower()  # as that code reads it
    values["hidden_act"] = exact or ("gelu_new" if activation == "gelu" else activation)
    config = BertConfig.from_dict(values)
    shapes = {n: shape for n, shape in tf_file.shapes.items() if not _OPTIMIZER.search(n)}
    weights = stored_weights(str(tf_file.prefix), NAMES, shapes, tf_file.read)
    model_class = class_of(components_in(weights, BERT, config))
    arguments: dict[str, Any] = {}
    file = str(folder / CONFIG_FILE)
    if model_class is BertForSequenceClassification and "output_weights" in shapes:
        count = shapes["output_weights"][0]
        arguments = head_arguments(model_class, {"num_labels": count} | values, file)
    return StoredModel(
        path=folder,
        layout="google",
        family=BERT,
        config=config,
        weights=weights,
        model_class=model_class,
        arguments=arguments,
        read_tokenizer=partial(BERT.read_tokenizer, folder),
        foreign=values,
        notes=label_notes(arguments.get("labels"), values, file),
        files=tf_file.files([CONFIG_FILE], BERT.tokenizer_files),
    )


def save_google(model: BertModel, path: str | Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a folder that Google's TF1 code opens.

    That code computes ``"gelu"`` by tanh. A model that was trained with the erf form keeps it when
    we open it again (by a key that the code ignores), but its outputs there differ by about 1e-3.

    Raises:
        InputError: When that code has no such model, or the folder has other files in it.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    config = model.config
    nameless = (BertForTokenClassification, BertForMultipleChoice, BertForSentenceEmbedding)
    what = ""
    if isinstance(model, nameless) or family_of_model(type(model)) is not BERT:
        what = type(model).__name__
    elif config.activation not in _ACTIVATIONS:
        what = f"hidden_act {config.hidden_act!r}"
    if what:
        raise InputError(f"Google's layout has nothing for {what}; use the Hugging Face layout")
    values = values_besides_architecture(model) | config.to_dict()
    values["hidden_act"] = _ACTIVATIONS[config.activation]
    if config.hidden_act not in ("gelu_new", "relu", "tanh"):
        values[_EXACT_ACTIVATION] = config.hidden_act
    for key in ("architectures", "model_type"):
        values.pop(key, None)
    arrays: dict[str, np.ndarray] = {}
    for weight, variable in weights_to_save(model, BERT, NAMES):
        arrays |= weight.to_file(variable.numpy())
    tokenizer = tokenizer or model.tokenizer
    with atomic_directory(path, replace=True) as directory:
        write_json({CONFIG_FILE: values}, directory)
        tf.raw_ops.SaveV2(
            prefix=os.fsencode(directory / PREFIX),
            tensor_names=list(arrays),
            shape_and_slices=[""] * len(arrays),
            tensors=[tf.constant(array) for array in arrays.values()],
        )
        if tokenizer is not None:
            tokenizer.save(directory, config.max_position_embeddings)
