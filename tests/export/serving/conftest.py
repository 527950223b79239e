"""The scripts of export/serving/ and the server that they are tested against."""

import importlib.util
import sys
from pathlib import Path

import pytest


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
