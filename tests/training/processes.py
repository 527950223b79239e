"""Processes that train one run together on the loopback."""

import os
import subprocess
import sys

from bert_keras.config import dump_toml
from tests.support.processes import cluster


def start(commands, folder, program=("-m", "bert_keras")):
    """A command for each worker; beside it only ``TF_CONFIG`` tells them apart."""
    settings = {"TMPDIR": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return [
        subprocess.Popen(
            [sys.executable, *program, *command],
            env=os.environ | settings | own,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for command, own in zip(commands, cluster(len(commands)), strict=True)
    ]


def start_workers(recipe, workdir, corpus, folder, program=("-m", "bert_keras")):
    """The same command twice."""
    path = folder / "recipe.toml"
    path.write_text(dump_toml(recipe))
    command = ["pretrain", path, "--workdir", workdir, "--corpus", corpus]
    return start([command, command], folder, program)
