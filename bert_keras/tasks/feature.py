"""What a model reads of an example."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Feature:
    """One sequence as the model reads it; a long example may give several.

    Attributes:
        example: The number of the example it comes from.
        input_ids: Ids with the special tokens, not padded.
        token_type_ids: The segment of each token.
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

    def has_text(self) -> bool:
        """Whether each of the one or two texts has a token beside the special ones.

        [CLS] and [SEP] stand in the first segment, another [SEP] in the second.
        """
        second = sum(self.token_type_ids)
        return len(self.token_type_ids) - second > 2 and second != 1
