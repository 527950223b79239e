"""TF Serving's two doors: gRPC by tensorflow-serving-api, and REST.

REST is that of tensorflow_serving/g3doc/api_rest.md, with the statuses of model_servers/
http_server.cc and the words of model_servers/http_rest_api_handler.cc and util/json_tensor.cc.
"""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from protocol import RefusedError
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    INVALID: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}


class Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server):
        self.server = server

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        try:
            model = self.server.model(spec.name)
            outputs = model.predict(spec.signature_name, inputs, list(request.output_filter))
        except RefusedError as error:
            message = str(error)
            context.abort(error.code, message[:1024] + "...TRUNCATED" * (len(message) > 1024))
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(spec)
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response


def rest(server):
    class Rest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def reply(self, code, body, kind="application/json"):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer(self, make):
            if not self.path.startswith("/v1/"):  # libevent's own page
                page = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found"
                return self.reply(404, page + b"</H1>\n</BODY></HTML>\n", "text/html")
            try:
                code, values = 200, make()
            except RefusedError as error:
                code, values = _STATUS[error.code], {"error": str(error)}
            return self.reply(code, json.dumps(values, indent=4).encode())

        def do_GET(self):
            self.answer(lambda: _described(server, self.path))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(lambda: _predicted(server, self.path, body))

    return Rest


def _described(server, path):
    found = re.fullmatch(r"/v1/models/([^/:]+)(/metadata)?", path)
    if not found:
        raise RefusedError(INVALID, f"Malformed request: GET {path}")
    name = unquote(found[1])
    if found[2]:
        model = server.model(name)
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.session.signatures)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": model.folder.name},
            "metadata": {
                "signature_def": json_format.MessageToDict(
                    signatures,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
            },
        }
    if name not in server.models:
        message = f"Could not find any versions of model {name}"
        raise RefusedError(grpc.StatusCode.NOT_FOUND, message)
    health = {"error_code": "OK", "error_message": ""}
    version = {"version": server.models[name].folder.name, "state": "AVAILABLE", "status": health}
    return {"model_version_status": [version]}


def _predicted(server, path, body):
    found = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/\d+)?:predict", path)
    if not found:
        raise RefusedError(INVALID, f"Malformed request: POST {path}")
    try:
        request = json.loads(body)
    except ValueError as error:
        message = f"JSON Parse error: Invalid value. at offset: {error.pos}"
        raise RefusedError(INVALID, message) from None
    model = server.model(unquote(found[1]))
    name = request.get("signature_name", "serving_default")
    definition = model.signature(name)
    if definition is None:
        message = f'Serving signature name: "{name}" not found in signature def'
        raise RefusedError(INVALID, message)
    types = {n: tf.as_dtype(info.dtype) for n, info in sorted(definition.inputs.items())}
    by_row = "instances" in request
    inputs = _from_rows(request["instances"], types) if by_row else _from_columns(request, types)
    columns = {n: _plain(array) for n, array in model.predict(name, inputs, []).items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not by_row:
        return {"outputs": columns if only is None else only}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": only or [dict(zip(columns, row, strict=True)) for row in rows]}


def _from_rows(rows, types):
    if not rows:
        raise RefusedError(INVALID, "JSON Value: {} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(types) > 1:
        raise RefusedError(
            INVALID,
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        )
    columns = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) == {"b64"}:
            row = {next(iter(types)): row}
        for key, value in row.items():
            head = f"Failed to process element: {number} key: {key} of 'instances' list. Error: "
            if key not in types:
                message = f"INVALID_ARGUMENT: JSON object: does not have named input: {key}"
                raise RefusedError(INVALID, head + message)
            try:
                columns.setdefault(key, []).append(_tensor(value, types[key]))
            except RefusedError as error:
                raise RefusedError(INVALID, f"{head}INVALID_ARGUMENT: {error}") from None
            first, last = columns[key][0], columns[key][-1]
            if first.size != last.size:
                message = f"Expecting tensor size: {first.size} but got: {last.size}"
                raise RefusedError(INVALID, f"{head}INVALID_ARGUMENT: {message}")
        if set(row) != set(types):
            raise RefusedError(
                INVALID,
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{json.dumps(row)} keys must be equal to: {','.join(types)}",
            )
    return {key: np.stack(arrays) for key, arrays in columns.items()}


def _from_columns(request, types):
    if "inputs" not in request:
        raise RefusedError(INVALID, "Missing 'inputs' or 'instances' key")
    columns = request["inputs"]
    if not isinstance(columns, dict):
        columns = {next(iter(types)): columns}
    for name in types:  # and passes over all others
        if name not in columns:
            raise RefusedError(INVALID, f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(columns[name], dtype) for name, dtype in types.items()}


def _tensor(value, dtype):
    """The array of a value of JSON, its items of the type that the signature has."""

    def item(value):
        if isinstance(value, list):
            return [item(part) for part in value]
        if isinstance(value, dict) and dtype == tf.string:
            return base64.b64decode(value["b64"])
        fits = isinstance(value, str) if dtype == tf.string else type(value) is int
        if not fits:
            kind = {str: "String", type(None): "Null", bool: str(value), dict: "Object"}
            message = (
                f"JSON Value: {json.dumps(value)} Type: {kind.get(type(value), 'Number')} "
                f"is not of expected type: {dtype.name}"
            )
            raise RefusedError(INVALID, message)
        return value.encode() if isinstance(value, str) else value

    return np.array(item(value), dtype.as_numpy_dtype)


def _plain(array):
    """Lists for JSON; text as text."""
    if array.dtype != object:
        return array.tolist()
    return np.vectorize(lambda value: value.decode(), otypes=[object])(array).tolist()
