"""A small server that speaks TF Serving's published protocol on the loopback.

gRPC: ``PredictionService.Predict`` by tensorflow-serving-api; REST: ``POST
/v1/models/NAME[/versions/N]:predict`` in the row and the column format and ``GET
/v1/models/NAME`` (tensorflow_serving/g3doc/api_rest.md). As the real one it opens the SavedModel
with the graph loader, answers the warm-up requests or does not start, checks names and types
against the signature and not the shapes, and puts waiting requests together along the first
dimension, within ``batching_params.pbtxt``, whatever the other dimensions are; where those differ
it does what tensorflow_serving/batching/batching_session.cc and batching_util.cc do.
"""

import base64
import json
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue

import grpc
import numpy as np
import protocol
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from bert_keras.export.session import ServingSession


class RefusedError(Exception):
    """An error with a code of gRPC."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Batcher:
    """Puts the requests of a signature together."""

    def __init__(self, session, signature, parameters):
        self.most = parameters.max_batch_size.value
        self.wait = parameters.batch_timeout_micros.value / 1e6
        self.pads = parameters.pad_variable_length_inputs
        self.session, self.signature = session, signature
        self.waiting = Queue()
        self.sizes = []  # of the batches that were run
        threading.Thread(target=self._work, daemon=True).start()

    def run(self, inputs):
        sizes = {len(array) if array.ndim else 0 for array in inputs.values()}
        if len(sizes) > 1:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "inputs of different batch sizes")
        if max(sizes) > self.most:
            message = f"Task size {max(sizes)} is larger than maximum input batch size {self.most}"
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        answer = Future()
        self.waiting.put((inputs, max(sizes), answer))
        return answer.result(timeout=60)

    def _work(self):
        held = None
        while True:
            batch = [held or self.waiting.get()]
            held, rows = None, batch[0][1]
            end = time.monotonic() + self.wait
            while rows < self.most:
                try:
                    held = self.waiting.get(timeout=max(0, end - time.monotonic()))
                except Empty:
                    break
                if rows + held[1] > self.most:
                    break
                batch.append(held)
                held, rows = None, rows + batch[-1][1]
            self._answer(batch, rows)

    def _answer(self, batch, rows):
        self.sizes.append(rows)
        try:
            names = batch[0][0].keys()
            together = {
                name: _joined(name, [inputs[name] for inputs, _, _ in batch], self.pads)
                for name in names
            }
            outputs = self.session.run(self.signature, together)
            for name, array in outputs.items():
                assert len(array) == rows, f"{name} cannot be parted: {array.shape}, {rows} rows"
        except Exception as error:
            for _, _, answer in batch:
                answer.set_exception(error)
            return
        start = 0
        for _, size, answer in batch:
            answer.set_result({n: a[start : start + size] for n, a in outputs.items()})
            start += size


def _joined(name, arrays, pads):
    """One under the other; of other shapes they are refused or padded, as the server is told."""
    if pads:
        assert len({array.ndim for array in arrays}) == 1, "the real server reads foreign memory"
        most = np.max([array.shape[1:] for array in arrays], axis=0)
        arrays = [
            np.pad(
                array,
                [(0, 0), *((0, n - m) for n, m in zip(most, array.shape[1:], strict=True))],
                constant_values=array.flat[0],
            )
            for array in arrays
        ]
    elif len({array.shape[1:] for array in arrays}) > 1:
        message = (
            f"Tensors with name '{name}' from different tasks have different shapes and padding is "
            "turned off. Set pad_variable_length_inputs to true, or ensure that all tensors with "
            "the same name have equal dimensions starting with the first dim."
        )
        raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, message)
    return np.concatenate(arrays)


class ModelServer:
    """One model by its name; ``grpc_port`` and ``rest_port`` say where it is."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.session = ServingSession(folder)
        parameters = protocol.parse("BatchingParameters", folder / "batching_params.pbtxt")
        self.batchers = {
            name: Batcher(self.session, name, parameters) for name in self.session.signatures
        }
        warmup = folder / "assets.extra" / "tf_serving_warmup_requests"
        for record in tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            self.predict(request.model_spec.name, request.model_spec.signature_name, inputs)

    def predict(self, name, signature, inputs):
        if name != self.name:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name}")
        definition = self.session.signatures.get(signature)
        if definition is None:
            message = f'Serving signature name: "{signature}" not found'
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        if inputs.keys() != definition.inputs.keys():
            message = f"input names must be {sorted(definition.inputs)}: {sorted(inputs)}"
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        for key, array in inputs.items():
            expected = tf.as_dtype(definition.inputs[key].dtype)
            if tf.as_dtype(array.dtype) != expected:
                message = f"{key} must be of type {expected.name}, not {array.dtype}"
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            return self.batchers[signature].run(inputs)
        except (tf.errors.OpError, ValueError) as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server):
        self.server = server

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        try:
            outputs = self.server.predict(spec.name, spec.signature_name, inputs)
        except RefusedError as error:
            context.abort(error.code, str(error)[:1000])
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(spec)
        for name, array in outputs.items():
            if not request.output_filter or name in request.output_filter:
                response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response


def _handler(server):
    class Rest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def reply(self, code, values):
            body = json.dumps(values).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path != f"/v1/models/{server.name}":
                return self.reply(404, {"error": "Could not find any versions of model"})
            status = {"version": server.folder.name, "state": "AVAILABLE"}
            return self.reply(200, {"model_version_status": [status]})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/\d+)?:predict", self.path)
            if not found:
                return self.reply(404, {"error": f"Malformed request: POST {self.path}"})
            try:
                request = json.loads(body)
                signature = request.get("signature_name", "serving_default")
                by_row = "instances" in request
                inputs = _arrays(server, signature, request)
                outputs = server.predict(found[1], signature, inputs)
            except RefusedError as error:
                code = 404 if error.code == grpc.StatusCode.NOT_FOUND else 400
                return self.reply(code, {"error": str(error)})
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                return self.reply(400, {"error": f"JSON Parse error: {error}"})
            columns = {name: _plain(array) for name, array in outputs.items()}
            if by_row:
                rows = zip(*columns.values(), strict=True)
                return self.reply(
                    200, {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}
                )
            only = next(iter(columns.values())) if len(columns) == 1 else columns
            return self.reply(200, {"outputs": only})

    return Rest


def _arrays(server, signature, request):
    """The inputs of a REST request; text and numbers become what JSON says they are."""
    columns = request.get("inputs")
    if columns is None:
        rows = request["instances"]
        names = list(server.session.signatures[signature].inputs)
        rows = [row if isinstance(row, dict) and "b64" not in row else {names[0]: row}
                for row in rows]  # fmt: skip
        columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return {name: _array(values) for name, values in columns.items()}


def _array(values):
    def plain(value):
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return base64.b64decode(value["b64"])
        return value.encode() if isinstance(value, str) else value

    array = np.array(values)
    return array.astype(np.int32) if array.dtype == np.int64 else np.array(plain(values), object)


def _plain(array):
    """Lists for JSON; text as text."""
    if array.dtype != object:
        return array.tolist()
    return np.vectorize(lambda value: value.decode(), otypes=[object])(array).tolist()


@contextmanager
def serving(name, folder, threads=80):
    """A server of the model in a version's folder, for the time of the block."""
    server = ModelServer(name, folder)
    pool = ThreadPoolExecutor(threads)
    rpc = grpc.server(pool, options=[("grpc.max_receive_message_length", 64 << 20)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Grpc(server), rpc)
    server.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    rest = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    rest.daemon_threads = True
    server.rest_port = rest.server_address[1]
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        rest.shutdown()
        rest.server_close()
        rpc.stop(None).wait()
        pool.shutdown(wait=False)
