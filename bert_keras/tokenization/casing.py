"""The normalization of letters before words are looked up: part of every model and corpus."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tokenizers import normalizers

from bert_keras.errors import InputError

_logger = logging.getLogger("bert_keras")

CASINGS = ("uncased", "cased")
# A vocabulary counts as cased from this share of its small letters whose capital it also holds: a
# stray capital or two make no words.
_CASED_SHARE = 0.25


@dataclass(frozen=True)
class Casing:
    """The rules that normalize text, under the names of ``tokenizer_config.json``.

    Attributes:
        do_lower_case: Whether words are lower-cased (an "uncased" model).
        strip_accents: Whether accents are taken off; None does so exactly when lower-casing.
        tokenize_chinese_chars: Whether every CJK character is a word of its own.

    Raises:
        InputError: When a value is neither true nor false (nor None, for ``strip_accents``).

    Example:
        >>> cased = Casing(do_lower_case=False)
        >>> cased.name, cased.drops_marks
        ('cased', False)
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            if not (isinstance(value, bool) or (value is None and name == "strip_accents")):
                raise InputError(f"{name} must be true or false. Received: {value!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A casing from the keys of a ``tokenizer_config.json``; other keys are ignored."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})

    def to_dict(self) -> dict[str, bool | None]:
        """The fields as a dictionary, in the order they are declared."""
        return dataclasses.asdict(self)

    @property
    def name(self) -> str:
        """``"uncased"`` or ``"cased"``."""
        return CASINGS[not self.do_lower_case]

    @property
    def drops_marks(self) -> bool:
        """Tell whether combining marks are dropped."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    def normalizer(self) -> normalizers.Normalizer:
        """The normalizer of the ``tokenizers`` library that has these rules."""
        return normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.tokenize_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.do_lower_case,
        )


def guess_casing(vocab: Iterable[str], where: Path) -> Casing:
    """The casing of a vocabulary where no file names it; logged with the reason.

    Words with capitals need single capital letters in the vocabulary, or they become [UNK]. So it
    is cased where it has the capitals of enough small letters. Whole words decide where there are
    no letters at all. Tokens in brackets, such as ``[MASK]`` or ``<S>``, do not count as words.

    Args:
        vocab: The word pieces.
        where: The directory, for messages.
    """
    pieces = {piece.removeprefix("##") for piece in vocab if not _is_token(piece)}
    small = {p for p in pieces if len(p) == len(p.upper()) == 1 and p == p.lower() != p.upper()}
    capitals = {letter for letter in small if letter.upper() in pieces}
    words = [piece for piece in pieces if piece != piece.lower()]
    if small:
        is_cased = len(capitals) >= _CASED_SHARE * len(small)
        reason = (
            f"{len(capitals)} of {len(small)} letters in the vocabulary have their capital there"
        )
    else:
        is_cased = bool(words)
        reason = f"{len(words)} words of the vocabulary have capitals"
    casing = Casing(do_lower_case=not is_cased)
    log_casing(where, casing, reason)
    return casing


def log_casing(where: Path, casing: Casing, reason: str) -> None:
    """Log the casing that was found where no file names it, why, and the way to the other."""
    other = next(name for name in CASINGS if name != casing.name)
    _logger.info(
        "%s: casing taken as %s: %s (else: convert --%s)", where, casing.name, reason, other
    )


def _is_token(piece: str) -> bool:
    return len(piece) > 2 and piece[0] + piece[-1] in ("[]", "<>")
