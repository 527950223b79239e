"""Tag schemes: how the letter before a tag's type marks where an entity begins and ends.

Ramshaw and Marcus (1995) have IOB1, Tjong Kim Sang and Veenstra (1999) IOB2, IOE1 and IOE2, Ratinov
and Roth (2009) BILOU.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import seqeval.scheme
from seqeval.metrics.sequence_labeling import get_entities

OUTSIDE = "O"
UNNAMED = "_"  # the type of a tag that is a letter alone, as seqeval calls it
LETTERS = "BIESMLU"
_INNER, _OPENING, _CLOSING = "IM", "BSU", "ESLU"
_WITH_LETTER = re.compile(rf"[{LETTERS}](-.+)?", re.DOTALL)
_STANDARD = str.maketrans("MLU", "IES")  # the letters that seqeval's default mode knows


class Span(NamedTuple):
    """An entity: its type and the half-open range of its words."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Scheme:
    """A way to mark entities by tags; ``SCHEMES`` has all of them.

    Attributes:
        name: Its name.
        letters: The letters that it has besides O: B begins an entity, I and M continue it, E and L
            end it, S and U are a whole one.
        strict: seqeval's class for its strict mode; None where it has none.
        has_entities: Whether its tags are more than a label for each word.
    """

    name: str
    letters: str = ""
    strict: type[seqeval.scheme.Token] | None = None
    has_entities: bool = True

    def standard(self, tag: str) -> str:
        """A tag in the letters of seqeval's default mode: B, I, E, S and O.

        A label without a type among others that have one ("[CLS]", "X") is outside.
        """
        if tag == OUTSIDE:
            return tag
        if not self.letters:
            return f"I-{tag}"
        return tag[0].translate(_STANDARD) + tag[1:] if has_letter(tag) else OUTSIDE

    def strict_form(self, tag: str) -> str:
        """A tag in the letters of ``strict``."""
        return tag if self.name == "BILOU" and has_letter(tag) else self.standard(tag)

    def spans(self, tags: Sequence[str]) -> list[Span]:
        """The entities that tags mark, as seqeval's default mode and ``conlleval`` read them.

        So an ``I-x`` that does not follow an x begins an entity.
        """
        if not self.has_entities:
            return []
        found = get_entities([self.standard(tag) for tag in tags])
        return [Span(label, start, last + 1) for label, start, last in found]

    def write(self, spans: Sequence[Span], length: int) -> list[str]:
        """The tags of as many words that mark these entities, given in their order."""
        tags = [OUTSIDE] * length
        for before, span, after in zip([None, *spans], spans, [*spans[1:], None], strict=False):
            for word in range(span.start, span.end):
                tags[word] = self.tag_of(span, word, word + 1, before, after)
        return tags

    def tag_of(
        self, span: Span, start: int, end: int, before: Span | None, after: Span | None
    ) -> str:
        """The tag of the words from ``start`` to ``end`` in an entity between two others."""
        begins, ends = start <= span.start, end >= span.end
        if self.name == "IOB1":  # a B only parts entities that touch
            begins &= before is not None and before.end == span.start and before.label == span.label
        if self.name == "IOE1":
            ends &= after is not None and after.start == span.end and after.label == span.label
        return self._tag(self._letter(begins, ends), span.label)

    def follows(self, tags: Sequence[str]) -> bool:
        """Tell whether tags follow the scheme to the letter."""
        return self.write(self.spans(tags), len(tags)) == list(tags)

    def spread(self, tag: str, count: int) -> list[str]:
        """The tags of the parts of a word that has this tag."""
        if count == 1 or not self.letters or not has_letter(tag):
            return [tag] * count
        begins, ends, label = tag[0] in _OPENING, tag[0] in _CLOSING, type_of(tag)
        first, inner, last = (
            self._tag(self._letter(*edges), label)
            for edges in ((begins, False), (False, False), (False, ends))
        )
        return [first, *[inner] * (count - 2), last]

    def inside(self, left: str, right: str) -> str:
        """The tag of a word that was not read, between two others.

        It continues their entity where both are in the same one; else it is outside.
        """
        first, last = self.standard(left), self.standard(right)
        if not self.has_entities or last[0] not in "IE" or first[0] not in "BI":
            return OUTSIDE
        label = type_of(last)
        return self._tag(self._letter(False, False), label) if type_of(first) == label else OUTSIDE

    def labels(self, tags: set[str]) -> tuple[str, ...]:
        """The labels of a model that learns these tags: every letter with every type.

        O comes first where it is among the tags, then the types by the alphabet.
        """
        outside = (OUTSIDE,) if OUTSIDE in tags else ()
        if not self.letters:
            return (*outside, *sorted(tags - {OUTSIDE}))
        types = sorted({type_of(tag) for tag in tags - {OUTSIDE}})
        return (*outside, *(self._tag(letter, name) for name in types for letter in self.letters))

    def _letter(self, begins: bool, ends: bool) -> str:
        possible = "SUBEL" if begins and ends else "BSU" if begins else "EL" if ends else ""
        if begins and ends and not set("SU") & set(self.letters):
            possible = "BE"
        return next((x for x in (*possible, *_INNER) if x in self.letters), "")

    def _tag(self, letter: str, label: str) -> str:
        if not self.letters:
            return label
        return letter if label == UNNAMED else f"{letter}-{label}"


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("IOB2", "BI", seqeval.scheme.IOB2),
        Scheme("IOB1", "BI", seqeval.scheme.IOB1),
        Scheme("IOE2", "IE", seqeval.scheme.IOE2),
        Scheme("IOE1", "IE"),  # seqeval says that its strict mode is not right yet
        Scheme("BIOES", "BIES", seqeval.scheme.IOBES),
        Scheme("BMES", "BMES", seqeval.scheme.IOBES),
        Scheme("BIOS", "BIS"),
        Scheme("BILOU", "BILU", seqeval.scheme.BILOU),
        Scheme("IO", "", seqeval.scheme.IOB1),
        Scheme("plain", has_entities=False),
    )
}


def has_letter(tag: str) -> bool:
    """Tell whether a tag is one of the letters, alone or with a type."""
    return _WITH_LETTER.fullmatch(tag) is not None


def is_typed(tag: str) -> bool:
    """Tell whether a tag is one of the letters with a type."""
    return len(tag) > 1 and has_letter(tag)


def type_of(tag: str) -> str:
    """The type of a tag with a letter; ``_`` of a letter alone."""
    return tag[2:] or UNNAMED
