"""A small server that answers as TF Serving does, with its protocols on the loopback.

As the real one it opens the SavedModel with the graph loader, answers the warm-up requests or does
not start, checks names and types against the signature and not the shapes, and puts waiting
requests together along the first dimension, within ``batching_params.pbtxt``, whatever the other
dimensions are; where those differ it does what tensorflow_serving/batching/batching_session.cc and
batching_util.cc do. What it refuses it refuses with the real one's words: those of
servables/tensorflow/predict_util.cc, of TensorFlow's cc/saved_model/util.cc, core/framework/
function.cc and core/kernels/batching_util/shared_batch_scheduler.h.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from queue import Empty, Queue

import endpoints
import grpc
import numpy as np
import protocol
import tensorflow as tf
from protocol import RefusedError
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc

from bert_keras.export.session import ServingSession

INVALID = grpc.StatusCode.INVALID_ARGUMENT


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
            raise RefusedError(
                INVALID,
                "Batching session Run() input tensors must have equal 0th-dimension size",
            )
        if max(sizes) > self.most:
            message = f"Task size {max(sizes)} is larger than maximum input batch size {self.most}"
            raise RefusedError(INVALID, message)
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


class Model:
    """A version of a model; ``batching`` as with ``--enable_batching``."""

    def __init__(self, folder, batching):
        self.folder = folder
        self.session = ServingSession(folder)
        parameters = protocol.parse("BatchingParameters", folder / "batching_params.pbtxt")
        self.batchers = {
            name: Batcher(self.session, name, parameters)
            for name in (self.session.signatures if batching else ())
        }
        warmup = folder / "assets.extra" / "tf_serving_warmup_requests"
        for record in tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            self.predict(request.model_spec.signature_name, inputs, [])

    def signature(self, name):
        return self.session.signatures.get(name or "serving_default")

    def predict(self, name, inputs, wanted):
        definition = self.signature(name)
        if definition is None:
            message = f'Serving signature key "{name}" not found.'
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, message)
        _check_inputs(definition, inputs)
        for output in wanted:
            if output not in definition.outputs:
                raise RefusedError(
                    INVALID,
                    f"output tensor alias not found in signature: {output} Outputs expected to be "
                    f"in the set {{{','.join(sorted(definition.outputs))}}}.",
                )
        name = name or "serving_default"
        try:
            if self.batchers:
                outputs = self.batchers[name].run(inputs)
            else:
                outputs = self.session.run(name, inputs)
        except (tf.errors.OpError, ValueError) as error:
            raise RefusedError(INVALID, str(error)) from None
        return {output: outputs[output] for output in wanted or outputs}


def _check_inputs(definition, inputs):
    sent, known = set(inputs), set(definition.inputs)
    if len(sent) != len(known):
        lists = {name: ",".join(sorted(names)) for name, names in
                 (("sent", sent), ("known", known), ("extra", sent - known),
                  ("missing", known - sent))}  # fmt: skip
        message = (
            f"input size does not match signature: {len(sent)}!={len(known)} "
            f"len({{{lists['sent']}}}) != len({{{lists['known']}}}). "
            f"Sent extra: {{{lists['extra']}}}. Missing but required: {{{lists['missing']}}}."
        )
        raise RefusedError(INVALID, message)
    for number, name in enumerate(sorted(known)):
        info = definition.inputs[name]
        if name not in inputs:
            message = (
                f"Signature input alias: {name}(feed name: {info.name}) not found in request and "
                "no default value provided. Inputs expected to be in the request "
                f"{{{','.join(sorted(sent))}}}, or default input alias set: {{}}"
            )
            raise RefusedError(INVALID, message)
        types = [_type(dtype) for dtype in (info.dtype, inputs[name].dtype)]
        if types[0] != types[1]:
            message = f"Expects arg[{number}] to be {types[0]} but {types[1]} is provided"
            raise RefusedError(INVALID, message)


def _type(dtype):
    name = tf.as_dtype(dtype).name
    return {"float32": "float", "float64": "double"}.get(name, name)


class ModelServer:
    """Models by their names; ``grpc_port`` and ``rest_port`` say where they are."""

    def __init__(self, models):
        self.models = models

    def model(self, name):
        if name not in self.models:
            message = f"Servable not found for request: Latest({name})"
            raise RefusedError(grpc.StatusCode.NOT_FOUND, message)
        return self.models[name]


@contextmanager
def serving(folders, batching=True, threads=80):
    """A server of models, the folders of their versions by name, for the time of the block."""
    server = ModelServer({name: Model(folder, batching) for name, folder in folders.items()})
    pool = ThreadPoolExecutor(threads)
    rpc = grpc.server(pool, options=[("grpc.max_receive_message_length", -1)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(endpoints.Grpc(server), rpc)
    server.grpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    rest = ThreadingHTTPServer(("127.0.0.1", 0), endpoints.rest(server))
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
