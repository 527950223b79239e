"""Answering short texts: our SavedModel beside transformers, ONNX Runtime and keras-hub.

    python benchmarks/serving.py MODEL TEXTS.tsv --json benchmarks/serving.json

Every contestant gets the same weights (an encoder and a new classifier), the same sentences in the
same order, in batches of the same size, and gives probabilities from text. They take turns, round
by round, since a shared machine is never as fast twice; what counts is the ratio within a run.
Those that are not installed are left out.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

Answer = Callable[[Sequence[str]], np.ndarray]


def saved_model(model: Any, folder: Path, weights: str) -> Answer:
    """Our export, opened as TF Serving opens it."""
    from bert_keras.export import export_saved_model
    from bert_keras.export.session import ServingSession

    report = export_saved_model(model, None, folder / weights, weights=weights)
    session = ServingSession(report["version"])

    def answer(texts: Sequence[str]) -> np.ndarray:
        inputs = {"text": np.array([text.encode() for text in texts], object)}
        return session.run("serving_default", inputs, ["probabilities"])["probabilities"]

    return answer


def transformers_model(path: Path, dtype: str) -> tuple[Any, Any]:
    """The same model of transformers, and its fast tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=getattr(torch, dtype))
    return model.eval(), AutoTokenizer.from_pretrained(path)


def torch_answer(path: Path, dtype: str) -> Answer:
    """The model on torch, by transformers."""
    import torch

    model, tokenizer = transformers_model(path, dtype)

    def answer(texts: Sequence[str]) -> np.ndarray:
        batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            return model(**batch).logits.float().softmax(-1).numpy()

    return answer


def onnx_answer(path: Path, folder: Path) -> Answer:
    """ONNX Runtime on torch's export, all its optimisations on."""
    import onnxruntime
    import torch
    from scipy.special import softmax

    model, tokenizer = transformers_model(path, "float32")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch = tokenizer(["a b", "a"], padding=True, return_tensors="pt")
    file = str(folder / "model.onnx")
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}}
    model.config.return_dict = False
    with torch.inference_mode():
        torch.onnx.export(
            model, tuple(batch[name] for name in names), file, input_names=names,
            output_names=["logits"], dynamic_axes=axes, dynamo=False, opset_version=17,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def answer(texts: Sequence[str]) -> np.ndarray:
        encoded = tokenizer(list(texts), padding=True, truncation=True, return_tensors="np")
        feeds = {name: encoded[name].astype(np.int64) for name in names}
        return softmax(session.run(None, feeds)[0], axis=-1)

    return answer


def keras_hub_answer(path: Path, model: Any) -> Answer:
    """keras-hub's classifier from text, with the sequence length that the texts need."""
    import keras_hub

    vocabulary, lower = str(path / "vocab.txt"), model.tokenizer.casing.do_lower_case
    config = model.config
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        max_sequence_length=config.max_position_embeddings,
    )
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=lower)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=64)
    classifier = keras_hub.models.BertTextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, activation="softmax"
    )
    return lambda texts: classifier.predict(list(texts), batch_size=len(texts), verbose=0)


def contestants(path: Path, folder: Path) -> Iterator[tuple[str, Answer]]:
    """All that are installed; the first is what the others' answers are compared with."""
    import bert_keras
    from bert_keras.modeling import BertForSequenceClassification

    model = bert_keras.load(path, BertForSequenceClassification, labels=["negative", "positive"])
    bert_keras.save(model, folder / "model")
    for weights in ("float32", "bfloat16"):
        yield f"bert_keras SavedModel, {weights}", saved_model(model, folder, weights)
    makers: list[tuple[str, Callable[[], Answer]]] = [
        ("transformers + torch, float32", lambda: torch_answer(folder / "model", "float32")),
        ("transformers + torch, bfloat16", lambda: torch_answer(folder / "model", "bfloat16")),
        ("ONNX Runtime, float32", lambda: onnx_answer(folder / "model", folder)),
        ("keras-hub, float32, new weights", lambda: keras_hub_answer(folder / "model", model)),
    ]
    for name, make in makers:
        try:
            yield name, make()
        except ImportError as error:
            print(f"{name}: left out, {error}")


def measure(
    answers: dict[str, Answer], texts: Sequence[str], batch_size: int, rounds: int, batches: int
) -> dict[str, list[float]]:
    """Seconds of each batch by contestant, who take turns after each round."""
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(rounds):
        for name, answer in answers.items():
            for start in range(0, batches * batch_size, batch_size):
                batch = [texts[(start + n) % len(texts)] for n in range(batch_size)]
                begin = time.perf_counter()
                answer(batch)
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path, help="a text a line, before a tab")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=40, help="of one text; a quarter of 32")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines]
    result: dict[str, Any] = {"cpu": platform.processor(), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        answers = dict(contestants(options.model, Path(folder)))
        probabilities = {name: answer(texts[:32]) for name, answer in answers.items()}
        first = next(iter(probabilities.values()))
        result["largest_difference"] = {
            name: float(np.abs(value - first).max())
            for name, value in probabilities.items()
            if "new weights" not in name
        }
        for answer in answers.values():
            answer(texts[:1])
        for size, batches in ((1, options.batches), (32, max(1, options.batches // 4))):
            seconds = measure(answers, texts, size, options.rounds, batches)
            result[f"batch_{size}"] = {
                name: {
                    "median_ms": round(1e3 * float(np.median(values)), 2),
                    "least_ms": round(1e3 * min(values), 2),
                    "sentences_per_second": round(size / float(np.median(values)), 1),
                }
                for name, values in seconds.items()
            }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
