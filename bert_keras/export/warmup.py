"""Requests that TF Serving answers to itself before it answers anybody else.

They stand as ``PredictionLog`` records in ``assets.extra/tf_serving_warmup_requests``; a first
request would else wait until the graph is optimised. The few fields of that message that are needed
are written here by their published numbers (tensorflow_serving/apis/prediction_log.proto,
predict.proto, model.proto), so that a plain install can do it; the tests read them back with
tensorflow-serving-api.

A server that batches sends them the way of all requests, and does not take a version up of which it
cannot answer one: so none has more rows than ``batching_params.pbtxt`` allows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.export.answers import Answers
from bert_keras.export.batching import max_batch_size
from bert_keras.export.samples import texts_of_length
from bert_keras.export.signatures import DEFAULT, TOKENIZE, TOKENS

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

# Rows of a request, and the tokens of each; as far as they are within the limits.
_BATCH_SIZES = (1, 4, 32)
_LENGTHS = (8, 32, 128, 512)
_MAX_TOKENS = 4096  # of a request, so that a server does not start for minutes


def write_warmup(answers: Answers, name: str, folder: Path) -> None:
    """Writes the requests.

    Args:
        answers: What the model answers.
        name: The model's name in the requests.
        folder: The SavedModel.
    """
    path = folder / WARMUP_FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in warmup_requests(answers):
            writer.write(prediction_log(name, signature, inputs))


def warmup_requests(answers: Answers) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Signatures and inputs of several lengths and batch sizes."""
    requests = []
    names = answers.text_inputs(answers.config)
    longest, rows = answers.config.max_length, max_batch_size(answers)
    assert longest is not None
    for batch_size in sorted({min(size, rows) for size in _BATCH_SIZES}):
        for length in sorted({min(length, longest) for length in _LENGTHS}):
            most = min(_MAX_TOKENS, answers.config.max_request_tokens)
            if batch_size * length > most and batch_size > 1:
                continue
            texts = answers.columns(texts_of_length(answers.tokenizer, batch_size, length))
            if answers.config.input == "tokens":
                requests.append((DEFAULT, answers.host_batch(texts)))
                continue
            inputs = {
                name: np.array([text.encode() for text in column], object)
                for name, column in zip(names, texts, strict=True)
            }
            requests.append((DEFAULT, inputs))
            if batch_size == 1:
                requests.append((TOKENIZE, inputs))
                requests.append((TOKENS, answers.host_batch(texts)))
    return requests


def prediction_log(name: str, signature: str, inputs: dict[str, Any]) -> bytes:
    """A serialised ``PredictionLog`` of a ``PredictRequest``."""
    spec = _field(1, name.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for key, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString(deterministic=True)
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
