"""The accelerators and cores that the operating system shows, without TensorFlow."""

import os
from itertools import takewhile
from pathlib import Path

# Google's chips on the PCI bus, as JAX tells them (jax/_src/hardware_utils.py); Google's network
# cards and disks have its vendor's number too.
GOOGLE = "0x1ae0"
TPUS = {
    "0x0027": "TPU v2 or v3",
    "0x005e": "TPU v4",
    "0x0062": "TPU v5p",
    "0x0063": "TPU v5e",
    "0x006f": "TPU v6e",
    "0x0076": "TPU7x",
}


def usable_cores() -> int:
    """The number of cores that this process may use, as within taskset and cpusets."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tpu_chips(root: Path = Path("/")) -> list[str]:
    """Name the TPU chips of this machine, one entry a chip, by its PCI bus or its device files."""
    chips = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor, number = ((device / name).read_text().strip() for name in ("vendor", "device"))
        except OSError:
            continue
        if vendor == GOOGLE and number in TPUS:
            chips.append(TPUS[number])
    return chips or ["TPU" for _ in (root / "dev").glob("accel[0-9]*")]


def tpu_files(root: Path = Path("/")) -> list[str]:
    """List the files by which a program opens TPU chips, or other devices handed on by vfio."""
    folder = root / "dev"
    return sorted(str(path) for path in [*folder.glob("accel[0-9]*"), *folder.glob("vfio/[0-9]*")])


def nvidia_gpus(root: Path = Path("/")) -> list[str]:
    """Name the NVIDIA GPUs of this machine, one entry a GPU, by their driver or device files."""
    models = []
    for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
        models += names or ["NVIDIA GPU"]
    return models or ["NVIDIA GPU" for _ in (root / "dev").glob("nvidia[0-9]*")]


def asked_gpus(count: int, setting: str | None) -> int:
    """Count the GPUs of a machine that ``CUDA_VISIBLE_DEVICES`` asks for; the rest are hidden.

    CUDA shows the GPUs that it lists, up to the first entry that names none (CUDA Programming
    Guide, environment variables). An empty entry, a negative one and Slurm's ``NoDevFiles`` are
    written to end the list. Another that names no GPU is a mistake, and counts: it asks for one.

    Args:
        count: The GPUs of the machine.
        setting: The variable's value; ``None`` where it is not set.
    """
    if setting is None:
        return count
    entries = (entry.strip() for entry in setting.split(","))
    asked = list(takewhile(lambda name: name not in ("", "NoDevFiles") and name[0] != "-", entries))
    if any(name.startswith("MIG-") for name in asked):
        return min(1, count)  # a process is shown one part of a divided GPU, and nothing else
    return min(len(asked), count)
