"""Models of Hugging Face's hub in its cache, downloaded by the hub's own client.

The files are chosen here, all of one commit, and never a pickle or code.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.hub.client import (
    UnreachedError,
    bars_shown,
    client_of_hub,
    model_info,
    named_errors,
)
from bert_keras.hub.names import HubName

_logger = logging.getLogger("bert_keras")
_say = cache(_logger.info)  # a line once, however many files of a model are looked for

CONFIG_FILE = "config.json"
_SETTINGS = (
    "modules.json", "sentence_*_config.json", "config_sentence_transformers.json",
    "[0-9]*_*/config.json", "adapter_config.json", "task.json",
)  # fmt: skip
# In the order in which ``load`` looks for them; the last is keras-hub's.
_WEIGHTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("model.weights.h5", "task.weights.h5"),
)
_MORE_WEIGHTS = ("[0-9]*_*/model.safetensors",)  # of sentence-transformers' Dense
# Without them a model opens as another: with other pooling (the first), or another tokenizer.
_DECISIVE = ("modules.json", "tokenizer_config.json", "tokenizer.json")
_WHOLE = ".gitattributes"  # of every repository; only a download of the whole has it
_PICKLES = ("pytorch_model*.bin", "[0-9]*_*/pytorch_model.bin")
_CONVERTER = "https://huggingface.co/spaces/safetensors/convert"
_MOST_MOVES = 3  # of a revision while it is listed
_MOST_REQUESTS = 20  # pull requests that are searched for safetensors


def pinned(path: str | Path, recorded: str = "") -> str:
    """A path as it is; of a name on the hub, the name with the commit that it means now.

    Args:
        path: A path or a name.
        recorded: What an earlier start took, whose commit stays where the name has no revision.

    Raises:
        InputError: When there is no such model, or the hub is not reached and it is not cached.
    """
    name = HubName.of(path)
    if name is None:
        return str(path)
    before = HubName.of(recorded)
    if before and before.repo == name.repo and not name.revision:
        return recorded
    return str(name if name.is_pinned else _listing(name).name)


def is_available(path: str | Path) -> bool:
    """Tell whether a name leads to a model, on the hub or, without the hub, in its cache."""
    name = HubName.of(path)
    assert name is not None, "it is a name"
    try:
        return bool(_weights(_listing(name)))
    except InputError:
        return False


def local_folder(path: str | Path, check: Callable[[Path], Collection[str]]) -> Path:
    """The folder of a model: a path as it is; of a name on the hub, the files in its cache.

    Args:
        path: A path or a name.
        check: Called with the ``config.json`` before anything large is downloaded; gives the names
            of its tokenizer's files, and raises ``InputError`` where we open no such model.

    Raises:
        InputError: When there is no such model, it cannot be downloaded, or only as a pickle.
    """
    name = HubName.of(path)
    if name is None:
        return Path(path)
    listing = _listing(name)
    tokenizer_files = check(_download(listing, [CONFIG_FILE]))
    small = [CONFIG_FILE, *_matching(listing.files, (*tokenizer_files, *_SETTINGS))]
    weights = _weights(listing)
    _check_absent(listing, _DECISIVE)
    # The weights last: where they are, the rest is.
    return _download(listing, [*small, *weights]).parent


def files_replaced(
    there: Sequence[str], sent: Collection[str], tokenizer_files: Collection[str]
) -> list[str]:
    """The files of a repository that would pass for parts of the model that is sent there.

    Args:
        there: The names of all files there.
        sent: Those that are sent.
        tokenizer_files: The names of the tokenizers' files of all families.
    """
    left = [file for file in there if file not in sent]
    kinds = (*tokenizer_files, *_SETTINGS, *_MORE_WEIGHTS, *(p for kind in _WEIGHTS for p in kind))
    safe = {Path(file).parent for file in sent if file.endswith(".safetensors")}
    pickles = [f for f in _matching(left, _PICKLES) if Path(f).parent not in safe]
    return sorted({*_matching(left, kinds), *pickles})


def tokenizer_folder(path: str | Path, files: Collection[str]) -> Path:
    """The folder of a name with these files, downloaded without the weights; a path as it is."""
    name = HubName.of(path)
    if name is None:
        return Path(path)
    listing = _listing(name)
    _check_absent(listing, _DECISIVE[1:])
    return _download(listing, [CONFIG_FILE, *_matching(listing.files, tuple(files))]).parent


@dataclass(frozen=True)
class _Listing:
    """The files of a commit.

    Attributes:
        name: The name with the commit.
        files: The names of its files; without the hub, of those in the cache.
        why_cached: Why the hub was not asked; empty where it was.
    """

    name: HubName
    files: tuple[str, ...]
    why_cached: str = ""


# What the hub has said of a commit, which never changes.
_known: dict[HubName, _Listing] = {}


def _listing(name: HubName) -> _Listing:
    """The files of a name by the hub or, where it gives no answer, by the cache.

    Raises:
        InputError: When the hub refuses, or gives no answer and the cache lacks them.
    """
    if name not in _known:
        try:
            with named_errors(name):
                listing = _ask(name)
        except UnreachedError as error:
            return _cached(name, str(error))
        _known[listing.name] = listing
        return listing
    return _known[name]


def _ask(name: HubName) -> _Listing:
    """The files of a name, by the hub."""
    client = client_of_hub()
    for _ in range(_MOST_MOVES):
        commit, files = _files_of(client, name.repo, name.revision)
        if CONFIG_FILE not in files:
            raise InputError(
                f"{name} has no {CONFIG_FILE}, and is no model that bert-keras opens. It has "
                f"{listed(files, 5)}"
            )
        # The client notes in its cache which commit a revision means, for a time without network.
        revision = name.revision or "main"
        file = client.hf_hub_download(name.repo, CONFIG_FILE, revision=revision)
        if Path(file).parent.name == commit:  # else the revision has moved meanwhile
            return _Listing(replace(name, revision=commit), files)
    raise UnreachedError("the revision moves again and again: name a commit")


def _files_of(client: Any, repo: str, revision: str) -> tuple[str, tuple[str, ...]]:
    """The commit that a revision means now, and the names of its files."""
    info = model_info(client, repo, revision)
    return info.sha, tuple(file.rfilename for file in info.siblings or ())


def _cached(name: HubName, why: str) -> _Listing:
    """The listing of what the cache has.

    Raises:
        InputError: When it has nothing of the name, or not its weights.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    revision = name.revision or "main"
    file = try_to_load_from_cache(name.repo, CONFIG_FILE, revision=revision)
    if not isinstance(file, str):
        raise InputError(f"{name} is not in the cache {constants.HF_HUB_CACHE}, and {why}")
    folder = Path(file).parent
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    listing = _Listing(replace(name, revision=folder.name), tuple(sorted(files)), why)
    _say(f"{listing.name}: {why}; what the cache has is used: {', '.join(files)}")
    return listing


def _check_absent(listing: _Listing, files: Sequence[str]) -> None:
    """Let the client note which files a commit lacks; without the hub, look for its notes.

    Raises:
        InputError: When neither the cache nor its ``.no_exist`` tells whether there is one of them.
    """
    client, name = client_of_hub(), listing.name
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    cached = (try_to_load_from_cache(name.repo, f, revision=name.revision) for f in files)
    pairs = zip(files, cached, strict=True)
    unknown = [file for file, path in pairs if path is None and file not in listing.files]
    if listing.why_cached and unknown and _WHOLE not in listing.files:
        raise InputError(
            f"the cache has a part of {name}, without {listed(unknown)}, which the model may have, "
            f"and {listing.why_cached}; or give the folder in the cache, to open it without them"
        )
    try:
        for file in unknown if not listing.why_cached else ():
            with named_errors(name), suppress(EntryNotFoundError):
                client.hf_hub_download(name.repo, file, revision=name.revision)
    except UnreachedError:  # the download that follows says it
        pass


def _weights(listing: _Listing) -> list[str]:
    """The files of the weights.

    Raises:
        InputError: When there are none, or only pickles.
    """
    name = listing.name
    found = next((files for kind in _WEIGHTS if (files := _matching(listing.files, kind))), [])
    more = _matching(listing.files, _MORE_WEIGHTS)
    pickles = _matching(listing.files, _PICKLES)
    with_safe = {Path(file).parent for file in [*found, *more]}
    alone = [file for file in pickles if Path(file).parent not in with_safe]
    if found and not alone:
        return [*more, *found]
    if listing.why_cached:
        raise InputError(f"the cache lacks the weights of {name}, and {listing.why_cached}")
    if not alone:
        raise InputError(
            f"{name} has no weights that are read (model.safetensors, or keras-hub's "
            f"model.weights.h5). It has {listed(listing.files, 5)}"
        )
    other = _with_safetensors(name)
    fix = f"its revision {other} has safetensors, read them first: {replace(name, revision=other)}"
    raise InputError(
        f"{name} has {alone[0]} and no safetensors: a pickle can run any code, and is never "
        f"downloaded; {fix if other else f'{_CONVERTER} converts it'}"
    )


def _with_safetensors(name: HubName) -> str:
    """The revision of a repository that has safetensors: a conversion or a pull request."""
    client = client_of_hub()
    try:
        with named_errors(name):
            refs = client.list_repo_refs(name.repo, include_pull_requests=True)
            requests = sorted(refs.pull_requests or (), key=lambda ref: -int(ref.name))
            for ref in [*refs.converts, *requests[:_MOST_REQUESTS]]:
                if _matching(_files_of(client, name.repo, ref.ref)[1], sum(_WEIGHTS[:2], ())):
                    return str(ref.ref)
    except (InputError, UnreachedError):  # without it the message says how to convert
        pass
    return ""


def _download(listing: _Listing, files: Sequence[str]) -> Path:
    """Download what the cache lacks of a commit's files; the path of the first in the cache."""
    client, name = client_of_hub(), listing.name
    try:
        # In this thread: after a signal the client removes the part of a file that is there.
        with named_errors(name), bars_shown():
            paths = [
                Path(client.hf_hub_download(name.repo, file, revision=name.revision))
                for file in files
            ]
    except UnreachedError as error:
        raise InputError(f"{name}: {error}; files that are whole stay in the cache") from None
    return paths[0]


def _matching(files: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The files of these names; a * stands for no slash."""
    return [
        file
        for file in files
        if any(file.count("/") == p.count("/") and fnmatchcase(file, p) for p in patterns)
    ]
