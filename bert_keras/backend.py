"""Refuses Keras's other backends: to import this makes sure of TensorFlow's.

Every package that imports Keras imports this first, since Keras reads its settings once.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError

_OURS = "tensorflow"


def _configured() -> tuple[str, str]:
    """Keras's backend and what says so, as its documentation has it."""
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):
        return keras.config.backend(), "Keras was imported with it"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, f"KERAS_BACKEND={name}"
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    try:
        name = json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, TypeError, KeyError):  # Keras goes on with its default, too
        return _OURS, ""
    return name, f"{home / 'keras.json'} has it"


def _require_tensorflow() -> None:
    name, source = _configured()
    if name != _OURS:
        raise InputError(
            f"bert_keras runs on Keras's TensorFlow backend, not on {name!r} ({source}): set "
            "KERAS_BACKEND=tensorflow before Keras is imported"
        )


_require_tensorflow()
