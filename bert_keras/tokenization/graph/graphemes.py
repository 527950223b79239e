"""Characters with their marks, as the library's ``Precompiled`` normalizer reads them.

Of a character and its marks, less than six bytes together, the library replaces the whole by what
its map has for the beginning; of a longer one it replaces each code point alone. SentencePiece
looks for the longest text of the map. Texts are changed so that both find the same.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import tensorflow as tf
from tokenizers import normalizers

from bert_keras.tokenization.graph.charsmap_rules import write_rules
from bert_keras.tokenization.graph.pieces import any_match


@lru_cache(maxsize=1)
def marks() -> tuple[str, str, str]:
    """The characters that belong to the one before them, of two, three and four bytes.

    They are the library's: it is asked which of them goes with an "a" that its map replaces.
    """
    points = [n for n in range(0x80, 0x110000) if not 0xD800 <= n < 0xE000]
    asked = "".join(f"a{chr(n)}\n" for n in points)
    answers = normalizers.Precompiled(write_rules({"a": "b"})).normalize_str(asked)
    # U+0085 and U+2028 are no ends of lines to split().
    found = [chr(n) for n, text in zip(points, answers.split("\n"), strict=False) if text == "b"]
    two, three, four = ("".join(c for c in found if len(c.encode()) == n) for n in (2, 3, 4))
    return two, three, four


class GraphemeRules(tf.Module):
    """A change of texts after which the longest text of a map is the one the library takes.

    Args:
        rules: What the map replaces, of ``read_rules``.
        nothing: A character that no text has, and that the map is to delete.
    """

    def __init__(self, rules: Mapping[str, str], nothing: str) -> None:
        super().__init__()
        two, three, four = map(_class, marks())
        mark = _class("".join(marks()))
        long = {
            r"\x01-\x7f": f"{two}{two}{mark}|{two}(?:{three}|{four})|(?:{three}|{four}){mark}",
            r"\x{80}-\x{7ff}": f"{four}|(?:{two}|{three}){mark}",
            r"\x{800}-\x{ffff}": f"{three}|{four}|{two}{mark}",
            r"\x{10000}-\x{10ffff}": mark,
        }
        self._any = rf"\C*{mark}\C*"
        # The mark that follows a run is part of it; a mark is nobody's first character.
        self._changes = [
            (f"([{first}])((?:{run}){mark}*)", rf"\1{nothing}\2") for first, run in long.items()
        ]
        heads = [key for key in rules if len(key) == 1 and key not in "".join(marks())]
        heads = [key for key in heads if key >= "\x80" and not _is_control(key)]
        pairs: dict[str, str] = {}
        for key in rules:
            if len(key) == 2 and len(key.encode()) == 3 and key[1] in marks()[0]:
                pairs[key[1]] = pairs.get(key[1], "") + key[0]
        for heads_of, tail in (
            (_of_bytes(heads, 3), two),
            (_of_bytes(heads, 2), f"(?:{two}|{three})"),
            ("|".join(f"{_class(first)}{second}" for second, first in pairs.items()), two),
        ):
            if heads_of:
                self._changes.append((f"({heads_of}){tail}", r"\1"))

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """The texts, string [N], changed; well-formed before and after."""

        def changed() -> tf.Tensor:
            result = texts
            for pattern, to in self._changes:
                result = tf.strings.regex_replace(result, pattern, to)
            return result

        return tf.cond(any_match(texts, self._any), changed, lambda: texts)


def _is_control(character: str) -> bool:
    """Tell whether a character is one of those that marks do not go with."""
    asked = normalizers.Precompiled(write_rules({character: "b"})).normalize_str(
        character + "\u0301"
    )
    return asked != "b"


def _of_bytes(characters: Iterable[str], size: int) -> str:
    chosen = "".join(c for c in characters if len(c.encode()) == size)
    return _class(chosen) if chosen else ""


def _class(characters: str) -> str:
    """The class of characters in a regular expression, as ranges."""
    numbers = sorted(map(ord, set(characters)))
    starts = [n for n, before in zip(numbers, [-2, *numbers], strict=False) if n != before + 1]
    known = set(numbers)
    ends = [n for n in numbers if n + 1 not in known]
    return "".join(
        ["[", *(rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in zip(starts, ends, strict=True)), "]"]
    )
