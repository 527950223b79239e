"""A check that Keras runs on TensorFlow, made by importing this module.

Every package that imports Keras imports it first, since Keras reads its settings once.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError

_BACKEND = "tensorflow"


def _configured() -> tuple[str, str]:
    """The name of Keras's backend, and the setting that names it, in Keras's own order."""
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):
        return keras.config.backend(), "Keras was imported with it"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, f"KERAS_BACKEND={name}"
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    try:
        name = json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, TypeError, KeyError):  # Keras ignores such a file, too
        return _BACKEND, ""
    return name, f"{home / 'keras.json'} has it"


def _require_tensorflow() -> None:
    name, source = _configured()
    if name != _BACKEND:
        raise InputError(
            f"bert_keras runs on Keras's TensorFlow backend, not on {name!r} ({source}): set "
            "KERAS_BACKEND=tensorflow before Keras is imported"
        )


_require_tensorflow()
