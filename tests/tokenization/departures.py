"""Where the ``tokenizers`` library departs from the letter of Google's ``tokenization.py``.

The library is what published checkpoints are used with today, so its rules are ours. It follows the
original except for the code points below and for four things that no single code point shows:

- the final sigma: "ΟΔΟΣ" lower-cases to "οδοσ"; the original's Python writes "οδος";
- the limit: words of more than 100 characters are [UNK]; the original's limit is 200;
- special tokens: "[MASK]" in a text stays whole; the original splits it at its brackets;
- accents: ``strip_accents`` can be set apart from ``do_lower_case``; the original strips accents
  exactly when it lower-cases, as ``strip_accents=None`` does.

The table is the result of an exhaustive run over all code points, each alone and between letters
(``test_departures.py``), against the original's rules with Unicode 14.0, that of Python 3.11; later
Pythons add the letters, marks and punctuation of their own Unicode to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

UNICODE_VERSION = "14.0.0"


@dataclass(frozen=True)
class Departure:
    """Code points that the library treats in another way than the original.

    Attributes:
        name: What they are.
        reason: What either does.
        cased: Whether cased models are concerned too; uncased ones always are.
        ranges: Code points and ranges of them in hexadecimal, ends included.
    """

    name: str
    reason: str
    cased: bool
    ranges: str

    def code_points(self) -> Iterator[int]:
        """All code points of the ranges."""
        for part in self.ranges.split():
            first, _, last = part.partition("-")
            yield from range(int(first, 16), int(last or first, 16) + 1)


DEPARTURES = (
    Departure(
        name="private use",
        reason="the library deletes them with the control characters; the original keeps them",
        cased=True,
        ranges="E000-F8FF F0000-FFFFD 100000-10FFFD",
    ),
    Departure(
        name="newer punctuation",
        reason="the library splits at the punctuation of Unicode 8; the original at all of it",
        cased=True,
        ranges="""
            61D 9FD A76 C77 C84 1B7D-1B7E 2E43-2E4F 2E52-2E5D 10EAD 10F55-10F59 10F86-10F89
            1144B-1144F 1145A-1145B 1145D 11660-1166C 116B9 1183B 11944-11946 119E2
            11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11C41-11C45 11C70-11C71 11EF7-11EF8 11FFF
            12FF1-12FF2 16E97-16E9A 16FE2 1E95E-1E95F
        """,
    ),
    Departure(
        name="newer mark",
        reason="the library strips the accents of Unicode 8; the original all of them",
        cased=False,
        ranges="""
            7FD 898-89F 8CA-8E1 9FE AFA-AFF B55 C04 C3C D00 D3B-D3C D81 EBA 180F 1885-1886
            1ABF-1ACE 1DF6-1DFB A82C A8C5 A8FF A9BD 10D24-10D27 10EAB-10EAC 10F46-10F50
            10F82-10F85 11070 11073-11074 110C2 111CF 1123E 1133B 11438-1143F 11442-11444
            11446 1145E 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119D7
            119DA-119DB 119E0 11A01-11A0A 11A33-11A38 11A3B-11A3E 11A47 11A51-11A56
            11A59-11A5B 11A8A-11A96 11A98-11A99 11C30-11C36 11C38-11C3D 11C3F 11C92-11CA7
            11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45
            11D47 11D90-11D91 11D95 11D97 11EF3-11EF4 16F4F 16FE4 1CF00-1CF2D 1CF30-1CF46
            1E000-1E006 1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A 1E130-1E136 1E2AE
            1E2EC-1E2EF 1E944-1E94A
        """,
    ),
    Departure(
        name="newer format character",
        reason="the library keeps it; the original deletes it",
        cased=True,
        ranges="890-891 8E2 110CD 13430-13438",
    ),
    Departure(
        name="newer letter",
        reason="the library knows its small letter; Unicode 14 has no such letter",
        cased=False,
        ranges="1C89 A7CB-A7CC A7CE A7D2 A7D4 A7DA A7DC 10D50-10D65 16EA0-16EB8",
    ),
    Departure(
        name="newer decomposition",
        reason="the library keeps it whole; the original decomposes it",
        cased=False,
        ranges="11938",
    ),
    Departure(
        name="former punctuation",
        reason="punctuation in Unicode 8, a symbol or a mark since: only the library splits at it",
        cased=True,
        ranges="166D 111C9",
    ),
    Departure(
        name="former mark",
        reason="an accent in Unicode 8, a spacing mark since: only the library strips it",
        cased=False,
        ranges="1734",
    ),
    Departure(
        name="CJK gap",
        reason="the library leaves these ideographs out; the original puts each apart",
        cased=True,
        ranges="2B820-2B91F",
    ),
)


def departing_code_points(cased: bool) -> frozenset[int]:
    """The code points of the table that concern a cased or an uncased model."""
    return frozenset(
        code_point
        for departure in DEPARTURES
        if departure.cased or not cased
        for code_point in departure.code_points()
    )
