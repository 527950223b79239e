"""Which columns of a table hold the text, its partner and the label."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_keras.errors import InputError

# What the published data sets call them, in lower case; of several the first is taken.
PAIRS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("#1 string", "#2 string"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("sentence_a", "sentence_b"),
    ("text", "text_pair"),
)
_USUAL = ("text", "sentence", "review", "content", "comment", "tweet", "document", "question")
TEXTS = tuple(dict.fromkeys((*_USUAL, *(first for first, _ in PAIRS))))
LABELS = (
    "label",
    "labels",
    "gold_label",
    "class",
    "category",
    "score",
    "quality",
    "is_duplicate",
    "sentiment",
    "stars",
    "rating",
    "target",
)


class Columns(NamedTuple):
    """The names of the columns; of the text's partner and the label None where there is none."""

    text: str
    text_pair: str | None
    label: str | None


def find_columns(names: Sequence[str], source: str, given: Columns) -> Columns | None:
    """The columns of a table, by the names that were given and else by those that are usual.

    Args:
        names: The table's columns.
        source: The table's name, for messages.
        given: The names that were given, empty where none was.

    Returns:
        The columns, or None when no name of a text column is among them.

    Raises:
        InputError: When a column that was given is not there.
    """
    for name in given:
        if name and name not in names:
            raise InputError(f"{source} has no column {name!r}; its columns: {listed(names)}")
    text, text_pair, label = given
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(name.lower(), name)
    if not text:
        firsts = {first for first, second in PAIRS if text_pair == known.get(second)}
        if not text_pair:
            for first, second in PAIRS:
                if first in known and second in known:
                    text, text_pair = known[first], known[second]
                    break
        text = text or _first(known, (*firsts, *TEXTS), (text_pair, label))
    if not text:
        return None
    return Columns(
        text, text_pair or None, label or _first(known, LABELS, (text, text_pair)) or None
    )


def listed(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(map(repr, names)) or "none"


def _first(known: dict[str, str], names: Sequence[str], taken: Sequence[str | None]) -> str:
    return next((known[n] for n in names if n in known and known[n] not in taken), "")
