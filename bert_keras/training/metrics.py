"""The log of a run: ``metrics.jsonl`` for programs, TensorBoard for people."""

import json
import math
import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

METRICS_FILE = "metrics.jsonl"
LOGS_FOLDER = "logs"  # TensorBoard's


class MetricsLog:
    """Writes one JSON object a line and the same numbers to TensorBoard.

    Args:
        workdir: The run's work directory.
        step: The step the run goes on from; later lines, of a run that was killed, are dropped.
        is_evaluated: Whether the evaluation of that step is among what is done.
    """

    def __init__(self, workdir: Path, step: int = 0, is_evaluated: bool = True) -> None:
        self.path = workdir / METRICS_FILE
        last = {"train": step, "eval": step if is_evaluated else step - 1}
        kept = [
            line for line in read_metrics(workdir) if line["step"] <= last.get(line["split"], step)
        ]
        write_text_atomic(self.path, "".join(_dump(line) for line in kept), replace=True)
        self._writers = {}
        for split in ("train", "eval"):
            folder = workdir / LOGS_FOLDER / split
            folder.mkdir(parents=True, exist_ok=True)  # TensorFlow would not heed the umask
            self._writers[split] = tf.summary.create_file_writer(os.fsencode(folder))

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """Adds the values of ``split`` (``"train"`` or ``"eval"``) after ``step`` updates."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_dump({"step": step, "split": split} | values))
        with self._writers[split].as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[split].flush()


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``; none where it has not begun.

    A last line that a kill cut short is passed over.

    Raises:
        InputError: When another line is no JSON object with ``step`` and ``split``.
    """
    path = workdir / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    values = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is cut off
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            value = None
        if not (
            isinstance(value, dict) and isinstance(value.get("step"), int) and "split" in value
        ):
            raise InputError(
                f"{path}, line {number} is no line of a log; delete it. Received: {line[:60]!r}"
            )
        values.append(value)
    return values


def _dump(line: dict[str, Any]) -> str:
    """One line of JSON, which knows no NaN: what is not finite becomes null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in line.items()
    }
    return json.dumps(finite) + "\n"
