"""What lies in a run's work directory, and whose it is."""

import dataclasses
from pathlib import Path
from typing import Any

from bert_keras.config import PretrainConfig, dump_toml, load_toml
from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

CONFIG_FILE = "config.toml"
CORPUS_FILE = "corpus.json"
CHECKPOINTS_FOLDER = "checkpoints"
MODEL_FOLDER = "model"


def claim(workdir: Path, config: PretrainConfig, corpus_path: Path) -> None:
    """Writes the resolved config into a new work directory, or checks that it is the same one.

    Beside it goes the corpus's description, so that a run cannot go on with another corpus.

    Raises:
        InputError: When the directory belongs to a run with another config or corpus.
    """
    description = (corpus_path / CORPUS_FILE).read_text(encoding="utf-8")
    if (workdir / CONFIG_FILE).exists():
        difference = _first_difference(load_toml(PretrainConfig, workdir / CONFIG_FILE), config)
        if difference:
            raise InputError(
                f"{workdir} belongs to a run with another config ({difference}); choose another "
                f"--workdir, or give {workdir / CONFIG_FILE} as the recipe to go on with that run"
            )
        if (workdir / CORPUS_FILE).read_text(encoding="utf-8") != description:
            raise InputError(f"{workdir} belongs to a run on another corpus than {corpus_path}")
        return
    write_text_atomic(workdir / CORPUS_FILE, description)
    write_text_atomic(workdir / CONFIG_FILE, dump_toml(config))


def _first_difference(earlier: PretrainConfig, now: PretrainConfig) -> str:
    """The first key in which the two differ, with both values; the corpus may have moved."""
    before, after = (_flat(dataclasses.asdict(config)) for config in (earlier, now))
    for name in before:
        if name != "data.corpus" and before[name] != after[name]:
            return f"{name} = {before[name]!r} there, {after[name]!r} here"
    return ""


def _flat(tables: dict[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table in tables for key, value in tables[table].items()}
