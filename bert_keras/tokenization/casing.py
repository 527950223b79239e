"""What the tokenizer does to letters before it looks words up: part of every model and corpus."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tokenizers import normalizers

from bert_keras.errors import InputError


@dataclass(frozen=True)
class Casing:
    """How text is normalised; the names are those of ``tokenizer_config.json``.

    Attributes:
        do_lower_case: Whether words are lower-cased (an "uncased" model).
        strip_accents: Whether accents are taken off; None does so exactly when lower-casing.
        tokenize_chinese_chars: Whether every CJK character is a word of its own.

    Raises:
        InputError: When a value is neither true nor false (nor None, for ``strip_accents``).
    """

    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            if not (isinstance(value, bool) or (value is None and name == "strip_accents")):
                raise InputError(f"{name} must be true or false. Received: {value!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A casing from the keys of a ``tokenizer_config.json``; other keys are passed over."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})

    def to_dict(self) -> dict[str, bool | None]:
        """The fields as a dictionary, in the order they are declared."""
        return dataclasses.asdict(self)

    @property
    def drops_marks(self) -> bool:
        """Whether combining marks are dropped."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    def normalizer(self) -> normalizers.Normalizer:
        """The normaliser of the ``tokenizers`` library that does this."""
        return normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.tokenize_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.do_lower_case,
        )
