"""The characters that a vocabulary and its casing lose: unknown words, marks that are dropped."""

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.tokenizer import Tokenizer
from bert_keras.tokenization.vocabulary import CONTINUATION, MAX_CHARACTERS_PER_WORD, UNK

_logger = logging.getLogger("bert_keras")

TOO_LONG_WAY = "put spaces between words where the script has none, as Thai, with a word segmenter"
COUNTS = ("characters", "unknown", "too_long", "marks", "letter_marks")  # of ``Losses``

_MANY_UNKNOWN = 0.03  # of the characters
_MANY_MARKS = 0.08  # French loses 4, Vietnamese 30 %
_MANY_LETTERS_MARKS = 0.005  # of scripts in which a mark is not an accent
_MANY_ENTRIES = 0.01  # of the vocabulary
_FIRST_OTHER_SCRIPT = "\u0400"  # below are Latin and Greek, whose marks are accents
_SHOWN = 3


@dataclass
class Losses:
    """Characters lost on the way to word pieces; white space does not count.

    Attributes:
        characters: Those of the text.
        unknown: Those in words that became [UNK].
        too_long: Of these, those in words that are too long for any vocabulary.
        marks: Combining marks that were dropped with the accents.
        letter_marks: Of these, those of scripts where a mark is as good as a letter.
        unknown_example: The first text with an unknown word.
        marks_example: The first text with such a mark.
    """

    characters: int = 0
    unknown: int = 0
    too_long: int = 0
    marks: int = 0
    letter_marks: int = 0
    unknown_example: str = ""
    marks_example: str = ""

    def add(self, other: "Losses") -> None:
        """Add what a later text lost."""
        self.add_numbers(other.numbers())
        self.add_examples(other)

    def add_numbers(self, numbers: Iterable[int]) -> None:
        """Add counts, in the order of ``numbers``."""
        for name, number in zip(COUNTS, numbers, strict=True):
            setattr(self, name, getattr(self, name) + int(number))

    def add_examples(self, other: "Losses") -> None:
        """Keep the examples of a later text where there are none yet."""
        self.unknown_example = self.unknown_example or other.unknown_example
        self.marks_example = self.marks_example or other.marks_example

    def numbers(self) -> list[int]:
        """The counts, without the examples."""
        return [getattr(self, name) for name in COUNTS]

    def add_unknown(self, word: str, count: int = 1) -> None:
        """Count a word that became [UNK]."""
        self.unknown += len(word) * count
        if len(word) > MAX_CHARACTERS_PER_WORD:
            self.too_long += len(word) * count
        self.unknown_example = self.unknown_example or word

    def add_marks(self, text: str, count: int = 1) -> None:
        """Count the marks that a text loses with its accents."""
        marks, letter_marks = dropped_marks(text)
        self.marks += marks * count
        self.letter_marks += letter_marks * count
        if marks:
            self.marks_example = self.marks_example or text

    def warn_of_unknown(self, way: str, tokenizer: Tokenizer | None = None) -> None:
        """Warn when more than a few per cent of the characters became the unknown token.

        Args:
            way: What helps where words are not too long.
            tokenizer: Names the unknown token, by default [UNK].
        """
        share = _share(self.unknown, self.characters)
        if share <= _MANY_UNKNOWN:
            return
        if self.too_long * 2 > self.unknown:
            way = f"their words have more than {MAX_CHARACTERS_PER_WORD} characters; {TOO_LONG_WAY}"
        unknown = None if tokenizer is None else tokenizer.unk_id
        _logger.warning(
            "%.1f %% of the characters become %s, first in %r; %s",
            100 * share,
            UNK if tokenizer is None or unknown is None else tokenizer.vocab[unknown],
            self.unknown_example[:40],
            way,
        )

    def warn_of_marks(self, casing: Casing) -> None:
        """Warn when marks are dropped that are more than a few accents."""
        share = _share(self.marks, self.characters)
        if share > _MANY_MARKS or _share(self.letter_marks, self.characters) > _MANY_LETTERS_MARKS:
            example = self.marks_example[:20]
            _logger.warning(
                "%.1f %% of the characters are combining marks or lose one, as %r becomes %r: that "
                "is what uncased does (strip_accents); --cased keeps them, for vocab and prepare",
                100 * share,
                example,
                casing.normalizer().normalize_str(example).replace(" ", ""),
            )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def measure_each(
    tokenizer: Tokenizer, texts: Sequence[str], has_unknown: Sequence[bool]
) -> list[Losses]:
    """The losses of each text with a tokenizer.

    Args:
        tokenizer: The tokenizer.
        texts: The texts.
        has_unknown: Whether each may have an unknown word; without one there is less to do.
    """
    losses = [Losses(characters=len("".join(text.split()))) for text in texts]
    numbers = [number for number, flag in enumerate(has_unknown) if flag]
    encodings = tokenizer.encode_batch([texts[number] for number in numbers])
    for number, encoding in zip(numbers, encodings, strict=True):
        for token, (start, end) in zip(encoding.input_ids, encoding.offsets, strict=True):
            if token == tokenizer.unk_id and texts[number][start:end] != tokenizer.vocab[token]:
                losses[number].add_unknown(_with_marks(texts[number], start, end))
    if tokenizer.drops_marks:
        for text, lost in zip(texts, losses, strict=True):
            if not text.isascii():
                lost.add_marks(text)
    return losses


def _with_marks(text: str, start: int, end: int) -> str:
    """The word and the marks after it, which do not belong to a token once they are dropped."""
    while end < len(text) and unicodedata.category(text[end]) == "Mn":
        end += 1
    return text[start:end]


def dropped_marks(text: str) -> tuple[int, int]:
    """The combining marks that go with the accents: all, and those of letters beyond Greek."""
    marks = letter_marks = 0
    base = ""
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.category(character) == "Mn":
            marks += 1
            letter_marks += base >= _FIRST_OTHER_SCRIPT
        else:
            base = character
    return marks, letter_marks


def warn_of_casing(vocab: Iterable[str], casing: Casing) -> None:
    """Warn when a vocabulary was learned under another casing."""
    entries = [piece for piece in vocab if not (piece.startswith("[") and piece.endswith("]"))]
    words = [piece.removeprefix(CONTINUATION) for piece in entries]
    normalize = casing.normalizer().normalize_str
    never = [
        piece
        for piece, word in zip(entries, words, strict=True)
        if normalize(word).replace(" ", "") != word
    ]
    if len(never) > _MANY_ENTRIES * len(entries):
        _logger.warning(
            "%s of the vocabulary's %s entries can never occur, such as %s: they come from cased "
            "text, and this is uncased; add --cased, or learn a vocabulary without it",
            f"{len(never):,}",
            f"{len(entries):,}",
            ", ".join(map(repr, never[-_SHOWN:])),
        )
    has_case = any(word != word.upper() for word in words)
    if has_case and not casing.do_lower_case and all(word == word.lower() for word in words):
        _logger.warning(
            "the vocabulary has no capital letter, and --cased keeps them: every word with one is "
            "%s; leave out --cased, or learn a vocabulary with it",
            UNK,
        )
