"""The host's rules said in characters that tensorflow-text's operations read alike.

FastWordpieceTokenizeWithOffsets splits text at white space, punctuation and Chinese characters by
itself, by a newer Unicode than the ``tokenizers`` library. Where the two disagree about a
character, the text's and the vocabulary's are both replaced by a stand-in that the operation
takes for what the character is to the library. Stand-ins are private-use characters: the rules
delete them from every text, so they are free.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.graph.rules import Kind, ask_kinds, host_kinds, normal_forms
from bert_keras.tokenization.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK

# In a text, these stand for special tokens; one that was in the text becomes the next after them.
SPECIAL_STAND_INS = {token: chr(0xE000 + n) for n, token in enumerate(SPECIAL_TOKENS)}
DELETED = chr(0xE000 + len(SPECIAL_TOKENS))
_UNKNOWN_LETTER = chr(0xE000 + len(SPECIAL_TOKENS) + 1)


@lru_cache(maxsize=1)
def graph_kinds() -> np.ndarray:
    """What the operation takes each code point for: ``Kind``, uint8 [0x110000]."""
    tokenizer = tf_text.FastWordpieceTokenizer([UNK, "a"], unknown_token=UNK)

    def spans(text: str) -> tuple[np.ndarray, np.ndarray]:
        _, starts, ends = tokenizer.tokenize_with_offsets(tf.constant([text]))
        return starts.values.numpy(), ends.values.numpy()

    return ask_kinds(spans, lambda character: len(character.encode("utf-8")))


class Alphabet:
    """The characters in which a vocabulary and texts meet.

    Args:
        vocab: The word pieces, by id.
        casing: How letters are normalised.

    Attributes:
        forms: What becomes of the code points that do not stay as they are.
    """

    def __init__(self, vocab: Sequence[str], casing: Casing) -> None:
        self._known = {c for piece in vocab for c in piece.removeprefix(CONTINUATION)}
        self._stand_ins: dict[str, str] = {}
        self._free: Iterator[int] = chain(range(0xE010, 0xF900), range(0xF0000, 0xFFFFE))
        self._graph_kinds, kinds = graph_kinds(), host_kinds()
        forms = {c: _characters(form, kinds) for c, form in normal_forms(casing).items()}
        as_letter, as_single = np.zeros((2, 0x110000), bool)
        as_letter[kinds == Kind.LETTER] = True
        as_single[kinds == Kind.SINGLE] = True
        changed = np.fromiter(forms, np.int64, len(forms))
        as_letter[changed] = as_single[changed] = False
        for character, kind in set(chain.from_iterable(forms.values())):
            {Kind.LETTER: as_letter, Kind.SINGLE: as_single}.get(kind, as_letter)[
                ord(character)
            ] = kind != Kind.SPACE
        self._as_letter, self._as_single = as_letter, as_single
        differing = (kinds != self._graph_kinds) | (as_letter & as_single)
        for c in np.flatnonzero(differing).tolist():
            if c not in forms and not 0xD800 <= c < 0xE000:
                forms[c] = ((chr(c), Kind(kinds[c])),)
        self.forms = self._spelled(forms)
        self.forms |= {ord(c): f" {c} " for c in SPECIAL_STAND_INS.values()}

    def _spelled(self, forms: dict[int, tuple[tuple[str, Kind], ...]]) -> dict[int, str]:
        spelled = {form: "".join(map(self._character, form)) for form in set(forms.values())}
        strings = {c: spelled[form] for c, form in forms.items()}
        return {c: string for c, string in strings.items() if string != chr(c)}

    def _character(self, character_and_kind: tuple[str, Kind]) -> str:
        character, kind = character_and_kind
        if kind == Kind.SPACE:
            return " "
        return self._letter(character) if kind == Kind.LETTER else self._single(character)

    def _single(self, character: str) -> str:
        """A character that is a word of its own."""
        code = ord(character)
        if self._graph_kinds[code] == Kind.SINGLE and not self._as_letter[code]:
            return character
        return f" {self._letter(character)} "

    def _letter(self, character: str) -> str:
        """A character that is part of a word."""
        if self._graph_kinds[ord(character)] == Kind.LETTER:
            return character
        if character not in self._known:
            return _UNKNOWN_LETTER
        if character not in self._stand_ins:
            self._stand_ins[character] = chr(next(self._free))
        return self._stand_ins[character]

    def piece(self, piece: str) -> str | None:
        """A word piece of the vocabulary in these characters; None where no text can match it."""
        if piece in SPECIAL_STAND_INS:
            return SPECIAL_STAND_INS[piece]
        body = piece.removeprefix(CONTINUATION)
        codes = [ord(c) for c in body]
        if not body or any(0xD800 <= code < 0xE000 for code in codes):
            return None
        if all(self._as_letter[code] for code in codes):
            return piece[: len(piece) - len(body)] + "".join(map(self._letter, body))
        if len(piece) == 1 and self._as_single[codes[0]]:
            return self._single(piece).strip(" ")
        return None


def _characters(form: str, kinds: np.ndarray) -> tuple[tuple[str, Kind], ...]:
    """The characters of a normal form and what each is; one put between spaces is a word."""
    if len(form) == 3 and form[0] == form[2] == " ":
        return ((form[1], Kind.SINGLE),)
    return tuple((c, Kind(kinds[ord(c)])) for c in form)
