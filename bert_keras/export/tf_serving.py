"""The files that TF Serving reads besides a graph: version folders, warm-up requests, batching.

Warm-up requests are ``PredictionLog`` records in ``assets.extra/tf_serving_warmup_requests``. The
server answers them before it answers anybody else: a first request waits until the graph is
optimized. The few fields that are needed are written here by their published numbers
(tensorflow_serving/apis/prediction_log.proto, predict.proto, model.proto), so that a plain install
can do it; the tests read them back with tensorflow-serving-api. A server that batches treats them
as any request, and refuses a version that cannot answer one of them: so none has more rows than
``batching_params.pbtxt`` allows.

The file ``batching_params.pbtxt`` in a version's folder is read where the server runs with
``--enable_batching --enable_per_model_batching_parameters``.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export.answers import Answers
from bert_keras.export.samples import texts_of_length
from bert_keras.export.signatures import DEFAULT, TOKENIZE, TOKENS
from bert_keras.files import atomic_directory, write_text_atomic

BATCHING_FILE = "batching_params.pbtxt"
_MOST = 32  # with more rows a CPU is not faster, and every client waits longer

_TEXT = """\
# Read with --enable_batching --enable_per_model_batching_parameters.
#
# As many rows as are always within the model's own limit ({limit} tokens a request, {length} the
# longest row of any signature), so that no batch exceeds it; and no more than {most}.
max_batch_size {{ value: {size} }}
# Microseconds that a request waits for company: little beside the milliseconds it takes.
batch_timeout_micros {{ value: 1000 }}
# Batches that may wait; beyond them requests are refused at once ("unavailable") and the client
# tries again, instead of waiting for longer than it has time.
max_enqueued_batches {{ value: 64 }}
# pad_variable_length_inputs stays off: the server would fill up shorter sequences of `tokens` with
# the first number of the request, a 1 in attention_mask. So requests of `tokens` that are put
# together must be of one length; the server refuses the others (FAILED_PRECONDITION).
"""

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

# Rows of a warm-up request and tokens of each, as far as the limits allow.
_BATCH_SIZES = (1, 4, 32)
_LENGTHS = (8, 32, 128, 512)
_MAX_TOKENS = 4096  # of a request, so that a server does not start for minutes


@contextmanager
def next_version(path: Path) -> Iterator[tuple[Path, Path]]:
    """A context manager of the next version of ``path`` and the folder that becomes it.

    TF Serving loads any folder with a number for a name, as soon as it is there; so a version
    gets its name when it is complete. When the block fails nothing is left behind.

    Raises:
        InputError: When ``path`` is a file or a SavedModel itself, or another process takes the
            number meanwhile.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the folder in which the versions are to be")
    if (path / "saved_model.pb").exists():
        raise InputError(f"{path} is a version itself; give the folder above it")
    is_new = not path.exists()
    numbers = [int(child.name) for child in path.glob("*") if child.name.isdecimal()]
    try:
        version = path / str(max(numbers, default=0) + 1)
        with atomic_directory(version) as folder:
            yield version, folder
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the version is in it
                path.rmdir()


def max_batch_size(answers: Answers) -> int:
    """The most rows that a server may batch without exceeding the model's limit."""
    return max(1, min(_MOST, answers.config.max_request_tokens // _longest_row(answers)))


def write_batching_parameters(answers: Answers, folder: Path) -> None:
    """Write the batching parameters of a model.

    Args:
        answers: What the model answers.
        folder: The SavedModel.
    """
    text = _TEXT.format(
        limit=answers.config.max_request_tokens,
        length=_longest_row(answers),
        most=_MOST,
        size=max_batch_size(answers),
    )
    write_text_atomic(folder / BATCHING_FILE, text)


def _longest_row(answers: Answers) -> int:
    """The most tokens of a row of any signature."""
    # Longer ones are refused in any batch.
    sequence = min(answers.model.config.longest_sequence, answers.config.max_request_tokens)
    return max(answers.most_row_tokens(), sequence)


def write_warmup(answers: Answers, name: str, folder: Path) -> None:
    """Write the warm-up requests.

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
    """The warm-up requests: signatures and inputs of several lengths and batch sizes."""
    requests = []
    rows = max_batch_size(answers)
    for batch_size in sorted({min(size, rows) for size in _BATCH_SIZES}):
        for length in sorted({min(length, answers.length) for length in _LENGTHS}):
            most = min(_MAX_TOKENS, answers.config.max_request_tokens)
            if batch_size * length > most and batch_size > 1:
                continue
            texts = answers.columns(texts_of_length(answers.tokenizer, batch_size, length))
            if answers.config.input == "tokens":
                requests.append((DEFAULT, answers.host_batch(texts)))
                continue
            inputs = answers.request(texts)
            requests.append((DEFAULT, inputs))
            if batch_size == 1:
                requests.append((TOKENIZE, inputs))
                requests.append((TOKENS, answers.host_batch(texts)))
    return requests


def prediction_log(name: str, signature: str, inputs: dict[str, Any]) -> bytes:
    """A serialized ``PredictionLog`` of a ``PredictRequest``."""
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
