"""The machine and the libraries, on which the last bits of a run's numbers depend.

Sums of floating-point numbers depend on the order of their terms, which the libraries choose by
the number of cores, the instructions and the devices.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_keras import devices
from bert_keras._version import __version__
from bert_keras.objectives import device_kind

# Newest first: oneDNN and Eigen choose kernels by the newest that a processor has.
_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "avx")
_CPUINFO = Path("/proc/cpuinfo")


def circumstances(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """The machine, its devices and the versions of the libraries, by name.

    Args:
        strategy: Which devices share a step.
    """
    return {
        "cores": threads(),
        "processor": _processor(),
        "devices": _devices(strategy),
        "oneDNN": os.environ.get("TF_ENABLE_ONEDNN_OPTS") or "as installed",
        **versions(),
    }


def versions() -> dict[str, str]:
    """The versions of the libraries that a run computes with."""
    return {
        "bert_keras": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def other_circumstances(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A line on the circumstances that changed since a run began; empty where none did.

    Args:
        begun: The ``circumstances`` at its beginning, as far as they were recorded.
        now: The present ones.
    """
    changes = [
        f"{name}: {begun[name]} then, {now[name]} now"
        for name in now
        if name in begun and begun[name] != now[name]
    ]
    if not changes:
        return ""
    return (
        f"the run was begun in other circumstances ({'; '.join(changes)}): it resumes, but the "
        "last bits of its numbers may differ"
    )


def threads() -> int:
    """The number of threads that TensorFlow computes with in this process."""
    given = tf.config.threading.get_intra_op_parallelism_threads()
    if given:
        return int(given)
    wanted = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return devices.usable_cores()


def _devices(strategy: tf.distribute.Strategy) -> str:
    """The number and kind of the devices that share a step, over all workers."""
    kind = device_kind(strategy)
    if kind == "GPU":
        first = tf.config.get_visible_devices("GPU")[0]
        kind = tf.config.experimental.get_device_details(first).get("device_name", "GPU")
    return f"{strategy.num_replicas_in_sync} x {kind}"


def _processor() -> str:
    """The model of the processor, and the newest of its instructions that kernels depend on."""
    if not _CPUINFO.exists():
        return platform.processor() or platform.machine()
    values: dict[str, str] = {}
    for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    flags = values.get("flags", values.get("Features", "")).split()
    shown = [values.get("model name") or platform.machine()]
    shown += [f"{key} {values[key]}" for key in ("cpu family", "model") if key in values]
    shown += [name for name in _INSTRUCTIONS if name in flags][:1]
    return ", ".join(shown)
