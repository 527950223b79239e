"""What the tasks have in common that give a text, or a pair of texts, one answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TextExample, read_text_examples
from bert_keras.tasks.running import Outputs
from bert_keras.tasks.task import Task
from bert_keras.tokenization import BertTokenizer


@dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A task whose examples are texts or pairs: [CLS] text [SEP] pair [SEP].

    Longer ones are cut, the longer of the two first (Devlin et al. 2018, figure 4 a and b).

    Attributes:
        text_column: The column of the text, where its name is none of the known ones.
        text_pair_column: The same for the second text.
        label_column: The same for the label.
    """

    text_column: str = ""
    text_pair_column: str = ""
    label_column: str = ""

    model_class: ClassVar[type] = BertForSequenceClassification
    problem_type = ""

    def model_arguments(self) -> dict[str, Any]:
        """Labels and problem type."""
        return super().model_arguments() | {"problem_type": self.problem_type}

    def from_text(self, text: str, text_pair: str | None = None) -> TextExample:
        """The example of a text or pair."""
        return TextExample(text=text, text_pair=text_pair, label=None, where="the text")

    def read(self, source: str) -> list[TextExample]:
        """The rows of a table or data set; see ``read_text_examples``."""
        return read_text_examples(source, *self._columns())

    def read_texts(self, source: str) -> list[TextExample]:
        """The rows without their labels."""
        return read_text_examples(source, *self._columns(), labelled=False)

    def _columns(self) -> tuple[str, str, str]:
        return self.text_column, self.text_pair_column, self.label_column

    def key(self, example: TextExample) -> str:
        """The text, or both of a pair."""
        return "\t".join([example.text, example.text_pair or ""])

    def features(self, examples: Sequence[TextExample], tokenizer: BertTokenizer) -> list[Feature]:
        """One sequence each."""
        encodings = tokenizer.encode_batch(
            [example.text for example in examples],
            [example.text_pair for example in examples],
            self.max_seq_length,
        )
        has_labels = all(example.label is not None for example in examples)
        return [
            Feature(
                example=number,
                input_ids=encoding.input_ids,
                token_type_ids=encoding.token_type_ids,
                targets={"labels": self.target(example)} if has_labels else {},
            )
            for number, (example, encoding) in enumerate(zip(examples, encodings, strict=True))
        ]

    def texts_of(self, example: TextExample) -> dict[str, str]:
        """The text, or both of a pair."""
        texts = {"text": example.text}
        return texts if example.text_pair is None else texts | {"text_pair": example.text_pair}

    def target(self, example: TextExample) -> Any:
        """What the model is to predict for a labelled example."""
        raise NotImplementedError

    def label_number(self, label: str, where: str) -> int:
        """The number of a label.

        Raises:
            InputError: When the task does not have it.
        """
        if label not in self.labels:
            raise InputError(
                f"{where}: the label {label!r} is none of the model's: {', '.join(self.labels)}"
            )
        return self.labels.index(label)


def logits_of(outputs: Sequence[Outputs]) -> np.ndarray:
    """The logits of all examples, float64 [N, labels]."""
    return np.array([output["logits"] for output in outputs], np.float64)


def label_of(example: TextExample) -> str:
    """The example's label.

    Raises:
        InputError: When it has none.
    """
    if example.label is None:
        raise InputError(f"{example.where} has no label, which training and scoring need")
    return example.label


def in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Different labels in their order: numbers by value, other names by the alphabet."""
    names = set(labels)
    if all(name.removeprefix("-").isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))  # 1 and 01 are two
    return tuple(sorted(names))


def shown(example: TextExample) -> str:
    """The text as one line, a pair as two."""
    parts = [example.text] + ([example.text_pair] if example.text_pair else [])
    return "\n".join(" ".join(part.split()) for part in parts)
