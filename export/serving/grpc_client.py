"""Asks TF Serving over gRPC; needs ``tensorflow-serving-api``, which brings TensorFlow.

python grpc_client.py "a fine film" "a waste of time" --model sst2 --output labels
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

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
    """Asks one model; may be used by several threads. Use it in a ``with`` block.

    Args:
        model: The model's name.
        address: Where the server is.
        timeout: Seconds to wait for an answer, retries included; the server is told and does not
            go on with what nobody waits for.
        batch_size: Texts of a request at most; no more than ``max_batch_size`` in the version's
            ``batching_params.pbtxt``.
    """

    def __init__(
        self,
        model: str,
        address: str = "localhost:8500",
        timeout: float = 10.0,
        batch_size: int = 32,
    ) -> None:
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
        inputs: Mapping[str, Sequence[str | bytes] | np.ndarray],
        signature: str = "serving_default",
        outputs: Sequence[str] = (),
    ) -> dict[str, list[Any]]:
        """The answers: by output, a value for each text in their order.

        Args:
            inputs: The texts, or arrays of ids, by the signature's names.
            signature: Which signature to ask.
            outputs: The outputs that are wanted; by default all. Ask for the same ones always: the
                server prepares itself for each choice anew, and is slow the first time.

        Raises:
            grpc.RpcError: When the server refuses a request or does not answer in time; ``code()``
                and ``details()`` say why.
        """
        count = {len(values) for values in inputs.values()}
        if len(count) != 1:
            raise ValueError(f"all inputs must have as many texts. Received: {sorted(count)}")
        answers: dict[str, list[Any]] = {}
        for start in range(0, count.pop(), self.batch_size):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = self.model
            request.model_spec.signature_name = signature
            request.output_filter.extend(outputs)
            for name, values in inputs.items():
                batch = values[start : start + self.batch_size]
                request.inputs[name].CopyFrom(_tensor(batch))
            response = self.stub.Predict(request, timeout=self.timeout)
            for name, tensor in response.outputs.items():
                answers.setdefault(name, []).extend(tf.make_ndarray(tensor))
        return answers

    def __enter__(self) -> "GrpcClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.channel.close()


def _tensor(values: Sequence[str | bytes] | np.ndarray) -> Any:
    """Texts go as UTF-8, bytes and numbers as they are."""
    if not isinstance(values, np.ndarray):
        encoded = [value.encode() if isinstance(value, str) else value for value in values]
        values = np.array(encoded, object)
    return tf.make_tensor_proto(values)


def main() -> None:
    """Prints the answers to the texts of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", help="texts, for models that take one each")
    parser.add_argument("--model", required=True)
    parser.add_argument("--address", default="localhost:8500")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--output", action="append", default=[], metavar="NAME")
    options = parser.parse_args()
    with GrpcClient(options.model, options.address) as client:
        answers = client.predict({"text": options.texts}, options.signature, options.output)
    for row, text in enumerate(options.texts):
        print(text)
        for name, values in sorted(answers.items()):
            print(f"  {name}: {values[row]}")


if __name__ == "__main__":
    main()
