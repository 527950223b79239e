"""Data sets of Hugging Face's hub, by the package ``datasets``: ``hf:org/name/CONFIG:SPLIT``.

It reads files of data alone, one commit of a repository, and never runs code from there.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from bert_keras.errors import InputError, install_command, listed
from bert_keras.hub.client import UnreachedError, bars_shown, client_of_hub, named_errors
from bert_keras.hub.names import COMMIT

DATA_PREFIX = "hf:"
_logger = logging.getLogger("bert_keras")

_FORM = "hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT[:COLUMN]]"
# A repository has one slash; a configuration cannot have a slash or a colon.
_NAME = re.compile(
    r"hf:(?P<repo>[^/@:\s]+(/[^/@:\s]+)?)(/(?P<config>[^/@:]+))?(@(?P<revision>[^:\s]+))?"
    r"(:(?P<split>([^:\[\]]|\[[^\]]*\])+))?(:(?P<column>[^:]+))?"
)
# The readers of ``datasets`` that give rows of named columns; others are of images and of archives,
# which may hold pickles.
_READERS = ("parquet", "csv", "json", "text", "arrow")
_SHOWN = 300  # characters of an error of ``datasets``


@dataclass(frozen=True)
class DataName:
    """The name of a data set on the hub.

    Attributes:
        repo: ``org/name``.
        config: Its configuration; empty for its default.
        revision: A branch, a tag, ``refs/pr/N`` or a commit; empty for the main branch.
        split: Its split, or a part or a sum of splits: ``train[:10%]``.
        column: The column that holds the text; empty where none is named.
    """

    repo: str
    config: str = ""
    revision: str = ""
    split: str = "train"
    column: str = ""

    kind: ClassVar[str] = "data set"

    @classmethod
    def of(cls, source: str | Path) -> "DataName | None":
        """The name that a source is; None where it is something else.

        Raises:
            InputError: When it begins as a name and is none.
        """
        text = str(source)
        if not text.startswith(DATA_PREFIX):
            return None
        found = _NAME.fullmatch(text)
        if found is None:
            raise InputError(f"a data set of the hub is named {_FORM}. Received: {text!r}")
        given = {name: value for name, value in found.groupdict().items() if value}
        return cls(**given)

    @property
    def page(self) -> str:
        """The end of the address of its page."""
        return f"datasets/{self.repo}"

    @property
    def at_commit(self) -> str:
        """The repository, configuration and revision alone."""
        config, revision = f"/{self.config}" * bool(self.config), f"@{self.revision}"
        return f"hf:{self.repo}{config}{revision * bool(self.revision)}"

    def __str__(self) -> str:
        return f"{self.at_commit}:{self.split}" + f":{self.column}" * bool(self.column)


def pinned_data(source: str, recorded: str = "") -> str:
    """A source as it is; of a data set on the hub, its name with the commit that it means now.

    Args:
        source: A file or a name.
        recorded: What an earlier start took, whose commit stays where the name has no revision.

    Raises:
        InputError: When there is no such data set, or the hub is not reached and it is not cached.
    """
    name = DataName.of(source)
    if name is None:
        return source
    before = DataName.of(recorded)
    if before and not name.revision and replace(before, revision="") == name:
        return recorded
    return str(name if COMMIT.fullmatch(name.revision) else _found(name)[0])


def load_split(name: DataName) -> Any:
    """The rows of a split, a ``datasets.Dataset``, downloaded where they are not cached.

    Raises:
        InputError: When the package is missing, or there is no such data set, configuration or
            split, or it cannot be read without code.
    """
    return _split(*_found(name))


@lru_cache(maxsize=4)  # readers open a source several times
def _split(name: DataName, why_cached: str) -> Any:
    """The split of a name with its commit; ``why_cached`` as in ``_found``."""
    builder = _cached(name, why_cached) if why_cached else _builder(name)
    with _named(name):
        builder.download_and_prepare()
    try:
        return builder.as_dataset(split=name.split)
    except (ValueError, AssertionError, KeyError) as error:
        splits = listed(sorted(builder.info.splits or ()))
        raise InputError(
            f"{name.at_commit} has no split {name.split!r} ({_reason(error)}); its splits: {splits}"
        ) from None


# What ``_found`` gave for names, one commit for each process, so that all that it reads agrees.
_commits: dict[DataName, tuple[str, str, str]] = {}


def _found(name: DataName) -> tuple[DataName, str]:
    """The name as the repository is called now, with its commit, and why the cache is used.

    The commit is the hub's or, where that is not reached, the newest of the cache of ``datasets``;
    the reason is empty where the hub was reached.
    """
    plain = DataName(name.repo, name.config, name.revision)
    if plain not in _commits:
        try:
            _commits[plain] = (*_commit(name), "")
        except UnreachedError as error:
            commit = str(_cached(name, str(error)).hash)
            _commits[plain] = (name.repo, commit, str(error))
            _logger.info("%s: %s; the commit %s in the cache is used", name, error, commit)
    repo, commit, why_cached = _commits[plain]
    return replace(name, repo=repo, revision=commit), why_cached


def _commit(name: DataName) -> tuple[str, str]:
    """The present name and the commit of a repository whose data are files and may be read."""
    client = client_of_hub()
    from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT

    with named_errors(name):
        info = client.dataset_info(
            name.repo, revision=name.revision or None, timeout=HF_HUB_DOWNLOAD_TIMEOUT
        )
        if getattr(info, "gated", False):
            client.auth_check(name.repo, repo_type="dataset")
    script = f"{name.repo.rpartition('/')[2]}.py"
    if any(file.rfilename == script for file in info.siblings or ()):
        raise InputError(
            f"{name} is made by code, {script}, which is never run: take a data set of the hub "
            "that holds the same as files, such as Parquet"
        )
    return str(info.id), str(info.sha)


def _builder(name: DataName) -> Any:
    """The reader of a data set on the hub, its files not yet downloaded."""
    datasets = _package(name)
    if os.path.isdir(name.repo):
        raise InputError(
            f"{name}: a folder {name.repo} lies here, which the package datasets would read in the "
            "place of the hub's: start in another folder, or rename it"
        )
    with _named(name):
        builder = datasets.load_dataset_builder(
            name.repo, name.config or None, revision=name.revision
        )
    reader = type(builder).__module__.rpartition(".")[2]
    if reader not in _READERS:
        raise InputError(
            f"{name} holds files that are read by {reader}; those of rows and columns alone are "
            f"read: {', '.join(_READERS)}"
        )
    return builder


def _cached(name: DataName, why: str) -> Any:
    """The reader of what the cache of ``datasets`` has of a data set, its newest commit.

    Args:
        name: The name.
        why: Why the hub is not asked. ``datasets`` itself would ask again and again.
    """
    _package(name)
    from datasets.packaged_modules.cache.cache import Cache

    given = {"repo_id": name.repo, "dataset_name": name.repo.rpartition("/")[2]}
    try:
        with _quiet():
            builder = Cache(config_name=name.config or None, version="auto", hash="auto", **given)
    except ValueError as error:
        raise InputError(
            f"{name} is not in the cache of datasets ({_reason(error)}), and {why}"
        ) from None
    if COMMIT.fullmatch(name.revision) and builder.hash != name.revision:
        raise InputError(
            f"{name} is not in the cache of datasets, whose newest commit of it is {builder.hash}, "
            f"and {why}"
        )
    return builder


def _package(name: DataName) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"reading {name} needs packages that are not installed ({error}): "
            f"{install_command('datasets')}"
        ) from None
    return datasets


@contextmanager
def _named(name: DataName) -> Iterator[None]:
    """Say in one line which error of ``datasets`` a block ended with; bars as in ``bars_shown``."""
    try:
        with named_errors(name), bars_shown(), _quiet():
            yield
    except InputError:
        raise
    except UnreachedError as error:
        raise InputError(f"{name}: {error}; files that are whole stay in the cache") from None
    except Exception as error:  # of any of the packages beneath
        reason = _reason(error)
        if "config" in reason.lower():
            reason += "; the configuration follows the name: hf:ORG/NAME/CONFIG"
        raise InputError(f"{name.at_commit} cannot be read: {reason}") from None


def _reason(error: BaseException) -> str:
    """An error of ``datasets`` and its cause in one line, without its example of Python."""
    inner = error.__cause__ or error.__context__
    text = re.split("Example of usage|Please specify which", str(error))[0]
    if inner is not None and type(error).__name__ == "DatasetGenerationError":
        text = f"{text} {type(inner).__name__}: {inner}"
    return (" ".join(text.split()) or type(error).__name__)[:_SHOWN].rstrip(". ")


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what ``datasets`` logs; its bars are for a terminal, unless logs are quiet."""
    import datasets

    level, had_bars = datasets.logging.get_verbosity(), not datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity_error()
    if had_bars and not (sys.stderr.isatty() and _logger.isEnabledFor(logging.WARNING)):
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()
