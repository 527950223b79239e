"""The host's rules in characters that tensorflow-text's operations read in the same way.

FastWordpieceTokenizeWithOffsets itself splits text at white space, punctuation and Chinese
characters, by a newer Unicode than the ``tokenizers`` library. Where the two disagree about a
character, it is replaced in the text and in the vocabulary by a stand-in that is to the operation
what the character is to the library. Stand-ins are private-use characters: the rules delete them
from every text, so they are free.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.rules import (
    LETTER,
    SINGLE,
    SPACE,
    ask_kinds,
    host_kinds,
    normal_forms,
)
from bert_keras.tokenization.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK

# A special token in a text becomes, byte for byte, its stand-in, filling and an end, so that
# offsets stay: where its first and its last byte stand is what offsets are made of.
SPECIAL_STAND_INS = {token: chr(0xE000 + n) for n, token in enumerate(SPECIAL_TOKENS)}
FILLING, END = "\x01", "\x02"
_UNSURE = 255  # unlike LETTER, SINGLE and SPACE
_END_STAND_IN, _UNKNOWN_LETTER = "\ue008", "\ue009"

_Form = tuple[tuple[str, int], ...]


@lru_cache(maxsize=1)
def graph_kinds() -> np.ndarray:
    """The kind of each code point to the operation, uint8 [0x110000].

    It asks the ICU library in the binary, and a server's may be newer: what is unassigned here
    may be punctuation there.
    """
    tokenizer = tf_text.FastWordpieceTokenizer([UNK, "a"], unknown_token=UNK)

    def spans(text: str) -> tuple[np.ndarray, np.ndarray]:
        _, starts, ends = tokenizer.tokenize_with_offsets(tf.constant([text]))
        return starts.values.numpy(), ends.values.numpy()

    kinds = ask_kinds(spans, lambda character: len(character.encode("utf-8")))
    kinds[[c for c in range(0x20000) if unicodedata.category(chr(c)) == "Cn"]] = _UNSURE
    return kinds


class Alphabet:
    """The characters in which a vocabulary and texts meet.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalized.
        is_normal: Whether texts are in normal form already.

    Attributes:
        forms: What becomes of the code points that do not stay as they are.
        pieces: The word pieces in these characters. One that no text can match keeps its id under
            a name that is never found.
        widths: The characters of each piece, int32 [V].
        begins: Whether each piece begins a word, bool [V].
    """

    def __init__(self, vocab: Sequence[str], casing: Casing, *, is_normal: bool = False) -> None:
        self._known = {c for piece in vocab for c in piece.removeprefix(CONTINUATION)}
        self._stand_ins: dict[str, str] = {}
        self._free: Iterator[int] = chain(range(0xE010, 0xF900), range(0xF0000, 0xFFFFE))
        self._graph_kinds, kinds = graph_kinds(), host_kinds()
        normal = normal_forms(casing)
        if is_normal:
            made = set("".join(normal.values()))
            normal = {c: "" for c in normal if chr(c) not in made}  # no text has those
        forms = {c: _characters(form, kinds) for c, form in normal.items()}
        stays = np.ones(0x110000, bool)
        stays[list(forms)] = False
        # What each character can be in a normal form; nearly all can be one thing only.
        self._can_be = {kind: stays & (kinds == kind) for kind in (LETTER, SINGLE, SPACE)}
        for character, kind in set(chain.from_iterable(forms.values())):
            self._can_be[kind][ord(character)] = True
        differs = (kinds != self._graph_kinds) | self._can_be[LETTER] & self._can_be[SINGLE]
        for code in np.flatnonzero(stays & differs).tolist():
            forms[code] = ((chr(code), int(kinds[code])),)
        self.forms = self._spelled(forms)
        pieces = map(self._piece, vocab)
        self.pieces = [f"[{n}]" if piece is None else piece for n, piece in enumerate(pieces)]
        bodies = [piece.removeprefix(CONTINUATION) for piece in self.pieces]
        self.widths = np.array([len(body) for body in bodies], np.int32)
        self.begins = np.array([b == p for b, p in zip(bodies, self.pieces, strict=True)])

    def _spelled(self, forms: dict[int, _Form]) -> dict[int, str]:
        spelled = {form: "".join(self._spell(*pair) for pair in form) for form in {*forms.values()}}
        strings = {c: spelled[form] for c, form in forms.items()}
        strings |= {ord(stand_in): f" {stand_in}" for stand_in in SPECIAL_STAND_INS.values()}
        strings[ord(END)] = f"{_END_STAND_IN} "
        return {c: string for c, string in strings.items() if string != chr(c)}

    def _spell(self, character: str, kind: int) -> str:
        if kind == SPACE:
            return " "
        if kind == LETTER:
            return self._letter(character)
        code = ord(character)
        if self._graph_kinds[code] == SINGLE and not self._can_be[LETTER][code]:
            return character
        return f" {self._letter(character)} "

    def _letter(self, character: str) -> str:
        """A character that is part of a word."""
        if self._graph_kinds[ord(character)] == LETTER:
            return character
        if character not in self._known:
            return _UNKNOWN_LETTER
        if character not in self._stand_ins:
            self._stand_ins[character] = chr(next(self._free))
        return self._stand_ins[character]

    def _piece(self, piece: str) -> str | None:
        """A word piece of the vocabulary in these characters; None where no text can match it."""
        if piece in SPECIAL_STAND_INS:
            return SPECIAL_STAND_INS[piece] + _END_STAND_IN
        body = piece.removeprefix(CONTINUATION)
        if body and all(self._can_be[LETTER][ord(c)] for c in body):
            return piece[: len(piece) - len(body)] + "".join(map(self._letter, body))
        if len(piece) == 1 and self._can_be[SINGLE][ord(piece)]:
            return self._spell(piece, SINGLE).strip(" ")
        return None


def _characters(form: str, kinds: np.ndarray) -> _Form:
    """The characters of a normal form and what each is; one put between spaces is a word."""
    if len(form) == 3 and form[0] == form[2] == " ":
        return ((form[1], SINGLE),)
    return tuple((c, int(kinds[ord(c)])) for c in form)
