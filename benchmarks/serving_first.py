"""The work of TF Serving before its first request, and the time of that request."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (1, 2, 8, 32)
_REQUESTS, _REPEATS = 12, 5


def replay_warmup(session: Any, folder: Path) -> None:
    """Send a SavedModel the requests of its warm-up records."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        session.run(request.model_spec.signature_name, inputs)


def first_requests(answer: Any, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """The extra time of the first requests over the same ones later.

    By batch size: the very first request's time over its own median later, the largest such ratio
    of all requests, both in processor time, which a shared machine disturbs less, and the first
    one's by the clock.
    """
    result = {}
    for size in SIZES:
        requests = [
            [texts[(number * size + row) % len(texts)] for row in range(size)]
            for number in range(_REQUESTS)
        ]
        first = np.array([_seconds(answer, request) for request in requests])
        later = np.array([[_seconds(answer, r) for r in requests] for _ in range(_REPEATS)])
        ratios = first / np.median(later, axis=0)
        result[str(size)] = {
            "first": round(float(ratios[0, 1]), 2),
            "largest": round(float(ratios[:, 1].max()), 2),
            "first_by_the_clock": round(float(ratios[0, 0]), 2),
        }
    return result


def tokens_per_second(answer: Any, texts: Sequence[str], size: int = 32) -> float:
    """The speed of the graph's tokenizer: the median over batches, in processor time."""
    rates = []
    for _ in range(3):
        for start in range(0, len(texts) - size, size):
            inputs = {"text": np.array([t.encode() for t in texts[start : start + size]], object)}
            begin = time.process_time()
            batch = answer.session.run("tokenize", inputs)
            seconds = time.process_time() - begin
            rates.append(int(batch["attention_mask"].sum()) / seconds)
    return round(float(np.median(rates)))


def _seconds(answer: Any, texts: Sequence[str]) -> tuple[float, float]:
    """The seconds of a request by the clock, and of the processor."""
    begin = time.perf_counter(), time.process_time()
    answer(texts)
    return time.perf_counter() - begin[0], time.process_time() - begin[1]
