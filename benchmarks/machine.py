"""The clock and the description of the machine, for every measurement."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Times = dict[str, float]

_PACKAGES = (
    "tensorflow",
    "keras",
    "numpy",
    "tokenizers",
    "keras-hub",
    "torch",
    "transformers",
    "onnxruntime",
)


class Clock:
    """Seconds by the clock and of the processor, since it was made."""

    def __init__(self) -> None:
        self._start: tuple[float, ...] = (time.monotonic(), time.process_time())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """A block whose time does not count."""
        begin = (time.monotonic(), time.process_time())
        yield
        end = (time.monotonic(), time.process_time())
        self._start = tuple(s + e - b for s, b, e in zip(self._start, begin, end, strict=True))

    def read(self) -> Times:
        """Both, to a tenth."""
        now = (time.monotonic(), time.process_time())
        seconds, processor = (round(b - a, 1) for a, b in zip(self._start, now, strict=True))
        return {"seconds": seconds, "processor_seconds": processor}


def environment() -> dict[str, str]:
    """Processor, cores and the versions of what may be measured."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    """Its name, and what of the wide instructions it has."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    flags = fields.get("flags", "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return " ".join([fields.get("model name", platform.machine()), *wide])
