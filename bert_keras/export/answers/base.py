"""The answers of a model as graphs, from ids and from text: what all kinds have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import tensorflow as tf

from bert_keras.config.export import SavedModelConfig
from bert_keras.export.outputs import Output
from bert_keras.export.registry import Registry
from bert_keras.export.sequences import Tensors, at_least_one_column, within_limit
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import Tokenizer

if TYPE_CHECKING:  # it needs tensorflow-text, which an export of ids does not
    from bert_keras.tokenization.graph import GraphTokenizer

Arrays = dict[str, np.ndarray]
Texts = Sequence[Sequence[str]]  # for each input of text, those of all examples
served: Registry[type["Answers"]] = Registry("as a SavedModel")


class Answers(ABC):
    """The answers of one kind of model.

    Every output has a row for each row of the input, so that a server may batch the requests of
    several clients and split the answers.

    Args:
        model: The model that is traced.
        tokenizer: The host's tokenizer.
        graph_tokenizer: The same in the graph; None where the export takes ids alone.
        config: The settings of the export.

    Attributes:
        needs_offsets: Whether the answers to texts are places in them.
        outputs: The answers to texts.
        outputs_from_ids: The answers to sequences, where they differ from those to texts.
    """

    needs_offsets: ClassVar[bool] = False
    outputs: tuple[Output, ...]
    outputs_from_ids: tuple[Output, ...] = ()

    def __init__(
        self,
        model: BertModel,
        tokenizer: Tokenizer,
        graph_tokenizer: "GraphTokenizer | None",
        config: SavedModelConfig,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.graph_tokenizer: Any = graph_tokenizer  # what reads text asks it unchecked
        self.config = config

    @classmethod
    def text_inputs(cls, config: SavedModelConfig) -> tuple[str, ...]:
        """The names of the texts: ``text``, or ``text_a`` and ``text_b``."""
        return ("text_a", "text_b") if config.pair else ("text",)

    @classmethod
    def truncation(cls, model: BertModel) -> str:
        """The truncation of long texts: ``"head"``, ``"tail"`` or ``"head_tail"``."""
        return "head"

    def from_ids(self, batch: Tensors) -> Tensors:
        """The answers to sequences; here the model's own outputs, float32.

        Args:
            batch: ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [B, L], as
                ``checked_ids`` lets them through.
        """
        outputs = self.model(batch, training=False)
        return {name: tf.cast(value, tf.float32) for name, value in outputs.items()}

    def from_texts(self, *texts: tf.Tensor) -> Tensors:
        """The answers to texts, string [B] each."""
        batch = self.encode(*texts)
        return self.from_ids(within_limit(batch, self.config.max_request_tokens))

    def encode(self, *texts: tf.Tensor) -> Tensors:
        """The sequences of texts, padded to the batch's longest."""
        return at_least_one_column(self.graph_tokenizer.encode(*texts))

    def columns(self, texts: Sequence[str]) -> list[list[str]]:
        """Sample texts as the inputs of such a model; a pair is a text and the next one."""
        width = len(self.text_inputs(self.config))
        return [[*texts[number:], *texts[:number]] for number in range(width)]

    def request(self, texts: Texts) -> Arrays:
        """Texts, a list for each of ``text_inputs``, as a server is sent them."""
        names = self.text_inputs(self.config)
        columns = (np.array([text.encode() for text in column], object) for column in texts)
        return dict(zip(names, columns, strict=True))

    @property
    def length(self) -> int:
        """The most tokens of a sequence, special ones included."""
        assert self.config.max_length is not None
        return self.config.max_length

    @property
    def room(self) -> int:
        """The most tokens of a single text in a sequence."""
        return self.length - self.tokenizer.template.overhead(1)

    def windows(self) -> tuple[int, int] | None:
        """The stride and the most windows of a long text; None where it is cut."""
        return None

    def comparison_length(self) -> int:
        """The tokens of the longest text that is compared: more than a sequence or two have."""
        return (self.length + self.length // 2) * (2 if self.windows() else 1)

    def most_read(self) -> int:
        """The most tokens of a text that are read, special ones included."""
        stride, most = self.windows() or (0, 1)
        return self.length + (most - 1) * stride

    def row_tokens(self) -> int:
        """The most tokens, padding included, that a row of a request becomes."""
        _, most = self.windows() or (0, 1)
        return self.length * most

    def most_row_tokens(self) -> int:
        """The most tokens of a row of a request, be it of text or of ids."""
        return self.length if self.config.input == "tokens" else self.row_tokens()

    def own_settings(self) -> dict[str, Any]:
        """The settings of this kind of model alone, for the report."""
        return {}

    def host_batch(self, texts: Texts) -> Arrays:
        """The texts as the host's tokenizer reads them, in one batch."""
        encodings = self.tokenizer.encode_batch(
            list(texts[0]),
            list(texts[1]) if len(texts) > 1 else None,
            self.config.max_length,
            self.truncation(self.model),
        )
        features = [Feature(0, e.input_ids, e.token_type_ids) for e in encodings]
        return collate(features, self.tokenizer.pad_id)

    @abstractmethod
    def expected(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of Keras to texts, in the form of ``from_texts``.

        Args:
            model: The model that is exported, with its tokenizer.
            texts: A list for each of ``text_inputs``.
        """

    def expected_from_ids(self, model: BertModel, texts: Texts) -> Arrays:
        """The answers of Keras to the ids of texts that fit, in the form of ``from_ids``."""
        return self.expected(model, texts)

    def is_other(self, name: str, given: Arrays, expected: Arrays, tolerance: float) -> np.ndarray:
        """Tell where an output of words or whole numbers differs from Keras's, bool of its shape.

        Args:
            name: The output.
            given: All outputs of the export, the words as ``str``.
            expected: Those of Keras, in the same shapes.
            tolerance: The allowed difference of numbers; relative for those above 1.
        """
        other: np.ndarray = given[name] != expected[name]
        return other


def repeated(names: Sequence[str], batch: tf.Tensor) -> tf.Tensor:
    """Names, repeated for each row of a batch, string [B, names]."""
    return tf.broadcast_to(tf.constant(list(names)), [tf.shape(batch)[0], len(names)])
