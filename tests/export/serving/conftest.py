"""The scripts of export/serving/ and the server that they are tested against."""

import importlib.util
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

TEXTS = ["the ferry was late", "这家酒店 [MASK] 😀", "Anna left Rome."]


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="session")
def protocol():
    return _module(Path(__file__).with_name("protocol.py"))


@pytest.fixture(scope="session")
def model_server(protocol):
    _module(Path(__file__).with_name("endpoints.py"))  # which it imports, as protocol
    return _module(Path(__file__).with_name("model_server.py"))


@pytest.fixture(scope="session")
def scripts(repository):
    folder = repository / "export" / "serving"
    names = ("command_line", "rest_client", "grpc_client", "load")
    return {name: _module(folder / f"{name}.py") for name in names}


@contextmanager
def _listening(answer):
    """The address of a server that does ``answer`` to each connection, and those it had."""
    had = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                had.append(connection)
                answer(connection)

        Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", had
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in had:
                connection.close()


@pytest.fixture(scope="session")
def listening():
    """Starts a server that does with each connection what it is told."""
    return _listening


@pytest.fixture(scope="session")
def replying():
    """What gives each connection of ``listening`` this status and body, over HTTP."""

    def reply(status, body):
        def answer(connection):
            head = f"HTTP/1.1 {status} so\r\nContent-Length: {len(body)}\r\nConnection: close"
            connection.recv(1 << 16)
            connection.sendall(head.encode() + b"\r\n\r\n" + body)
            with suppress(OSError), connection:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):  # what is not read would break the connection
                    pass

        return answer

    return reply


@pytest.fixture(scope="session")
def run_script(repository):
    """Runs a script of the folder in a process of its own."""

    def run(command, **settings):
        name, *arguments = command
        script = repository / "export" / "serving" / name
        settings = {"capture_output": True, "text": True, "encoding": "utf-8", **settings}
        return subprocess.run([sys.executable, str(script), *arguments], **settings)

    return run


@pytest.fixture(params=["rest_client", "grpc_client"])
def client(request):
    return request.param


@pytest.fixture
def run(scripts, capsys):
    """The exit code, the lines printed and those of errors, of a command in this process."""

    def main(client, *arguments):
        try:
            code = scripts[client].main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return main


@pytest.fixture(scope="session")
def compare_answers(scripts, session):
    """Asks a server for a kind's answers by both clients, and compares with the graph's own."""

    def compare(kind, rest_port, grpc_port):
        right_of = session(kind)
        names = sorted(right_of.signatures["serving_default"].inputs)
        encoded = np.array([text.encode() for text in TEXTS], object)
        right = right_of.run("serving_default", dict.fromkeys(names, encoded))
        columns = dict.fromkeys(reversed(names), TEXTS)  # in whatever order
        rest = scripts["rest_client"].RestClient(kind, f"http://127.0.0.1:{rest_port}", 60)
        address = f"127.0.0.1:{grpc_port}"
        with scripts["grpc_client"].GrpcClient(kind, address, timeout=60) as rpc:
            over_grpc, over_rest = rpc.predict(columns), rest.predict(columns)
            alone = [client.predict(dict.fromkeys(names, TEXTS[0])) for client in (rest, rpc)]
        assert over_rest.keys() == over_grpc.keys() == right.keys()
        for name, values in right.items():
            if values.dtype == object:
                np.testing.assert_array_equal(np.array(over_grpc[name], object), values)
                encode = np.vectorize(str.encode, otypes=[object])
                np.testing.assert_array_equal(encode(np.array(over_rest[name], object)), values)
            else:
                np.testing.assert_allclose(over_grpc[name], values, atol=1e-4)
                np.testing.assert_allclose(over_rest[name], values, atol=1e-4)
            for answers in alone:
                assert len(answers[name]) == 1

    return compare
