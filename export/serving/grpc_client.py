"""A client of TF Serving over gRPC; needs ``tensorflow-serving-api``, which brings TensorFlow.

    python grpc_client.py "a fine film" "a waste of time" --model sst2 --output labels
    python grpc_client.py --model squad --input context="Anna left." --input question="Who left?"
    python grpc_client.py --model squad --rows questions.jsonl

What it prints is JSON lines: the answers to each row.
"""

import json
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

if __name__ == "__main__":
    with suppress(ImportError):
        from command_line import without_notes

        without_notes()

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

Columns = dict[str, list[Any]]  # by name, a value for each row

# What did not reach the server, or found its queue full, is sent again; not what took too long.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_MAX_MESSAGE = 64 << 20  # bytes; gRPC takes 4 MB by default, less than many token embeddings


class GrpcClient:
    """A client of one model; may be used by several threads. Use it in a ``with`` block.

    Args:
        model: The model's name.
        address: Where the server is: HOST:PORT.
        timeout: Seconds to wait for an answer, retries included; the server is told and does not
            go on with what nobody waits for.
        batch_size: Rows of a request at most. Where the server takes fewer the client learns it
            from the first refusal, and sends so many from then on.

    Raises:
        ValueError: When ``address`` begins as that of a web page does.
    """

    def __init__(
        self,
        model: str,
        address: str = "localhost:8500",
        timeout: float = 10.0,
        batch_size: int = 32,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more. Received: {batch_size}")
        scheme, slashes, _ = address.partition("://")
        if slashes and scheme not in ("dns", "unix", "xds"):  # which gRPC has names for
            raise ValueError(
                f"address must be HOST:PORT: leave out {scheme}://. Received: {address!r}"
            )
        self.model, self.timeout, self.batch_size = model, timeout, batch_size
        options = [
            ("grpc.service_config", json.dumps(_RETRIES)),
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
        ]
        self.channel = grpc.insecure_channel(address, options)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    def predict(
        self,
        inputs: Mapping[str, Any],
        signature: str = "serving_default",
        outputs: Sequence[str] = (),
    ) -> Columns:
        """The answers: by output, a value for each row in their order; texts as UTF-8 bytes.

        Args:
            inputs: By the signature's names, a text or a list of texts, such as
                ``{"text": ["a fine film"]}``; of ``tokens`` a list of ids, padded to one length,
                for each row. Arrays will do, and generators.
            signature: Which signature to ask.
            outputs: The outputs that are wanted; by default all. Ask for the same ones always: the
                server prepares itself for each choice anew, and is slow the first time.

        Raises:
            ValueError: When an input is something else; it names the input.
            grpc.RpcError: When the server refuses a request or does not answer in time; ``code()``
                and ``details()`` say why.
        """
        return joined(self.batches(inputs, signature, outputs))

    def batches(
        self,
        inputs: Mapping[str, Any],
        signature: str = "serving_default",
        outputs: Sequence[str] = (),
    ) -> Iterator[Columns]:
        """The answers as ``predict`` gives them, a request's as they come."""

        def ask(batch: Columns) -> Columns:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = self.model
            request.model_spec.signature_name = signature
            request.output_filter.extend([outputs] if isinstance(outputs, str) else outputs)
            for name, rows in batch.items():
                request.inputs[name].CopyFrom(_tensor(rows))
            response = self.stub.Predict(request, timeout=self.timeout)
            return {n: list(tf.make_ndarray(tensor)) for n, tensor in response.outputs.items()}

        return in_batches(self, columns_of(inputs), ask)

    def __enter__(self) -> "GrpcClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.channel.close()


def _tensor(rows: list[Any]) -> Any:
    """The tensor of a column: texts go as UTF-8, bytes as they are, ids as int32."""
    if isinstance(rows[0], list):
        return tf.make_tensor_proto(np.array(rows, np.int32))
    texts = [row.encode() if isinstance(row, str) else row for row in rows]
    return tf.make_tensor_proto(np.array(texts, object))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the answers to what the command line names; 0, or 1 after an error."""
    try:
        from command_line import command, run
    except ImportError:  # the class does without
        sys.exit(f"{sys.argv[0]}: as a command it needs command_line.py beside it")

    parser = command(__doc__ or "")
    parser.add_argument("--address", default="localhost:8500")
    parser.add_argument("--output", action="append", default=[], metavar="NAME")
    options = parser.parse_args(arguments)
    try:
        client = GrpcClient(options.model, options.address, options.timeout, options.batch)
    except ValueError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    with client:
        return run(parser, options, client, said, outputs=options.output)


def said(error: BaseException) -> str:
    """The error in one line."""
    if isinstance(error, grpc.RpcError):
        return f"{error.code().name}: {one_line(error.details() or '')}"
    return one_line(str(error))


# From here on rest_client.py and grpc_client.py are the same, so that each can be copied alone.


class ServingError(RuntimeError):
    """A refusal of the server, with the ``status`` of HTTP, or something that is no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def one_line(text: str) -> str:
    """A text of any origin as one line, without the control characters that a terminal obeys."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def columns_of(inputs: Mapping[str, Any]) -> Columns:
    """The inputs as lists of one length, of texts or of ids; a ``ValueError`` names what is not."""
    if not isinstance(inputs, Mapping) or not inputs:
        example = '{"text": ["a fine film"]}'
        raise ValueError(f"inputs must have names, as in {example}. Received: {inputs!r:.80}")
    columns = {name: _column(name, values) for name, values in inputs.items()}
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"all inputs must have as many texts. Received: {counts}")
    if 0 in counts.values():
        raise ValueError(f"{', '.join(counts)}: must be one text at least. Received: none")
    return columns


def _column(name: str, values: Any) -> list[Any]:
    if hasattr(values, "tolist"):  # an array, a column of a table
        values = values.tolist()
    if isinstance(values, str | bytes):
        values = [values]
    if not isinstance(values, Sequence | Iterator):  # a set has no order, a dict more than values
        raise ValueError(f"{name}: must be a text or a list of texts. Received: {values!r:.80}")
    rows = [_row(f"{name}[{number}]", value) for number, value in enumerate(values)]
    if len({None if isinstance(row, str | bytes) else len(row) for row in rows}) > 1:
        raise ValueError(f"{name}: must be texts, or ids that are padded to one length")
    return rows


def _row(where: str, value: Any) -> str | bytes | list[int]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        if isinstance(value, str):
            value.encode()
        if isinstance(value, str | bytes):
            return value
        if isinstance(value, list | tuple):
            ids = [operator.index(number) for number in value]
            if ids and all(-(2**31) <= number < 2**31 for number in ids):
                return ids
    except (TypeError, UnicodeEncodeError):
        pass
    raise ValueError(f"{where}: must be Unicode text or a list of ids. Received: {value!r:.80}")


def in_batches(client: Any, columns: Columns, ask: Callable[..., Columns]) -> Iterator[Columns]:
    """The answers to ``client.batch_size`` rows at a time, in their order.

    What is too much for the server, or for a message, is sent in smaller parts.
    """
    start, count, size = 0, len(next(iter(columns.values()))), client.batch_size
    while start < count:
        rows = min(size, count - start)
        try:
            answers = ask({name: all_[start : start + rows] for name, all_ in columns.items()})
        except Exception as error:
            limit = re.search(r"size \d+ is larger than maximum .*batch size (\d+)", said(error))
            too_much = re.search(r"^413|too much for one request|larger than max ", said(error))
            size = int(limit[1]) if limit else rows // 2 if too_much else 0
            if not 0 < size < rows:
                raise
            client.batch_size = size if limit else client.batch_size
            continue
        if not answers or any(len(values) != rows for values in answers.values()):
            raise ServingError(f"{rows} rows were sent, and answers came for another number")
        yield answers
        start += rows


def joined(batches: Iterable[Columns]) -> Columns:
    """The answers of all batches."""
    answers: Columns = {}
    for batch in batches:
        for name, values in batch.items():
            answers.setdefault(name, []).extend(values)
    return answers


if __name__ == "__main__":
    sys.exit(main())
