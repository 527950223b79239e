"""Hashes that show whether the arrays of a corpus directory are still what was prepared."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.errors import InputError

_logger = logging.getLogger("bert_keras")

_BLOCK = 1 << 22  # bytes hashed at once
_SECONDS_IN_SILENCE = 3.0


def hash_arrays(directory: Path, names: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of what each array of a corpus directory holds, by the name of its file.

    A line is logged where that takes long.

    Args:
        directory: The corpus directory.
        names: Of ``.npy`` files, as far as they are there.
    """
    files = [directory / name for name in names if (directory / name).exists()]
    total, done, started = sum(file.stat().st_size for file in files), 0, time.monotonic()
    hashes, is_silent = {}, True
    for path in files:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            # Left out: NumPy's releases may write the header in different ways.
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            while block := file.read(_BLOCK):
                digest.update(block)
                done += len(block)
                if is_silent and time.monotonic() - started > _SECONDS_IN_SILENCE:
                    is_silent = False
                    _logger.info(
                        "%s: hashing its files to find damage, %.0f %% of %.1f GB so far",
                        directory, 100 * done / total, total / 1e9,
                    )  # fmt: skip
        hashes[path.name] = digest.hexdigest()
    return hashes


def hash_of_all(hashes: Mapping[str, str]) -> str:
    """The one hash that stands for those of all arrays."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, hashes.values()))).hexdigest()


def check_hashes(directory: Path, names: Sequence[str], description: Mapping[str, Any]) -> None:
    """Compare what the arrays hold with the hashes of when they were prepared.

    Args:
        directory: The corpus directory.
        names: As in ``hash_arrays``.
        description: The directory's ``corpus.json``.

    Raises:
        InputError: When a file is damaged; names it.
    """
    if "arrays_hash" not in description:
        _logger.warning(
            "%s: an earlier version prepared it, without hashes, so damage cannot be found; "
            "prepare it again", directory,
        )  # fmt: skip
        return
    hashes = hash_arrays(directory, names)
    if hash_of_all(hashes) == description["arrays_hash"]:
        return
    # One prepared before there was a hash of each file does not say which it is.
    kept = dict(description.get("hashes", {}))
    odd = [name for name in hashes if kept.get(name) != hashes[name]]
    name = odd[0] if kept else " or ".join(odd)
    raise damaged(directory / name, "it does not hold what was prepared")


def damaged(file: Path, what: str) -> InputError:
    """The error of a corpus directory of which a file is damaged."""
    return InputError(f"{file} is damaged ({' '.join(what.split())}); prepare the corpus again")
