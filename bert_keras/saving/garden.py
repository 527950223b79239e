"""Checkpoints of TF Model Garden (tf-models-official), in: BertPretrainerV2 and its encoders.

Its pre-trainer pools twice: the encoder has a pooler, and the next-sentence head one of its own.
Only the head's is trained. It is the pooler here, as it is where the garden fine-tunes; the
encoder's is left out and named.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.saving.config_json import finish
from bert_keras.saving.keras_arrays import keras_weights
from bert_keras.saving.name_rules import (
    GARDEN_SPARE_POOLER,
    by_table_name,
    garden_layers,
    name_of_garden,
)
from bert_keras.saving.opening import Wanted, class_of, load_tokenizer, make_request
from bert_keras.saving.tf_checkpoint import TFCheckpoint
from bert_keras.saving.weights import Weights, make_model

PARAMS_FILE, CONFIG_FILE = "params.yaml", "bert_config.json"
_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "hidden_activation": "hidden_act",
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
    "max_position_embeddings": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "initializer_range": "initializer_range",
}
# What stands beside the model in a checkpoint of a training run.
_STATE = ("optimizer/", "global_step/", "save_counter/", "train_loss/", "validation_loss/")


def load_garden(checkpoint: TFCheckpoint, wanted: Wanted) -> Any:
    """Opens a checkpoint that ``tf.train.Checkpoint`` wrote; see ``bert_keras.load``."""
    folder = checkpoint.prefix.parent
    config, others = _read_config(folder)
    weights = _weights(checkpoint, config)
    request = make_request(class_of(weights), {}, config, weights, wanted)
    model = make_model(request, weights, "model-garden")
    finish(model, others)
    model.tokenizer = load_tokenizer(folder, config, wanted.casing)
    return model


def _weights(checkpoint: TFCheckpoint, config: BertConfig) -> Weights:
    """The model's variables under the table's names."""
    stored = [
        name
        for name in checkpoint.shapes
        if not name.startswith(_STATE) and ".OPTIMIZER_SLOT" not in name
    ]
    file, layers = str(checkpoint.prefix), garden_layers(stored)
    there = by_table_name(file, stored, lambda home: name_of_garden(home, layers))
    if not any(name.startswith("bert.pooler.") for name in there):
        if "cls.seq_relationship.weight" in there:
            raise InputError(
                f"{file}: {there['cls.seq_relationship.weight']} is of a head without "
                "a pooler (inner_dim 0), which scores every token; BERT's scores the text"
            )
        for name in [name for name in there if name.startswith(GARDEN_SPARE_POOLER)]:
            there[name.replace(GARDEN_SPARE_POOLER, "bert.pooler.")] = there.pop(name)
    weights = keras_weights(file, config, checkpoint.shapes, there, checkpoint.read)
    return replace(weights, untrained=(GARDEN_SPARE_POOLER,))


def _read_config(folder: Path) -> tuple[BertConfig, dict[str, Any]]:
    """The architecture, and the keys of ``bert_config.json`` that are not ours.

    A training run of the garden leaves ``params.yaml`` beside its checkpoints; those that were
    converted from Google's come with ``bert_config.json``.
    """
    if (folder / PARAMS_FILE).exists():
        values, others = _read_params(folder / PARAMS_FILE), {}
    elif (folder / CONFIG_FILE).exists():
        values = others = read_json_object(folder / CONFIG_FILE)
        width = values.get("hidden_size", BertConfig.hidden_size)
        _require(folder / CONFIG_FILE, values, "embedding_size", width)
    else:
        raise InputError(
            f"{folder} holds a checkpoint of TF Model Garden without its config; put beside it "
            f"{PARAMS_FILE} (of the training run) or {CONFIG_FILE}"
        )
    activation = values.get("hidden_act", "gelu")
    # The garden computes GELU by tanh.
    values = values | {"hidden_act": "gelu_new" if activation == "gelu" else activation}
    return BertConfig.from_dict(values), others


def _read_params(file: Path) -> dict[str, Any]:
    """The encoder's part of a run's parameters, under our names."""
    try:
        model: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        for part in ("task", "model"):
            model = model.get(part, model)
        encoder = model["encoder"]
        kind = encoder.get("type", "bert")
        values = dict(encoder[kind])
        heads = [dict(head) for head in model.get("cls_heads") or ()]
    except (
        yaml.YAMLError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        raise InputError(
            f"{file} must be the YAML of a training run, with task.model.encoder in it"
        ) from None
    if kind not in ("bert", "bert_v2"):
        raise InputError(f"{file} is of an encoder of type {kind!r}; bert-keras opens bert")
    _require(file, values, "norm_first", False)
    _require(file, values, "embedding_size", values.get("hidden_size", BertConfig.hidden_size))
    activation = values.get("hidden_activation", "gelu")
    _require(file, model, "mlm_activation", activation)
    for head in heads:
        _require(file, head, "activation", "tanh")
        _require(file, head, "cls_token_idx", 0)
    return {ours: values[theirs] for theirs, ours in _KEYS.items() if theirs in values}


def _require(file: Path, values: dict[str, Any], key: str, needed: Any) -> None:
    """Refuses what computes otherwise than BERT; a key that is missing or null is as BERT."""
    received = values.get(key)
    if received is not None and received != needed:
        raise InputError(f"{file}: {key} must be {needed!r}, as in BERT. Received: {received!r}")
