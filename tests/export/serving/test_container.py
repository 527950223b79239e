"""The exports in TensorFlow Serving itself, as export/serving/docker-compose.yaml starts it.

Never run yet: `make test-container` fetches the image and fails without Docker; elsewhere the test
is skipped where the image is not.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
import yaml

from tests.export.conftest import KINDS

STARTS = 300  # seconds; every model answers its warm-up requests first


@pytest.fixture(scope="module")
def service(repository):
    """What the compose file says of the server."""
    compose = repository / "export" / "serving" / "docker-compose.yaml"
    return yaml.safe_load(compose.read_text())["services"]["serving"]


def docker(*arguments, check=True):
    command = ["docker", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def image(service):
    """The image, which is here; without it tests are skipped, or fail where it was asked for."""
    name = service["image"]
    if shutil.which("docker") and not docker("image", "inspect", name, check=False).returncode:
        return name
    missing = f"Docker has no image {name}"
    if os.environ.get("BERT_KERAS_CONTAINER"):
        pytest.fail(missing)
    return pytest.skip(missing)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def container(image, service, folders, config):
    """The server of models, the folders that hold their versions; its ports for REST and gRPC."""
    (config / "models.config").write_text(
        "model_config_list {\n"
        + "".join(
            f'config {{ name: "{kind}" base_path: "/models/{kind}" '
            'model_platform: "tensorflow" }\n'
            for kind in folders
        )
        + "}\n"
    )
    ports = {"8501": free_port(), "8500": free_port()}
    run = ["run", "--detach", *(f"--publish=127.0.0.1:{at}:{of}" for of, at in ports.items())]
    run += [f"--volume={folder}:/models/{kind}:ro" for kind, folder in folders.items()]
    run += [f"--volume={config}:/config:ro"]
    run += [f"--env={name}={value}" for name, value in service["environment"].items()]
    name = docker(*run, image, *service["command"]).stdout.strip()
    try:
        yield ports["8501"], ports["8500"], lambda: docker("logs", name, check=False)
    finally:
        docker("rm", "--force", name)


@pytest.fixture(scope="module")
def server(image, service, exported, repository, scripts, tmp_path_factory):
    """The ports of a server that has every kind of model ready."""
    config = tmp_path_factory.mktemp("config")
    for name in ("batching.config", "monitoring.config"):
        shutil.copy(repository / "export" / "serving" / name, config)
    folders = {kind: exported(kind).parent for kind in KINDS}
    with container(image, service, folders, config) as (rest, rpc, logs):
        clients = [scripts["rest_client"].RestClient(k, f"http://127.0.0.1:{rest}") for k in KINDS]
        end = time.monotonic() + STARTS
        while not all(client.is_ready() for client in clients):
            assert time.monotonic() < end, logs().stdout + logs().stderr
            time.sleep(1)
        yield rest, rpc


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_real_server_gives_the_graphs_answers_to_both_clients(server, compare_answers, kind):
    compare_answers(kind, *server)
