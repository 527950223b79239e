"""What a training run has left in its work directory."""

from pathlib import Path
from typing import Any

from bert_keras.saving.run_state import CHECKPOINTS_FOLDER, state_file
from bert_keras.training import read_metrics

TIMES = ("tokens_per_second", "input_share")  # no two runs have the same


def log_of(workdir: Path) -> list[dict[str, Any]]:
    """The lines of its log without the times."""
    return [{k: v for k, v in line.items() if k not in TIMES} for line in read_metrics(workdir)]


def outcome(workdir: Path) -> tuple[bytes, bytes, list[dict[str, Any]]]:
    """Its model's weights, all that its last checkpoint holds, and its log."""
    last = max(workdir.glob("checkpoints/step-*"))
    return (workdir / "model/model.safetensors").read_bytes(), last.read_bytes(), log_of(workdir)


def touch_checkpoint(workdir: Path) -> None:
    """Make an empty checkpoint, by which a run counts as begun."""
    (workdir / CHECKPOINTS_FOLDER).mkdir(exist_ok=True)
    state_file(workdir / CHECKPOINTS_FOLDER, 1).touch()
