"""keras-hub's presets and weights, in: a BertBackbone, perhaps under the head of a BertMaskedLM.

keras-hub's masked-LM head is not quite BERT's: it computes GELU by erf where its encoder takes the
tanh form, and LayerNorm with epsilon 1e-5 instead of 1e-12. The weights come over as they are; the
head computes with them what BERT does, so its logits differ slightly from keras-hub's.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.saving.hdf5 import read_shapes
from bert_keras.saving.keras_arrays import keras_weights
from bert_keras.saving.name_rules import by_table_name, keras_hub_name
from bert_keras.saving.names import Shape, entries
from bert_keras.saving.opening import (
    Wanted,
    check_vocabulary_size,
    class_of,
    make_request,
)
from bert_keras.saving.weights import Weights, make_model
from bert_keras.tokenization import BertTokenizer, Casing, read_vocabulary
from bert_keras.tokenization.casing import guess_casing

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.weights.h5"
TASK_FILE, TASK_WEIGHTS_FILE = "task.json", "task.weights.h5"
TOKENIZER_FILE, VOCABULARY_FILE = "tokenizer.json", "assets/tokenizer/vocabulary.txt"
WEIGHTS_SUFFIX = ".weights.h5"
# Before the backbone's names in a file of a whole task.
_IN_TASK = "layers/bert_backbone/"
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
    """Whether a directory is a preset of keras-hub (or keras-nlp, as it was called)."""
    file = path / CONFIG_FILE
    return file.exists() and "registered_name" in read_json_object(file)


def load_keras_hub(path: Path, wanted: Wanted) -> Any:
    """Opens a preset, or a ``.weights.h5`` file with the config beside it."""
    folder = path if path.is_dir() else path.parent
    config = _read_config(folder / CONFIG_FILE, path)
    files = weight_files(path)
    weights = _weights(files, config)
    request = make_request(class_of(weights), {}, config, weights, wanted)
    model = make_model(request, weights, "keras-hub")
    if (folder / VOCABULARY_FILE).exists():
        model.tokenizer = _tokenizer(folder, wanted.casing)
        check_vocabulary_size(model.tokenizer, config, folder)
    return model


def _read_config(file: Path, asked: Path) -> BertConfig:
    """The backbone's architecture, as a preset, ``to_json`` or ``get_config`` writes it."""
    if not file.exists():
        raise InputError(
            f"{asked} needs {CONFIG_FILE} beside it, with what backbone.to_json() gives; or save "
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
        **{ours: settings[theirs] for theirs, ours in _KEYS.items() if theirs in settings},
        hidden_act="gelu_new",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def weight_files(path: Path) -> list[Path]:
    """The backbone's weights, and those of the one task whose head is BERT's."""
    if not path.is_dir():
        return [path]
    is_masked_lm = (path / TASK_FILE).exists() and (
        read_json_object(path / TASK_FILE).get("class_name") == "BertMaskedLM"
    )
    return [path / WEIGHTS_FILE, *([path / TASK_WEIGHTS_FILE] if is_masked_lm else [])]


def _weights(files: list[Path], config: BertConfig) -> Weights:
    """The arrays of the files under the table's names."""
    stored: dict[str, tuple[Path, Shape]] = {}
    for file in files:
        stored |= {name: (file, shape) for name, shape in read_shapes(file, file).items()}
    layers = sum(name.endswith("/_feedforward_output_dense/vars/0") for name in stored)
    table = entries(replace(config, num_hidden_layers=max(layers, 1)))
    names = {keras_hub_name(name): name for entry in table for name in entry.theirs}

    def rename(home: str) -> str:
        name = home.removeprefix(_IN_TASK)
        return names.get(name, name)

    there = by_table_name(str(files[0]), stored, rename)

    def read(home: str) -> np.ndarray:
        with h5py.File(stored[home][0], "r") as file:
            return np.asarray(file[home])

    shapes = {home: shape for home, (_, shape) in stored.items()}
    weights = keras_weights(str(files[0]), config, shapes, there, read)
    return replace(weights, name=lambda name: there.get(name, keras_hub_name(name)))


def _tokenizer(path: Path, casing: Casing | None) -> BertTokenizer:
    vocab = read_vocabulary(path / VOCABULARY_FILE)
    file = path / TOKENIZER_FILE
    settings = read_json_object(file).get("config", {}) if file.exists() else {}
    if casing is None and "lowercase" in settings:
        # keras-hub leaves accents on whatever the model; the published weights are of text without.
        casing = Casing(do_lower_case=bool(settings["lowercase"]))
    return BertTokenizer(vocab, guess_casing(vocab, path) if casing is None else casing)
