"""``bert-keras doctor``: what this machine has, and what it lacks."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
from typing import Any

from bert_keras import __version__
from bert_keras.cli.arguments import add_command
from bert_keras.cli.console import console, cpu_has_bfloat16, start_tensorflow, table
from bert_keras.errors import install_command

# Packages of the optional features, each with the extra that brings it.
OPTIONAL = {
    "tensorflow_datasets": "tfds",
    "jieba": "zh",
    "ai_edge_litert": "mobile",
    "tensorflow_serving": "serving",
    "apache_beam": "beam",
    "transformers": "parity",
    "torch": "parity",
}
REQUIRED = ("tensorflow", "keras", "numpy", "tokenizers", "safetensors", "rich", "matplotlib")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    add_command(
        subparsers,
        "doctor",
        run,
        "show versions, devices and what is missing, with the command that installs it",
        "  bert-keras doctor",
    )


def run(options: argparse.Namespace) -> None:
    """Print what was found."""
    rows = [("bert-keras", __version__), ("Python", platform.python_version())]
    rows += [(name, importlib.metadata.version(name)) for name in REQUIRED]
    rows += [
        ("system", platform.platform(terse=True)),
        ("cores", str(os.cpu_count())),
        ("bfloat16 on the CPU", "yes" if cpu_has_bfloat16() else "no: train in float32 there"),
        ("devices", ", ".join(_devices())),
    ]
    console.print(table("", ["", ""], rows))
    for package, extra in OPTIONAL.items():
        if importlib.util.find_spec(package) is None:
            line = f"{package} is not installed (optional): {install_command(extra)}"
            console.print(line, markup=False, soft_wrap=True)


def _devices() -> list[str]:
    start_tensorflow()
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    return [f"{device.device_type} {device.name.rsplit(':', 1)[-1]}" for device in devices]
