"""The layout of a sequence: special tokens around texts, and what of long texts is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from types import ModuleType
from typing import Any, Self

import numpy as np

from bert_keras.errors import InputError

TRUNCATIONS = ("head", "tail", "head_tail")


@dataclass(frozen=True)
class SequenceTemplate:
    """The special tokens around one text or two: prefix A suffix, prefix A between B suffix.

    Attributes:
        prefix: Ids before the first text. The first of them is the sequence's own token, which
            classifiers read and which stands for "no answer".
        between: Ids between the two texts of a pair.
        suffix: Ids behind the last text.
        second_type: The token type of a pair's second text and of the suffix behind it; that of
            all other tokens is 0.

    Example:
        >>> bert = SequenceTemplate.bert(cls_id=101, sep_id=102)
        >>> bert.build([7, 8], [9])
        ([101, 7, 8, 102, 9, 102], [0, 0, 0, 0, 1, 1])
    """

    prefix: tuple[int, ...]
    between: tuple[int, ...]
    suffix: tuple[int, ...]
    second_type: int = 1

    @classmethod
    def bert(cls, cls_id: int, sep_id: int) -> Self:
        """[CLS] A [SEP] and [CLS] A [SEP] B [SEP] (Devlin et al. 2019, figure 2)."""
        return cls((cls_id,), (sep_id,), (sep_id,))

    @classmethod
    def roberta(cls, bos_id: int, eos_id: int) -> Self:
        """<s> A </s> and <s> A </s></s> B </s>, all of type 0 (Liu et al. 2019)."""
        return cls((bos_id,), (eos_id, eos_id), (eos_id,), second_type=0)

    @property
    def special_ids(self) -> tuple[int, ...]:
        """The ids of its tokens, each once, ascending."""
        return tuple(sorted({*self.prefix, *self.between, *self.suffix}))

    def overhead(self, texts: int) -> int:
        """The number of special tokens around one text or two."""
        return len(self.prefix) + len(self.suffix) + (texts - 1) * len(self.between)

    def room(self, max_length: int, texts: int) -> int:
        """The tokens that one text or two may have together in ``max_length``.

        Raises:
            InputError: When ``max_length`` has no room for the special tokens.
        """
        overhead = self.overhead(texts)
        if not isinstance(max_length, Integral):
            raise InputError(f"max_length must be a number of tokens. Received: {max_length!r}")
        if max_length < overhead:
            raise InputError(
                f"max_length must be at least {overhead}, the special tokens. "
                f"Received: {max_length}"
            )
        return max_length - overhead

    def in_order(self, texts: Sequence[Any], special: Any = None) -> list[Any]:
        """The pieces of a sequence, one after another: special tokens and the texts' own.

        Args:
            texts: The values of the tokens of one text or two: sequences, or tensors.
            special: The value of every special token; None for its id.
        """
        pieces = [self.prefix, texts[0], self.suffix]
        if len(texts) > 1:
            pieces[2:2] = [self.between, texts[1]]
        if special is not None:
            pieces[::2] = [[special] * len(ids) for ids in pieces[::2]]
        return pieces

    def types(self, *lengths: int) -> list[int]:
        """The token types of a sequence, by the number of tokens of its one text or two."""
        if len(lengths) == 1:
            return [0] * (lengths[0] + self.overhead(1))
        second = lengths[1] + len(self.suffix)
        first = sum(lengths) + self.overhead(2) - second
        return [0] * first + [self.second_type] * second

    def build(
        self, first: Sequence[int], second: Sequence[int] | None = None
    ) -> tuple[list[int], list[int]]:
        """The ids and the token types of a text or a pair, with the special tokens."""
        texts = [first] if second is None else [first, second]
        ids = [number for piece in self.in_order(texts) for number in piece]
        return ids, self.types(*map(len, texts))

    def second_start(self, first_length: int) -> int:
        """The place of a pair's second text behind a first one of ``first_length`` tokens."""
        return len(self.prefix) + first_length + len(self.between)

    def inner(self, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a single text's own tokens among those of its sequence."""
        return values[len(self.prefix) : len(values) - len(self.suffix)]


def tokens_from_head(kept: Any, truncation: str) -> Any:
    """The number of kept tokens that are a text's first ones; the others are its last.

    ``"head_tail"`` takes 128 of 510 from the beginning, as in Sun et al. 2019, section 5.3.1, and
    the same share of any other number.

    Args:
        kept: The number of kept tokens: an integer, or an integer tensor.
        truncation: ``"head"``, ``"tail"`` or ``"head_tail"``.

    Raises:
        InputError: When there is no such truncation.
    """
    if truncation == "head":
        return kept
    if truncation == "tail":
        return kept - kept
    if truncation == "head_tail":
        return (kept + 2) // 4
    raise InputError(f"truncation must be head, tail or head_tail. Received: {truncation!r}")


def kept_of(tokens: Sequence[Any], kept: int, truncation: str) -> Sequence[Any]:
    """The tokens of a text that are kept, ``kept`` in number."""
    head = tokens_from_head(kept, truncation)
    if head == kept:
        return tokens[:kept]
    return [*tokens[:head], *tokens[len(tokens) - (kept - head) :]]


def truncated_lengths(lengths: Sequence[Any], room: int, xp: ModuleType = np) -> list[Any]:
    """The number of tokens of each text that stay: the longer is cut first, as by ``tokenizers``.

    When both are cut and the room is odd, the longer text, or the second of two equal ones, has
    one token more.

    Args:
        lengths: The tokens of one text or two: integers, or integer arrays.
        room: The tokens that both may have together.
        xp: The module of the arrays: ``numpy``, or ``tensorflow`` in a graph.
    """
    if len(lengths) == 1:
        return [xp.minimum(lengths[0], room)]
    first, second = lengths
    short = xp.minimum(xp.minimum(first, second), room // 2)
    fits, first_is_short = first + second <= room, first <= second
    return [
        xp.where(fits, first, xp.where(first_is_short, short, room - short)),
        xp.where(fits, second, xp.where(first_is_short, room - short, short)),
    ]
