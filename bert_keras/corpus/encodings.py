"""The likely encoding of bytes that are not UTF-8, and the command that converts them."""

import codecs
import re
import shlex
from collections.abc import Callable
from pathlib import Path

_KANA = re.compile("[\u3041-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_CYRILLIC = re.compile("[оеаинтсрвл]")  # the most frequent letters, six in ten of a text
_UNPACK = {".gz": "zcat", ".zst": "zstdcat"}
_MIN_CHARACTERS = 8  # of a script whose codes mean something in another one, too


def byte_order(sample: bytes) -> str | None:
    """The UTF-16 encoding of bytes without a byte order mark, as their zeros show it; else None.

    Characters below U+0100, a line's end at least, have a zero for their upper byte.
    """
    zeros = [sample[0::2].count(0), sample[1::2].count(0)]
    if not any(zeros) or min(zeros) * 10 > max(zeros):
        return None
    name = "UTF-16BE" if zeros[0] > zeros[1] else "UTF-16LE"
    text = _decode(sample, name)
    return name if text is not None and "".join(text.split()).isprintable() else None


def guess_encoding(sample: bytes) -> str | None:
    """The encoding of text that is not UTF-8, as iconv calls it; None where it is not clear.

    A guess counts when the bytes can be decoded and most of what is not ASCII is what texts of
    that encoding are made of: the commoner half of the Chinese characters, kana, Hangul, frequent
    Cyrillic letters. What is left is Western European when most letters are ASCII.
    """
    for name, is_usual, least in _CANDIDATES:
        text = _decode(sample, name)
        foreign = [] if text is None else [c for c in text if not c.isascii()]
        if foreign and is_usual(foreign) >= least:
            return name
    high = sum(byte >= 0x80 for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high > letters:
        return _cyrillic(sample)
    if not any(0x80 <= byte < 0xA0 for byte in sample):
        return "LATIN1"
    return "WINDOWS-1252" if _decode(sample, "cp1252") is not None else None


def conversion(path: Path, encoding: str | None, options: str = "") -> str:
    """The command that writes a file's text in UTF-8 to another one, for messages."""
    iconv = f"iconv{options} -f {encoding or 'ENCODING'} -t UTF-8"
    if not path.is_file():  # standard input
        return iconv
    inner = path.with_suffix("") if path.suffix.lower() in _UNPACK else path
    out = shlex.quote(str(inner.with_name(f"{inner.stem}.utf8{inner.suffix}")))
    name = shlex.quote(str(path))
    if inner is not path:
        return f"{_UNPACK[path.suffix.lower()]} {name} | {iconv} > {out}"
    return f"{iconv} {name} > {out}"


def _cyrillic(sample: bytes) -> str | None:
    shares = {
        name: _share(_CYRILLIC)([c for c in text if not c.isascii()])
        for name in ("KOI8-R", "WINDOWS-1251")
        if (text := _decode(sample, name)) is not None
    }
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best is not None and shares[best] >= 0.5 else None


def _decode(sample: bytes, encoding: str) -> str | None:
    """The text; a last character that is cut is left out."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return None


def _share(pattern: re.Pattern[str]) -> Callable[[list[str]], float]:
    return lambda characters: len(pattern.findall("".join(characters))) / len(characters)


def _share_of_hangul(characters: list[str]) -> float:
    return _share(_HANGUL)(characters) if len(characters) >= _MIN_CHARACTERS else 0.0


def _share_of_common(encoding: str, first: int, last: int) -> Callable[[list[str]], float]:
    """The share of characters whose first byte lies in the encoding's plane of common ones."""

    def share(characters: list[str]) -> float:
        codes = [character.encode(encoding, "replace") for character in characters]
        chinese = [code for code in codes if code[0] >= 0xA4]  # before come marks and symbols
        if not chinese:
            return 0.0
        return sum(first <= code[0] <= last for code in chinese) / max(len(codes) / 2, len(chinese))

    return share


_common_gb = _share_of_common("gb2312", 0xB0, 0xD7)
_common_big5 = _share_of_common("big5", 0xA4, 0xC6)


def _share_of_pairs(characters: list[str]) -> float:
    """The share of common Chinese characters, unless they are two ASCII characters each."""
    codes = [divmod(ord(character), 256) for character in characters]
    ascii_pairs = sum(32 <= a < 127 and 32 <= b < 127 for a, b in codes)
    if len(codes) < _MIN_CHARACTERS or ascii_pairs * 2 > len(codes):
        return 0.0
    return max(_common_gb(characters), _common_big5(characters))


# Tried in this order: Korean and Japanese codes are Chinese ones, too.
_CANDIDATES: tuple[tuple[str, Callable[[list[str]], float], float], ...] = (
    ("SHIFT_JIS", _share(_KANA), 0.3),
    ("EUC-JP", _share(_KANA), 0.3),
    ("EUC-KR", _share_of_hangul, 0.9),
    ("GB18030", _common_gb, 0.8),
    ("BIG5", _common_big5, 0.8),
    ("UTF-16LE", _share_of_pairs, 0.8),
    ("UTF-16BE", _share_of_pairs, 0.8),
)
