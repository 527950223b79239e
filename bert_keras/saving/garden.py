"""Files of TF Model Garden (tf-models-official), which are read: BertPretrainerV2, its encoders.

Its pre-trainer pools twice: the encoder has a pooler, and the next-sentence head one of its own.
Only the head's is trained. It is the pooler here, as it is where the garden fine-tunes; the
encoder's is left out and named.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bert_keras.config import BertConfig
from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.saving.families.bert import BERT, class_of
from bert_keras.saving.names import Names
from bert_keras.saving.stored import StoredModel, StoredWeights, components_in, stored_weights
from bert_keras.saving.tensorflow_file import TensorFlowFile

# The encoder's own pooler, which the garden's pre-training does not train.
_SPARE_POOLER = "encoder/_pooler_layer"
_POOLER, _SCORES = "classification_heads/0/dense", "classification_heads/0/out_proj"
_WORDS = "encoder/_embedding_layer/embeddings"
NAMES = Names(
    layers={
        "embeddings/word_embeddings": _WORDS,
        "embeddings/position_embeddings": "encoder/_position_embedding_layer/embeddings",
        "embeddings/token_type_embeddings": "encoder/_type_embedding_layer/embeddings",
        "embeddings/layer_norm": "encoder/_embedding_norm_layer",
        "layer_#/attention/query_key_value": (
            "encoder/_transformer_layers/#/_attention_layer/_(query|key|value)_dense"
        ),
        "layer_#/attention/output": "encoder/_transformer_layers/#/_attention_layer/_output_dense",
        "layer_#/attention_layer_norm": "encoder/_transformer_layers/#/_attention_layer_norm",
        "layer_#/feed_forward/intermediate": "encoder/_transformer_layers/#/_intermediate_dense",
        "layer_#/feed_forward/output": "encoder/_transformer_layers/#/_output_dense",
        "layer_#/feed_forward_layer_norm": "encoder/_transformer_layers/#/_output_layer_norm",
        "pooler/output": _POOLER,
        "masked_lm_head/transform": "masked_lm/dense",
        "masked_lm_head/layer_norm": "masked_lm/layer_norm",
        "masked_lm_head/output_bias": "masked_lm/output_bias.Sbias",
        "next_sentence_head/output": _SCORES,
    },
    ends={"kernel": "/kernel", "bias": "/bias", "gamma": "/gamma", "beta": "/beta"},
    has_heads=True,
    unused=(f"{_SPARE_POOLER}/",),
)
# The same, by its place in the object that was saved.
_ALIASES = (
    (r"/\.ATTRIBUTES/VARIABLE_VALUE$", ""),
    (r"^model/(?=encoder|masked_lm|classification_heads|_[a-z])", ""),
    # The encoder: alone, within the pre-trainer, or saved next to it.
    (r"^(encoder(_network)?/)?(?=_[a-z])", "encoder/"),
    (r"^masked_lm/embedding_table$", _WORDS),
    (r"^next_sentence\.\.pooler_dense/", f"{_POOLER}/"),
)
# The garden's first encoder, a functional model, numbers the layers that have weights: these, then
# the Transformer layers and the pooler. Its second encoder names them.
_NUMBERED = re.compile(r"layer_with_weights-(\d+)/")
_EMBEDDINGS = ["_embedding", "_position_embedding", "_type_embedding", "_embedding_norm"]
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
# The beginnings of names in a file of a training run that are not the model's.
_STATE = ("optimizer/", "global_step/", "save_counter/", "train_loss/", "validation_loss/")


def read_garden(tf_file: TensorFlowFile) -> StoredModel:
    """A file that ``tf.train.Checkpoint`` wrote, with its config next to it."""
    folder = tf_file.prefix.parent
    config, foreign = _read_config(folder)
    weights = _weights(tf_file)
    configs = [PARAMS_FILE] if (folder / PARAMS_FILE).exists() else [CONFIG_FILE]
    return StoredModel(
        path=folder,
        layout="model-garden",
        family=BERT,
        config=config,
        weights=weights,
        model_class=class_of(components_in(weights, BERT, config)),
        read_tokenizer=partial(BERT.read_tokenizer, folder),
        foreign=foreign,
        files=tf_file.files(configs, BERT.tokenizer_files),
    )


def _weights(tf_file: TensorFlowFile) -> StoredWeights:
    """The model's variables under the table's names."""
    shapes = {
        name: shape
        for name, shape in tf_file.shapes.items()
        if not name.startswith(_STATE) and ".OPTIMIZER_SLOT" not in name
    }
    layers = sum("/_intermediate_dense/kernel/" in name for name in shapes)
    by_name = {_table_name(name, layers): name for name in shapes}
    has_pooler = any(name.startswith(_POOLER) for name in by_name)
    if not has_pooler and f"{_SCORES}/kernel" in by_name:
        raise InputError(
            f"{tf_file.prefix}: {by_name[f'{_SCORES}/kernel']} is of a head without "
            "a pooler (inner_dim 0), which scores every token; BERT's scores the text"
        )

    def rename(name: str) -> str:
        name = _table_name(name, layers)
        return name if has_pooler else name.replace(_SPARE_POOLER, _POOLER)

    return stored_weights(str(tf_file.prefix), NAMES, shapes, tf_file.read, rename)


def _table_name(name: str, layers: int) -> str:
    """The table's name of a variable in a file with so many Transformer layers."""
    objects = [f"{name}_layer/" for name in _EMBEDDINGS]
    objects += [f"_transformer_layers/{number}/" for number in range(layers)]
    objects += ["_pooler_layer/"]
    last = len(objects) - 1
    name = _NUMBERED.sub(lambda match: objects[min(int(match[1]), last)], name)
    for pattern, replacement in _ALIASES:
        name = re.sub(pattern, replacement, name)
    return name


def _read_config(folder: Path) -> tuple[BertConfig, dict[str, Any]]:
    """The architecture, and the keys of ``bert_config.json`` that are not ours.

    A training run of the garden leaves ``params.yaml`` next to its files; those that were
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
            f"{folder} holds a file of TF Model Garden without its config; put next to it "
            f"{PARAMS_FILE} (of the training run) or {CONFIG_FILE}"
        )
    activation = values.get("hidden_act", "gelu")
    # The garden computes GELU by tanh.
    values = values | {"hidden_act": "gelu_new" if activation == "gelu" else activation}
    return BertConfig.from_dict(values), others


def _read_params(file: Path) -> dict[str, Any]:
    """The encoder's parameters in those of a run, under our names."""
    try:
        model: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        for key in ("task", "model"):
            model = model.get(key, model)
        encoder = model["encoder"]
        kind = encoder.get("type", "bert")
        values = dict(encoder[kind])
        heads = [dict(head) for head in model.get("cls_heads") or ()]
    except (yaml.YAMLError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
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
    return {name: values[key] for key, name in _KEYS.items() if key in values}


def _require(file: Path, values: dict[str, Any], key: str, needed: Any) -> None:
    """Refuse a value that computes differently from BERT; a key may be missing or null."""
    received = values.get(key)
    if received is not None and received != needed:
        raise InputError(f"{file}: {key} must be {needed!r}, as in BERT. Received: {received!r}")
