"""What lies in a run's work directory, and whose it is."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bert_keras.config import PretrainConfig, dump_toml, load_toml
from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

CONFIG_FILE = "config.toml"
CORPUS_FILE = "corpus.json"
CHECKPOINTS_FOLDER = "checkpoints"
MODEL_FOLDER = "model"
LOCK_FILE = ".lock"


def claim(workdir: Path, config: PretrainConfig, corpus_path: Path) -> None:
    """Writes the resolved config into a new work directory, or checks that it is the same one.

    Beside it goes the corpus's description, so that a run cannot go on with another corpus. A
    directory without a checkpoint, of a run that never got going, may be taken by any config.

    Raises:
        InputError: When the directory belongs to a run with another config or corpus.
    """
    description = (corpus_path / CORPUS_FILE).read_text(encoding="utf-8")
    if (workdir / CONFIG_FILE).exists() and _has_begun(workdir):
        difference = _first_difference(load_toml(PretrainConfig, workdir / CONFIG_FILE), config)
        if difference:
            raise InputError(
                f"{workdir} belongs to a run with another config ({difference}); choose another "
                f"--workdir, or give {workdir / CONFIG_FILE} as the recipe to go on with that run"
            )
        corpus_file = workdir / CORPUS_FILE
        if not corpus_file.exists() or corpus_file.read_text(encoding="utf-8") != description:
            raise InputError(f"{workdir} belongs to a run on another corpus than {corpus_path}")
        return
    write_text_atomic(workdir / CORPUS_FILE, description)
    write_text_atomic(workdir / CONFIG_FILE, dump_toml(config))


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keeps every other process out of a work directory until the block ends or a kill comes.

    Raises:
        InputError: When another process is training there.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process is training in {workdir}; wait for it or choose another --workdir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _has_begun(workdir: Path) -> bool:
    """Whether there is anything that another config would spoil."""
    return (workdir / MODEL_FOLDER).exists() or any((workdir / CHECKPOINTS_FOLDER).glob("step-*"))


def _first_difference(earlier: PretrainConfig, now: PretrainConfig) -> str:
    """The first key in which the two differ, with both values; the corpus may have moved."""
    before, after = (_flat(dataclasses.asdict(config)) for config in (earlier, now))
    for name in before:
        if name != "data.corpus" and before[name] != after[name]:
            return f"{name} = {before[name]!r} there, {after[name]!r} here"
    return ""


def _flat(tables: dict[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table in tables for key, value in tables[table].items()}
