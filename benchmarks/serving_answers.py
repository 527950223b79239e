"""The contestants of serving.py: each from text to probabilities."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peers import keras_hub_backbone, torch_device

Answer = Callable[[Sequence[str]], np.ndarray]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Answering:
    """One way of answering.

    Attributes:
        name: What the table calls it.
        kind: A key of ``OPENERS``.
        path: Its model: a SavedModel, a Hugging Face directory or an ONNX file in one.
        dtype: What it computes in.
        threads: How many it may use for one batch; 0 for one a core.
        environment: Environment variables of its process.
    """

    name: str
    kind: str
    path: str
    dtype: str = "float32"
    threads: int = 0
    environment: dict[str, str] = field(default_factory=dict)


def saved_model(way: Answering) -> Answer:
    """Our export, opened and warmed up as TF Serving does it; all outputs are asked for."""
    import tensorflow_text  # noqa: F401 (its operations)
    from serving_first import replay_warmup

    from bert_keras.export.session import ServingSession

    session = ServingSession(way.path, way.threads)
    replay_warmup(session, Path(way.path))

    def answer(texts: Sequence[str]) -> np.ndarray:
        inputs = {"text": np.array([text.encode() for text in texts], object)}
        return session.run("serving_default", inputs)["probabilities"]

    answer.session = session  # type: ignore[attr-defined]
    return answer


def torch_model(way: Answering) -> Answer:
    """The model of transformers, on torch."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(way.threads or os.cpu_count() or 1)
    dtype = getattr(torch, way.dtype)
    model = AutoModelForSequenceClassification.from_pretrained(way.path, dtype=dtype)
    model = model.to(torch_device()).eval()
    tokenizer = AutoTokenizer.from_pretrained(way.path)

    def answer(texts: Sequence[str]) -> np.ndarray:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            return model(**batch.to(model.device)).logits.float().softmax(-1).cpu().numpy()

    return answer


def onnx_model(way: Answering) -> Answer:
    """ONNX Runtime with all its optimizations, behind the fast tokenizer of transformers."""
    import onnxruntime
    from scipy.special import softmax
    from transformers import AutoTokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = way.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    known = onnxruntime.get_available_providers()
    providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in known]
    session = onnxruntime.InferenceSession(way.path, options, providers=providers)
    tokenizer = AutoTokenizer.from_pretrained(Path(way.path).parent)

    def answer(texts: Sequence[str]) -> np.ndarray:
        encoded = tokenizer(list(texts), padding=True, truncation=True, return_tensors="np")
        feeds = {name: encoded[name].astype(np.int64) for name in INPUTS}
        return softmax(session.run(None, feeds)[0], axis=-1)

    return answer


def keras_hub_model(way: Answering) -> Answer:
    """keras-hub's classifier from text, with the sequence length that the texts need."""
    import keras_hub

    from bert_keras.config import BertConfig

    path = Path(way.path)
    backbone = keras_hub_backbone(BertConfig.from_json(path / "config.json"))
    tokenizer = keras_hub.models.BertTokenizer(str(path / "vocab.txt"), lowercase=True)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=64)
    classifier = keras_hub.models.BertTextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, activation="softmax"
    )
    return lambda texts: np.asarray(classifier.predict_on_batch(list(texts)))


def write_onnx(path: Path) -> Path:
    """Write ``model.onnx`` into a Hugging Face directory, its layers fused for ONNX Runtime."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    # The plain attention is the one that the fusions know.
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        path, attn_implementation="eager"
    ).eval()
    model.config.return_dict = False
    batch = AutoTokenizer.from_pretrained(path)(["a b", "a"], padding=True, return_tensors="pt")
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS} | {"logits": {0: "batch"}}
    file = path / "exported.onnx"
    with torch.inference_mode():
        torch.onnx.export(
            model, tuple(batch[name] for name in INPUTS), str(file), input_names=list(INPUTS),
            output_names=["logits"], dynamic_axes=axes, dynamo=False, opset_version=17,
        )  # fmt: skip
    fused = optimizer.optimize_model(
        str(file),
        model_type="bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
    )
    fused.save_model_to_file(str(path / "model.onnx"))
    return path / "model.onnx"


OPENERS: dict[str, Callable[[Answering], Answer]] = {
    "saved_model": saved_model,
    "torch": torch_model,
    "onnx": onnx_model,
    "keras_hub": keras_hub_model,
}
