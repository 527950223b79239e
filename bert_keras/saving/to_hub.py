"""A model's directory to Hugging Face's hub, with its card."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_keras.contents import link_target_outside
from bert_keras.errors import InputError
from bert_keras.hub import (
    HubName,
    UnreachedError,
    commit_files,
    files_replaced,
    repository_now,
)
from bert_keras.saving.families import all_models, family_of_model
from bert_keras.saving.files import read
from bert_keras.saving.huggingface import CARD_FILE
from bert_keras.saving.keras_hub import VOCABULARY_FILE
from bert_keras.saving.run import located
from bert_keras.saving.run_state import MODEL_FOLDER

_logger = logging.getLogger("bert_keras")

_FRONT_MATTER = re.compile(r"---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
# With the lines of its value: indented ones, or entries of a list.
_LICENSE = re.compile(r"^license:.*\n(?:(?:[ \t]|-).*\n)*", re.MULTILINE)
_MAY_BE_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Pushed:
    """A model on the hub, or what would be there.

    Attributes:
        files: The bytes of each file, by its name.
        deleted: The files there that are deleted, as they belong to the model before.
        url: The page of the commit; empty where nothing was sent.
    """

    files: Mapping[str, int]
    deleted: tuple[str, ...] = ()
    url: str = ""


def push(
    path: str | Path,
    name: str,
    license: str = "",
    *,
    public: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Send a model's directory to Hugging Face's hub, in one commit.

    Sent are the files that ``load`` reads and the model's card, ``README.md``, in which the license
    and the name are set; the card here stays as it is. The same commit deletes what the repository
    has of a model before and would be read with this one, such as ``modules.json``; its other files
    stay there.

    Args:
        path: A model's directory in Hugging Face's layout, or a run, whose ``model/`` is sent or,
            before it has finished, its best model.
        name: ``org/name``; a repository that is not there is made.
        license: The license, as the hub names it, such as ``"apache-2.0"``; by default the card's.
        public: Whether a new repository can be read by everybody; else it is private.
        dry_run: Whether only to tell what would be sent. The hub is asked which files it has; where
            it gives no answer, a warning says that those to be deleted are not known.

    Returns:
        The files that are sent and deleted, and the page of the commit.

    Raises:
        InputError: When it is not such a directory, a link in it leads out of it, no license is
            given, ``public`` is asked of a repository that is private, or the hub refuses.
        FileNotFoundError: When there is no such directory.

    Example:
        >>> pushed = push("run", "org/films", "apache-2.0", dry_run=True)
        >>> sorted(pushed.files)
        ['README.md', 'config.json', 'model.safetensors', 'tokenizer_config.json', 'vocab.txt']
    """
    there = HubName.of("hf://" + str(name).removeprefix("hf://"))
    if there is None or "/" not in there.repo or there.revision:
        raise InputError(f"a model is pushed to org/name. Received: {name!r}")
    folder, files = _model(path)
    for file in (*files, CARD_FILE):
        if target := link_target_outside(folder, folder / file):
            raise InputError(
                f"{folder / file} leads out of the folder, to {target}, and is not sent: put the "
                "file itself there"
            )
    card = _card(folder / CARD_FILE, there, license)
    contents: dict[str, Path | bytes] = {file: folder / file for file in files}
    contents[CARD_FILE] = card.encode()
    sizes = {
        file: len(given) if isinstance(given, bytes) else given.stat().st_size
        for file, given in sorted(contents.items())
    }

    def replaced(files: Sequence[str]) -> list[str]:
        return files_replaced(files, contents, _every_tokenizer_file())

    if dry_run:
        return Pushed(sizes, tuple(replaced(_files_there(there))))
    url, deleted = commit_files(there, contents, replaced, "Add the model", public)
    return Pushed(sizes, tuple(deleted), url)


def _files_there(name: HubName) -> tuple[str, ...]:
    """The files of a repository; none, and a warning, where the hub does not tell."""
    try:
        return repository_now(name).files
    except (InputError, UnreachedError) as error:
        _logger.warning("which files a push would delete at %s is not known: %s", name, error)
        return ()


def _every_tokenizer_file() -> set[str]:
    """The names of the tokenizers' files of all families, and of keras-hub."""
    families = [family_of_model(each) for each in all_models()]
    names = {name for family in families if family for name in family.tokenizer_files}
    return {VOCABULARY_FILE, *names}


def _model(path: str | Path) -> tuple[Path, list[str]]:
    """The directory of a model, which opens, and the names of the files that ``load`` reads."""
    if source := HubName.of(path):
        raise InputError(f"{source} is on the hub already; push takes a directory or a run")
    folder = located(Path(path))
    with read(folder) as stored:
        if stored.layout != "huggingface":
            raise InputError(
                f"{folder} is not in Hugging Face's layout, which the hub has; convert it first: "
                f"bert-keras convert {folder} OUT"
            )
        if stored.refusal:
            raise InputError(stored.refusal)
        return folder, [name for name, file in stored.files.items() if file.exists()]


def _card(file: Path, name: HubName, license: str) -> str:
    """The card with the license, and with the hub's name in the lines that open the model.

    Raises:
        InputError: When no license is given or it cannot be one, or the card is not UTF-8.
    """
    if license and not _MAY_BE_LICENSE.fullmatch(license):
        raise InputError(
            f"a license is given as the hub names it, such as apache-2.0, mit or other. "
            f"Received: {license!r}"
        )
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else f"\n# {name.repo}\n"
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8, as the hub wants cards: save it so") from None
    found = _FRONT_MATTER.match(text)
    front, rest = (found[1], text[found.end() :]) if found else ("", text)
    if license:
        front = f"license: {json.dumps(license)}\n" + _LICENSE.sub("", front)
    elif not _LICENSE.search(front):
        raise InputError(
            f"the model has no license: give one as the hub names it, --license apache-2.0, or "
            f"write it into the front matter of {file}"
        )
    for before, after in {
        "From the folder that holds this one:": "By its name:",
        f'bert_keras.load("{MODEL_FOLDER}")': f'bert_keras.load("{name}")',
        f'Encoder("{MODEL_FOLDER}")': f'Encoder("{name.repo}")',
        f'Transformer("{MODEL_FOLDER}")': f'Transformer("{name.repo}")',
    }.items():
        rest = rest.replace(before, after)
    return f"---\n{front}---\n{rest}"
