"""Sentence embeddings: one vector a text, as sentence-transformers makes them.

Reimers and Gurevych 2019, "Sentence-BERT", section 3: the tokens' outputs pooled.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.encoder import BertEncoder
from bert_keras.modeling.model import Batch, BertModel

POOLINGS = ("mean", "cls", "max")


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForSentenceEmbedding(BertModel):
    """An encoder whose outputs are pooled to one vector; returns ``sentence_embedding`` [B, H].

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only.
        pooling: ``"mean"`` over the real tokens, ``"cls"`` for the first token, ``"max"`` over
            the real tokens.
        normalize: Whether vectors are scaled to length 1, so that their product is the cosine.
        max_length: The most tokens that ``embed`` reads of a text; ``None`` for what positions and
            tokenizer allow.
        with_pooler: Whether the encoder keeps its pooler, which the vectors do not need.
        **kwargs: Arguments of ``keras.Model``.

    Raises:
        InputError: When the pooling is unknown.
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int = 0,
        packed: bool = False,
        pooling: str = "mean",
        normalize: bool = True,
        max_length: int | None = None,
        with_pooler: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        if pooling not in POOLINGS:
            raise InputError(f"pooling must be one of {', '.join(POOLINGS)}. Received: {pooling!r}")
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = max_length
        self.encoder = BertEncoder(
            config, seed, packed, with_pooler, dtype=self.dtype_policy, name="encoder"
        )
        self.build()

    @property
    def default_length(self) -> int:
        """``max_length``, as far as there are positions; else as of every model."""
        if self.max_length is None:
            return super().default_length
        return min(self.max_length, self.config.max_position_embeddings)

    def call(self, inputs: Batch, training: bool = False) -> Batch:
        """Pools the encoder's output; float32 under any dtype policy."""
        tokens, layout = self.encoder.encode(inputs, training)
        sequences = tf.cast(layout.to_sequences(tokens), tf.float32)
        if self.pooling == "cls":
            vectors = sequences[:, 0]
        else:
            # TFLite has expand_dims for any shape, but not indexing with None.
            is_real = tf.expand_dims(tf.cast(layout.attention_mask, tf.float32), -1)
            if self.pooling == "mean":
                count = tf.maximum(tf.reduce_sum(is_real, axis=1), 1e-9)
                vectors = tf.reduce_sum(sequences * is_real, axis=1) / count
            else:
                vectors = tf.reduce_max(sequences - 1e9 * (1 - is_real), axis=1)
        if self.normalize:
            vectors = tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24)
        return {"sentence_embedding": vectors}

    def embed(self, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """The vectors of texts.

        Args:
            texts: Any number of texts; what is longer than ``max_length`` is cut.
            batch_size: How many are computed at once; those of like length go together.

        Returns:
            float32 [number of texts, H], in the order of the texts.

        Raises:
            InputError: When the model has no tokenizer.
        """
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise InputError("the model has no tokenizer: its directory lacks vocab.txt")
        most = self.default_length
        rows = [tokenizer.encode(text, max_length=most).input_ids for text in texts]
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        vectors = np.zeros((len(rows), self.config.hidden_size), np.float32)
        for start in range(0, len(order), batch_size):
            numbers = order[start : start + batch_size]
            longest = len(rows[numbers[-1]])
            ids = np.full((len(numbers), longest), tokenizer.pad_id, np.int32)
            mask = np.zeros_like(ids)
            for row, number in enumerate(numbers):
                ids[row, : len(rows[number])] = rows[number]
                mask[row, : len(rows[number])] = 1
            batch = {"input_ids": ids, "attention_mask": mask}
            vectors[numbers] = self(batch, training=False)["sentence_embedding"].numpy()
        return vectors

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "pooling": self.pooling,
            "normalize": self.normalize,
            "max_length": self.max_length,
            "with_pooler": self.encoder.pooler is not None,
        }
