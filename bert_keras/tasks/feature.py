"""The sequences that a model reads of an example."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, pairwise
from typing import Any, Self

from bert_keras.tokenization import Encoding


@dataclass(frozen=True)
class Feature:
    """One sequence as the model reads it, or several together; an example may give several.

    Attributes:
        example: The number of the example it comes from.
        input_ids: Ids with the special tokens, not padded.
        token_type_ids: The segment of each token.
        window_ends: Where the ids hold several sequences that get one answer together, windows of
            a text or choices: the end of each in ``input_ids``. Empty where the ids are one
            sequence.
        lengths: The tokens of each text that is read: of one, of two, or of the pairs of choices.
        tokens: The number of the example's own tokens; 0 where the task cuts nothing off.
        left_out: The number of those that are not read.
        targets: What is to be predicted for the sequence: a number, or a vector of one length.
        token_targets: What is to be predicted for each token; padded with ``IGNORED_LABEL``.
        origin: What the task needs to turn the answer back into text.
    """

    example: int
    input_ids: Sequence[int]
    token_type_ids: Sequence[int]
    targets: dict[str, Any] = field(default_factory=dict)
    token_targets: dict[str, Sequence[int]] = field(default_factory=dict)
    origin: Any = None
    window_ends: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    tokens: int = 0
    left_out: int = 0

    @classmethod
    def of(cls, example: int, encoding: Encoding) -> Self:
        """The sequence of an example that has no other."""
        return cls(
            example,
            encoding.input_ids,
            encoding.token_type_ids,
            lengths=encoding.lengths,
            tokens=sum(encoding.lengths) + encoding.left_out,
            left_out=encoding.left_out,
        )

    @classmethod
    def of_several(
        cls,
        example: int,
        encodings: Sequence[Encoding],
        lengths: tuple[int, ...],
        targets: dict[str, Any],
    ) -> Self:
        """The sequences of an example, one after another, that get one answer or loss together."""
        left_out = sum(encoding.left_out for encoding in encodings)
        return cls(
            example,
            [*chain.from_iterable(encoding.input_ids for encoding in encodings)],
            [*chain.from_iterable(encoding.token_type_ids for encoding in encodings)],
            targets=targets,
            window_ends=tuple(accumulate(len(encoding.input_ids) for encoding in encodings)),
            lengths=lengths,
            tokens=sum(sum(encoding.lengths) for encoding in encodings) + left_out,
            left_out=left_out,
        )

    def windows(self) -> list["Feature"]:
        """The windows or choices, each as a feature of its own; of a single sequence itself."""
        if not self.window_ends:
            return [self]
        return [
            replace(
                self,
                input_ids=self.input_ids[start:end],
                token_type_ids=self.token_type_ids[start:end],
                window_ends=(),
            )
            for start, end in pairwise((0, *self.window_ends))
        ]

    def has_text(self) -> bool:
        """Tell whether each of the texts has a token of its own."""
        return all(self.lengths)
