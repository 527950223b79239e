"""keras-hub's presets and weights, which are read: a BertBackbone, with or without BertMaskedLM.

keras-hub's masked-LM head differs from BERT's: it computes GELU by erf where its encoder takes the
tanh form, and LayerNorm with epsilon 1e-5 instead of 1e-12. The weights are read as they are; the
head computes with them what BERT's does, so its logits differ slightly from keras-hub's.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from bert_keras.config import BertConfig
from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.saving.families.bert import BERT, class_of
from bert_keras.saving.keras_file import read_array, read_shapes
from bert_keras.saving.names import Names, numbered_after_the_first
from bert_keras.saving.stored import StoredModel, StoredWeights, components_in, stored_weights
from bert_keras.tokenization import Casing, Tokenizer, WordPieceTokenizer, read_vocabulary
from bert_keras.tokenization.casing import guess_casing
from bert_keras.tokenization.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK

NAMES = Names(
    layers={
        "embeddings/word_embeddings": "layers/reversible_embedding/vars/0",
        "embeddings/position_embeddings": "layers/position_embedding/vars/0",
        "embeddings/token_type_embeddings": "layers/embedding/vars/0",
        "embeddings/layer_norm": "layers/layer_normalization",
        "layer_#/attention/query_key_value": (
            "layers/transformer_encoder#/_self_attention_layer/(query|key|value)_dense"
        ),
        "layer_#/attention/output": (
            "layers/transformer_encoder#/_self_attention_layer/output_dense"
        ),
        "layer_#/attention_layer_norm": "layers/transformer_encoder#/_self_attention_layer_norm",
        "layer_#/feed_forward/intermediate": (
            "layers/transformer_encoder#/_feedforward_intermediate_dense"
        ),
        "layer_#/feed_forward/output": "layers/transformer_encoder#/_feedforward_output_dense",
        "layer_#/feed_forward_layer_norm": "layers/transformer_encoder#/_feedforward_layer_norm",
        "pooler/output": "layers/dense",
        "masked_lm_head/transform": "layers/masked_lm_head/_intermediate_dense",
        "masked_lm_head/layer_norm": "layers/masked_lm_head/_intermediate_layer_norm",
        "masked_lm_head/output_bias": "layers/masked_lm_head/vars/0",
    },
    ends={"kernel": "/vars/0", "bias": "/vars/1", "gamma": "/vars/0", "beta": "/vars/1"},
    has_heads=True,
    number=numbered_after_the_first,
)
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.weights.h5"
TASK_FILE, TASK_WEIGHTS_FILE = "task.json", "task.weights.h5"
TOKENIZER_FILE, VOCABULARY_FILE = "tokenizer.json", "assets/tokenizer/vocabulary.txt"
TOKENIZER_FILES = (TOKENIZER_FILE, VOCABULARY_FILE)
WEIGHTS_SUFFIX = ".weights.h5"
# The beginning of the backbone's names in a file of a whole task.
_IN_TASK = "layers/bert_backbone/"
# The settings of its tokenizer by which text is read as BERT does; they are its defaults, too.
_RULES = {
    "split": True,
    "split_on_cjk": True,
    "suffix_indicator": CONTINUATION,
    "oov_token": UNK,
}
_KEYS = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}


def is_keras_hub(path: Path) -> bool:
    """Tell whether a directory is a preset of keras-hub (or keras-nlp, as it was called)."""
    file = path / CONFIG_FILE
    return file.exists() and "registered_name" in read_json_object(file)


def read_keras_hub(path: Path) -> StoredModel:
    """A preset, or a ``.weights.h5`` file with the config next to it."""
    folder = path if path.is_dir() else path.parent
    config = _read_config(folder / CONFIG_FILE, path)
    files = _weight_files(path)
    weights = _weights(files)
    identifying = {n: folder / n for n in (CONFIG_FILE, VOCABULARY_FILE, TOKENIZER_FILE)}
    identifying |= {file.name if path.is_dir() else f"*{WEIGHTS_SUFFIX}": file for file in files}
    return StoredModel(
        path=folder,
        layout="keras-hub",
        family=BERT,
        config=config,
        weights=weights,
        model_class=class_of(components_in(weights, BERT, config)),
        read_tokenizer=partial(_read_tokenizer, folder),
        files=identifying,
    )


def _read_config(file: Path, asked: Path) -> BertConfig:
    """The backbone's architecture, as a preset, ``to_json`` or ``get_config`` writes it."""
    if not file.exists():
        raise InputError(
            f"{asked} needs {CONFIG_FILE} next to it, with what backbone.to_json() gives; or save "
            "a preset, which holds both: model.save_to_preset(FOLDER)"
        )
    values = read_json_object(file)
    settings = values.get("config", {})
    if isinstance(settings, dict) and isinstance(settings.get("backbone"), dict):
        values = settings["backbone"]  # of a task such as BertMaskedLM
        settings = values.get("config")
    if "vocabulary_size" in values:
        values, settings = {"class_name": "BertBackbone"}, values
    if values.get("class_name") != "BertBackbone" or not isinstance(settings, dict):
        raise InputError(
            f"{file} is of keras-hub's {values.get('class_name')}; bert-keras opens its "
            "BertBackbone"
        )
    dropout = settings.get("dropout", 0.1)
    return BertConfig(
        **{name: settings[key] for key, name in _KEYS.items() if key in settings},
        hidden_act="gelu_new",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def _weight_files(path: Path) -> list[Path]:
    """The backbone's weights, and those of the one task whose head is BERT's."""
    if not path.is_dir():
        return [path]
    is_masked_lm = (path / TASK_FILE).exists() and (
        read_json_object(path / TASK_FILE).get("class_name") == "BertMaskedLM"
    )
    return [path / WEIGHTS_FILE, *([path / TASK_WEIGHTS_FILE] if is_masked_lm else [])]


def _weights(files: list[Path]) -> StoredWeights:
    """The arrays of the files under the table's names."""
    homes = {name: file for file in files for name in read_shapes(file, file)}
    shapes = {name: shape for file in files for name, shape in read_shapes(file, file).items()}
    return stored_weights(
        str(files[0]),
        NAMES,
        shapes,
        lambda name: read_array(homes[name], name),
        lambda name: name.removeprefix(_IN_TASK),
    )


def _read_tokenizer(path: Path, casing: Casing | None) -> Tokenizer | None:
    """The tokenizer of a preset; a file of weights alone has none."""
    if not (path / VOCABULARY_FILE).exists():
        return None
    vocab = read_vocabulary(path / VOCABULARY_FILE)
    settings = _tokenizer_settings(path / TOKENIZER_FILE)
    if casing is None and "lowercase" in settings:
        # keras-hub leaves accents on whatever the model; the published weights are of text without.
        strip = settings.get("strip_accents") or None
        casing = Casing(do_lower_case=settings["lowercase"], strip_accents=strip)
    return WordPieceTokenizer(vocab, guess_casing(vocab, path) if casing is None else casing)


def _tokenizer_settings(file: Path) -> dict[str, Any]:
    """The settings of a preset's tokenizer; empty where there is no such file.

    Raises:
        InputError: When they are not BERT's.
    """
    settings = read_json_object(file).get("config", {}) if file.exists() else {}
    if not isinstance(settings, dict):
        raise InputError(f"{file}: config must be an object. Received: {settings!r:.60}")
    for key in ("lowercase", "strip_accents"):
        if not isinstance(settings.get(key, False), bool):
            raise InputError(f"{file}: {key} must be true or false. Received: {settings[key]!r}")
    special = settings.get("special_tokens") or []
    special = special if isinstance(special, list) else [special]
    others = [token for token in special if token not in SPECIAL_TOKENS]
    if others:
        raise InputError(f"{file}: special_tokens has others than BERT's: {others[0]!r}")
    for key, needed in _RULES.items():
        if settings.get(key, needed) != needed:
            raise InputError(
                f"{file}: {key} must be {json.dumps(needed)}, as BERT's is. "
                f"Received: {json.dumps(settings[key])}"
            )
    return settings
