"""The mark of a run: the file that distinguishes its work directory from any other folder."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.config import flat
from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

MARK_FILE = "run.json"

# A key that no other program's file has, and the version of the rest of the file.
_KEY, _VERSION = "bert_keras_run", 3
# What a version added to those before it, with the values that stand for it in their files.
_ADDED: dict[int, dict[str, Any]] = {2: {"left_open": None, "ended_at": None}, 3: {"run_id": ""}}

# Data and models are compared by content, not by path.
MOVABLE = ("data.corpus", "data.train", "data.dev", "model.init")
# The weights do not depend on the first, and the effects of the second are in the checkpoints.
_FREE_TABLES = ("checkpoint", "watch")


def may_change(key: str) -> bool:
    """Tell whether a key of the recipe may change between two starts of a run."""
    return key in MOVABLE or key.partition(".")[0] in _FREE_TABLES


@dataclass(frozen=True, kw_only=True)
class RunMark:
    """The description of a run; written before anything else of it.

    Without it, the files in a folder are somebody else's, whatever their names.

    Attributes:
        command: ``"pretrain"`` or ``"finetune"``.
        config: The resolved config, as tables.
        data: The content of the data that the run learns from.
        base: The content of the model that it starts from: a hash for each of its files; empty
            where the weights are random.
        circumstances: What else the last bits of its numbers depend on.
        config_hash: The hash of the ``config.toml`` that the run wrote.
        is_finishing: Whether an existing ``model/`` that is not in ``model_files`` is the run's.
        model_files: The hash of each file of its ``model/``; None before there is one.
        left_open: The keys that a start of it left at 0, to follow from the epochs and the data;
            None where version 1 began it, which did not record them.
        ended_at: The step of the newest checkpoint when ``finish`` ended it; None where it ended
            itself, has not ended, or version 1 ended it.
        run_id: ``content_id`` when the run began, which each of its checkpoints bears; empty where
            version 1 or 2 began it.
    """

    command: str
    config: Mapping[str, Any]
    data: Mapping[str, Any]
    base: Mapping[str, str] = dataclasses.field(default_factory=dict)
    circumstances: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config_hash: str | None = None
    is_finishing: bool = False
    model_files: Mapping[str, str] | None = None
    left_open: Sequence[str] | None = None
    ended_at: int | None = None
    run_id: str = ""

    def content_id(self) -> str:
        """The hash of what the run is made from: command, config, data and base model.

        Two runs that would write the same checkpoints have the same, wherever their files lie.
        """
        config = {key: value for key, value in flat(self.config).items() if not may_change(key)}
        content = [self.command, config, self.data, self.base]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def write(self, workdir: Path) -> None:
        """Write the mark; a file with the same content stays as it is."""
        text = json.dumps({_KEY: _VERSION} | dataclasses.asdict(self), indent=2) + "\n"
        path = workdir / MARK_FILE
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
            write_text_atomic(path, text, replace=True)


def read_mark(workdir: Path) -> RunMark | None:
    """The mark of the run whose work directory this is; None where it is not a run's.

    Raises:
        InputError: When another version of bert_keras wrote it.
    """
    try:
        values = json.loads((workdir / MARK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or _KEY not in values:
        return None
    version = values.pop(_KEY)
    for added_in, added in _ADDED.items():
        if version in range(1, added_in):
            version, values = added_in, added | values
    names = {field.name for field in dataclasses.fields(RunMark)}
    kinds: dict[str, Any] = dict.fromkeys(("config", "data", "base", "circumstances"), dict) | {
        "model_files": dict | None, "left_open": list | None, "ended_at": int | None,
        "run_id": str,
    }  # fmt: skip
    odd = sorted(names ^ values.keys())
    odd = odd or [name for name, kind in kinds.items() if not isinstance(values[name], kind)]
    if not odd and not _has_steps(values["config"]):
        odd = ["config.train.steps"]
    if version != _VERSION or odd:
        fault = f"its format is {version!r}, this version writes {_VERSION}"
        if version == _VERSION:
            fault = f"{odd[0]} is not as this version writes it"
        raise InputError(
            f"{workdir / MARK_FILE} is of another version of bert_keras, or damaged: {fault}; "
            "resume with the version that began the run, or choose another --workdir"
        )
    return RunMark(**values)


def _has_steps(config: Mapping[str, Any]) -> bool:
    """Tell whether a recorded recipe says how many steps the run has, as every one does."""
    train = config.get("train")
    return isinstance(train, dict) and isinstance(train.get("steps"), int)
