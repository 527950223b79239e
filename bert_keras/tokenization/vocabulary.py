"""Word-piece vocabularies: reading, checking and writing them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION = "##"
MAX_CHARACTERS_PER_WORD = 100  # a longer word is [UNK]


def read_vocabulary(path: str | Path, needed: Sequence[str] = SPECIAL_TOKENS) -> list[str]:
    """The word pieces of a ``vocab.txt``: one a line, its id the line's number from 0.

    Args:
        path: The file.
        needed: The special tokens that it must have.

    Raises:
        InputError: When it is not UTF-8, has an empty or repeated line or lacks a special token.
        FileNotFoundError: When there is no such file.
    """
    if Path(path).suffix == ".json":
        raise InputError(
            f"{path} is no list of word pieces: give the folder of a tokenizer, {Path(path).parent}"
        )
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a vocabulary: it must be UTF-8 text with one word piece a line. "
            f"Received: byte 0x{error.object[error.start]:02x} at position {error.start}"
        ) from None
    # Not splitlines(): published vocabularies hold pieces such as U+2028.
    vocabulary = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    check_vocabulary(vocabulary, str(path), needed)
    return vocabulary


def check_vocabulary(
    vocabulary: list[str], name: str = "the vocabulary", needed: Sequence[str] = SPECIAL_TOKENS
) -> None:
    """Raise ``InputError`` unless every piece is there once and the special tokens are too."""
    first_line: dict[str, int] = {}
    for number, piece in enumerate(vocabulary, start=1):
        if not piece and len(vocabulary) > 1:
            raise InputError(f"{name}: line {number} is empty; every line must hold a word piece")
        if piece in first_line:
            raise InputError(
                f"{name}: {piece!r} is on line {first_line[piece]} and again on line {number}; "
                "every word piece must be there once"
            )
        first_line[piece] = number
    missing = [token for token in needed if token not in first_line]
    if missing:
        raise InputError(
            f"{name} lacks {', '.join(missing)}; a BERT vocabulary needs "
            f"{', '.join(needed)}, each on a line of its own"
        )


def write_vocabulary(path: str | Path, vocabulary: list[str], *, replace: bool = False) -> None:
    """Write a ``vocab.txt``, as ``atomic_file`` does.

    Args:
        path: The file.
        vocabulary: The word pieces, by id.
        replace: Whether a file that is there is replaced.

    Raises:
        InputError: When it is not a BERT vocabulary, or the file is there and ``replace`` is false.

    Example:
        >>> with open("texts/films.txt", encoding="utf-8") as lines:
        ...     pieces = learn_vocabulary(lines, size=100)
        >>> write_vocabulary("mine.txt", pieces)
        >>> WordPieceTokenizer.from_vocab("mine.txt").vocab == pieces
        True
    """
    check_vocabulary(vocabulary)
    write_text_atomic(path, "".join(f"{piece}\n" for piece in vocabulary), replace=replace)


def hash_vocabulary(vocabulary: list[str]) -> str:
    """The SHA-256 of the file that ``write_vocabulary`` writes, in hexadecimal."""
    return hashlib.sha256("".join(f"{piece}\n" for piece in vocabulary).encode()).hexdigest()
