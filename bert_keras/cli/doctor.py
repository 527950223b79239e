"""``bert-keras doctor``: what this machine has, what is wrong with it, and what mends it."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras import __version__, devices
from bert_keras.cli.arguments import add_command
from bert_keras.cli.console import (
    console,
    cpu_has_bfloat16,
    start_tensorflow,
    table,
    without_notes,
)
from bert_keras.errors import InputError, install_command

if TYPE_CHECKING:
    from bert_keras.cli.diagnosis import Problem

# Packages of the optional features, each with the extra that brings it.
OPTIONAL = {
    "tensorflow_datasets": "tfds",
    "jieba": "zh",
    "faiss": "search",
    "huggingface_hub": "hub",
    "datasets": "datasets",
    "ai_edge_litert": "mobile",
    "tensorflow_serving": "serving",
    "apache_beam": "beam",
    "transformers": "parity",
    "torch": "parity",
}
SHOWN = (
    "tensorflow-text", "libtpu", "keras", "numpy", "tokenizers", "safetensors", "rich",
    "matplotlib",
)  # fmt: skip
SIZE = 1024  # rows and columns of the matrices
PRECISIONS = ("float32", "bfloat16")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "doctor",
        run,
        "show versions and devices, time a product on each, and say what is wrong and how to mend "
        "it",
        "  bert-keras doctor",
    )
    parser.description = (
        f"{parser.description}\n\n"
        "It looks for packages that are missing, of the wrong version or in each other's way; for\n"
        "a TPU or a GPU that the machine has and TensorFlow does not see; for a GPU that is newer\n"
        "than TensorFlow's wheel; and for a device that computes nothing, or wrong numbers. The\n"
        "exit code is 0 where nothing is wrong, else 1."
    )


def run(options: argparse.Namespace) -> None:
    """Print what was found.

    Raises:
        InputError: When something is wrong.
    """
    from bert_keras.cli.diagnosis import package_problems

    installed = installed_packages()
    console.print(table("", ["", ""], _facts(installed)))
    problems = package_problems(_requirements("bert-keras"), installed)
    products, found = _products(installed)
    problems += found
    console.print(table("", ["device", "product", "time", "speed"], products))
    for line in notes():
        console.print(line)
    if not problems:
        console.print("nothing is wrong")
        return
    for problem in problems:
        console.print(f"wrong: {problem.what}\n  mend: {problem.remedy}")
    count = len(problems)
    raise InputError(f"{count} thing{'s are' if count > 1 else ' is'} wrong here, see above")


def notes(root: Path = Path("/")) -> list[str]:
    """Lines on what is not there and need not be: hidden GPUs, and optional packages.

    Args:
        root: The folder in which the operating system shows the machine's devices.
    """
    from bert_keras.cli.diagnosis import hidden_gpus

    hidden = hidden_gpus(len(devices.nvidia_gpus(root)), os.environ.get("CUDA_VISIBLE_DEVICES"))
    return [hidden] * bool(hidden) + [
        f"{package} is not installed (optional): {install_command(extra)}"
        for package, extra in OPTIONAL.items()
        if importlib.util.find_spec(package) is None
    ]


def _products(installed: dict[str, str]) -> tuple[list[list[str]], list["Problem"]]:
    """The results of ``examine_devices``, and what is wrong with Keras and TensorFlow before."""
    from bert_keras.cli.diagnosis import import_problems

    problems = _mended_backend()
    try:
        start_tensorflow()
    except InputError:  # Keras was imported, with the other backend, before this command began
        return [], problems
    except Exception as error:  # whatever a damaged installation raises
        reason = f"{type(error).__name__}: {_first_line(error)}"
        return [], problems + import_problems(reason, installed)
    with without_notes():
        rows, found = examine_devices(installed)
    return rows, problems + found


def _mended_backend() -> list["Problem"]:
    """The problem of another backend, which this process then leaves, to examine the devices."""
    from bert_keras.cli.diagnosis import backend_problems

    try:
        import bert_keras.backend  # noqa: F401 - checks Keras's settings
    except InputError as error:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        return backend_problems(str(error))
    return []


def installed_packages() -> dict[str, str]:
    """The version of each installed distribution, by its normalized name.

    Of one that is installed in several folders it is the first on the path, which Python imports.
    """
    from packaging.utils import canonicalize_name

    return {
        canonicalize_name(distribution.name): distribution.version
        for distribution in reversed(list(importlib.metadata.distributions()))
        if distribution.name
    }


def examine_devices(
    installed: dict[str, str], root: Path = Path("/")
) -> tuple[list[list[str]], list["Problem"]]:
    """Compute a product on each device that TensorFlow sees.

    Args:
        installed: From ``installed_packages``.
        root: The folder in which the operating system shows the machine's devices.

    Returns:
        A row for each product, and what is wrong with the devices.
    """
    import tensorflow as tf

    from bert_keras.cli import diagnosis

    chips = devices.tpu_chips(root)
    reason = start_tpu() if chips else ""
    problems = diagnosis.tpu_problems(chips, devices.tpu_files(root), installed, reason)
    build = tf.sysconfig.get_build_info()
    gpus = tf.config.list_physical_devices("GPU")
    problems += diagnosis.gpu_problems(
        devices.nvidia_gpus(root),
        len(gpus),
        tf.__version__,
        build["is_cuda_build"],
        _requirements("tensorflow", "and-cuda"),
        installed,
        os.environ.get("CUDA_VISIBLE_DEVICES"),
    )
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        problems += diagnosis.capability_problems(
            details.get("device_name", gpu.name),
            details.get("compute_capability"),
            build.get("cuda_compute_capabilities", ()),
            tf.__version__,
        )
    rows = []
    for device in tf.config.list_logical_devices():
        name = f"{device.device_type} {device.name.rsplit(':', 1)[-1]}"
        if device.device_type not in ("CPU", "GPU", "TPU"):
            continue
        for precision in PRECISIONS:
            try:
                seconds = time_product(device.name, precision)
            except (tf.errors.OpError, ArithmeticError) as error:
                problems += diagnosis.product_problems(name, _first_line(error))
                continue
            speed = f"{2 * SIZE**3 / seconds / 1e9:,.0f} GFLOP/s"
            product = f"{SIZE} x {SIZE}, {precision}"
            rows.append([name, product, f"{seconds * 1000:.2f} ms", speed])
    return rows, problems


def start_tpu() -> str:
    """Connect to the TPU of this machine.

    Returns:
        Why that failed; an empty text where it did not.
    """
    from bert_keras.config import DistributionConfig
    from bert_keras.training.strategy import make_strategy

    try:
        make_strategy(DistributionConfig(strategy="tpu", tpu="local"))
    except InputError as error:
        return str(error).partition(";")[0]
    return ""


def time_product(device: str, precision: str, repeats: int = 5) -> float:
    """Multiply two matrices of normal numbers on a device.

    Args:
        device: Its name in TensorFlow.
        precision: The type of the matrices and of their product.
        repeats: How often, after a first time that loads what the device runs.

    Returns:
        The seconds of the fastest product.

    Raises:
        ArithmeticError: When the numbers are wrong, or another device computed them.
        tf.errors.OpError: When the device fails.
    """
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    left, right = (random.standard_normal((SIZE, SIZE), np.float32) for _ in range(2))
    times = []
    with tf.device(device):
        a, b = (tf.cast(tf.constant(matrix), precision) for matrix in (left, right))
        result = tf.matmul(a, b)
        if not result.device.endswith(device.rpartition("/")[2]):
            raise ArithmeticError(f"it was computed on {result.device}")
        # Entries are of the size of the root of SIZE; bfloat16 has 8 bits of each factor.
        error = np.max(np.abs(result.numpy().astype(np.float32) - left @ right)) / SIZE**0.5
        if not error < 0.1:
            raise ArithmeticError(f"wrong numbers in {precision}: off by {error:.2g}")
        for _ in range(repeats):
            start = time.perf_counter()
            tf.matmul(a, b)[0, 0].numpy()
            times.append(time.perf_counter() - start)
    return min(times)


def _facts(installed: dict[str, str]) -> list[tuple[str, str]]:
    from bert_keras.cli.diagnosis import TENSORFLOWS

    rows = [("bert-keras", __version__), ("Python", platform.python_version())]
    rows += [(name, installed[name]) for name in (*TENSORFLOWS, *SHOWN) if name in installed]
    return [
        *rows,
        ("system", platform.platform(terse=True)),
        ("cores", str(os.cpu_count())),
        ("bfloat16 on the CPU", "yes" if cpu_has_bfloat16() else "no: train in float32 there"),
        ("GPUs of the machine", ", ".join(devices.nvidia_gpus()) or "none of NVIDIA's"),
        ("TPU chips of the machine", ", ".join(devices.tpu_chips()) or "none"),
    ]


def _requirements(name: str, extra: str = "") -> list[str]:
    """The requirements of an installed distribution, or those of one of its extras alone."""
    try:
        texts = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return []
    return [text for text in texts if not extra or extra in text.partition(";")[2]]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]
