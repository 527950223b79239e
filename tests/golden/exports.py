"""What the exported files answer."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import bert_keras
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.tflite.interpreter import TFLiteModel
from tests.golden import inputs, task_data

_LENGTH = 32
_LABELS = ["bad", "good", "so-so"]
_TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

# Each kind: the class, what it is made of, the settings of its SavedModel.
_KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "pairs": ("BertForSequenceClassification", {"labels": _LABELS}, {"pair": True}),
    "multi_label": (
        "BertForSequenceClassification",
        {"labels": _LABELS, "problem_type": "multi_label_classification"},
        {},
    ),
    "regression": ("BertForSequenceClassification", {"labels": 1}, {}),
    "tagging": ("BertForTokenClassification", {"labels": _TAGS}, {}),
    "span": ("BertForQuestionAnswering", {}, {}),
    "masked_lm": ("BertForMaskedLM", {}, {"top": 3}),
    "next_sentence": ("BertForNextSentencePrediction", {}, {}),
    "encoder": ("BertEncoder", {}, {}),
    "sentence_embedding": ("BertForSentenceEmbedding", {}, {}),
}
_MASKED = ["The [MASK] sold an open boat.", "A young [MASK] washed the [MASK]."]


def serving_values(folder: Path) -> dict[str, Any]:
    """The answers of a SavedModel of each kind to text, by its default signature."""
    values: dict[str, Any] = {}
    for kind, (class_name, arguments, settings) in _KINDS.items():
        model = _model(class_name, arguments)
        export_saved_model(model, None, folder / kind, max_length=_LENGTH, **settings)
        columns = _MASKED if kind == "masked_lm" else task_data.TEXTS
        texts = {"text": columns, "text_a": columns, "text_b": task_data.PARTNERS}
        texts |= {"question": task_data.QUESTIONS, "context": task_data.CONTEXTS}
        for name, output in sorted(_served(folder / kind / "1", texts).items()):
            values[f"{kind}/{name}"] = _listed(output)
    return values


def _model(class_name: str, arguments: dict[str, Any]) -> Any:
    """A model of one layer: most of an export's time goes by tracing layers."""
    return inputs.model(getattr(bert_keras, class_name), layers=1, **arguments)


def _served(folder: Path, texts: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """The answers by name, by the loader that TF Serving has: a third of the other's time."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def
        served = signatures["serving_default"]
        fed = {info.name: texts[name] for name, info in served.inputs.items()}
        return session.run({name: info.name for name, info in served.outputs.items()}, fed)


def mobile_values(folder: Path) -> dict[str, Any]:
    """The answers of a float32 TFLite file of each kind to ids."""
    return {
        f"{kind}/{name}": value
        for kind in _KINDS
        for name, value in _on_phone(kind, "none", folder).items()
    }


def quantized_values(folder: Path) -> dict[str, Any]:
    """The answers of files with 8-bit weights to ids."""
    return {
        f"{kind}/{name}": value
        for kind in ("pairs", "sentence_embedding")
        for name, value in _on_phone(kind, "dynamic", folder).items()
    }


def _on_phone(kind: str, quantize: str, folder: Path) -> dict[str, Any]:
    class_name, arguments, _ = _KINDS[kind]
    model = _model(class_name, arguments)
    path = folder / f"{kind}.tflite"
    export_tflite(model, None, path, quantize=quantize, length=_LENGTH)
    text = _MASKED[1] if kind == "masked_lm" else task_data.TEXTS[1]
    pair = task_data.PARTNERS[0] if kind in ("pairs", "next_sentence", "span") else None
    encoding = model.tokenizer.encode(text, pair, _LENGTH)
    batch = {name: np.zeros((1, _LENGTH), np.int32) for name in ("input_ids", "token_type_ids")}
    count = len(encoding.input_ids)
    batch["input_ids"][0, :count] = encoding.input_ids
    batch["token_type_ids"][0, :count] = encoding.token_type_ids
    batch["attention_mask"] = (np.arange(_LENGTH)[None] < count).astype(np.int32)
    outputs = TFLiteModel(path.read_bytes()).run(batch)
    # Nothing is said of what stands at padding.
    return {
        name: _listed(array[:, :count] if array.shape[1] == _LENGTH else array)
        for name, array in outputs.items()
    }


def _listed(array: np.ndarray) -> Any:
    """An output as lists; of one for every token only the beginning of each vector."""
    if array.dtype == object:
        return np.array([v.decode() for v in array.ravel()]).reshape(array.shape).tolist()
    return (array[..., :4] if array.ndim == 3 and array.shape[-1] > 8 else array).tolist()
