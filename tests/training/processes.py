"""Processes that train one run together on the loopback."""

import json
import os
import socket
import subprocess
import sys

from bert_keras.config import dump_toml


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(commands, folder, program=("-m", "bert_keras")):
    """A command for each worker; beside it only ``TF_CONFIG`` tells them apart."""
    addresses = [f"localhost:{port}" for port in free_ports(len(commands))]
    workers = []
    for index, command in enumerate(commands):
        task = {"type": "worker", "index": index}
        environment = os.environ | {
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
            "TMPDIR": str(folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        workers.append(
            subprocess.Popen(
                [sys.executable, *program, *command],
                env=environment,
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return workers


def start_workers(recipe, workdir, corpus, folder, program=("-m", "bert_keras")):
    """The same command twice."""
    path = folder / "recipe.toml"
    path.write_text(dump_toml(recipe))
    command = ["pretrain", path, "--workdir", workdir, "--corpus", corpus]
    return start([command, command], folder, program)
