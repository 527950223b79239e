"""The files that models are written to, byte for byte."""

import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from safetensors import safe_open

import bert_keras
from tests.golden import inputs

_SIZES = {
    "vocab_size": 40,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
}
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "encoder": ("BertEncoder", {}),
    "pretraining": ("BertForPreTraining", {}),
    "masked LM": ("BertForMaskedLM", {}),
    "next sentence": ("BertForNextSentencePrediction", {}),
    "classification": ("BertForSequenceClassification", {"labels": ["no", "yes", "perhaps"]}),
    "multi label": (
        "BertForSequenceClassification",
        {"labels": ["a", "b"], "problem_type": "multi_label_classification"},
    ),
    "regression": ("BertForSequenceClassification", {"labels": 1}),
    "tagging": ("BertForTokenClassification", {"labels": ["O", "B-x", "I-x"]}),
    "span": ("BertForQuestionAnswering", {}),
    "sentence embedding": ("BertForSentenceEmbedding", {"pooling": "cls"}),
}


def files_values(folder: Path) -> dict[str, Any]:
    """Hashes of weights and configs in every layout, and the names of the weights in them."""
    values: dict[str, Any] = {}
    for kind, (class_name, arguments) in _KINDS.items():
        made = getattr(bert_keras, class_name)(inputs.config(**_SIZES), **arguments)
        inputs.set_exact_weights(made)
        path = folder / kind
        bert_keras.save(made, path)
        for name in ("model.safetensors", "config.json"):
            values[f"{kind}/{name}"] = sha256((path / name).read_bytes()).hexdigest()
        if kind in ("pretraining", "classification", "span"):
            bert_keras.save(made, folder / f"{kind}.keras", format="keras")
            values[f"{kind}/weights"] = _names_in_safetensors(path / "model.safetensors")
            values[f"{kind}/keras weights"] = _names_in_keras(folder / f"{kind}.keras")
            bert_keras.save(made, folder / f"{kind} google", format="google")
            values |= _google(kind, folder / f"{kind} google")
    inputs.tokenizer().save(folder)
    values["tokenizer/vocab.txt"] = sha256((folder / "vocab.txt").read_bytes()).hexdigest()
    return values


def _names_in_safetensors(path: Path) -> list[str]:
    with safe_open(path, framework="numpy") as file:
        return [f"{name} {file.get_slice(name).get_shape()}" for name in sorted(file.keys())]


def _names_in_keras(path: Path) -> list[str]:
    names: list[str] = []

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(f"{name} {list(item.shape)}")

    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        h5py.File(file).visititems(add)
    return sorted(names)


def _google(kind: str, path: Path) -> dict[str, Any]:
    (index,) = path.glob("*.index")
    reader = tf.train.load_checkpoint(str(index.with_suffix("")))
    shapes = reader.get_variable_to_shape_map()
    arrays = (np.ascontiguousarray(reader.get_tensor(name)) for name in sorted(shapes))
    return {
        f"{kind}/google weights": [f"{name} {shape}" for name, shape in sorted(shapes.items())],
        f"{kind}/google values": sha256(b"".join(a.tobytes() for a in arrays)).hexdigest(),
    }
