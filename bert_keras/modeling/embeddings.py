"""The embedding sum: token + segment + position (Devlin et al. 2018, figure 2)."""

from typing import Any

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.modeling.layers import BertLayer
from bert_keras.modeling.layout import Layout
from bert_keras.modeling.lookup import lookup
from bert_keras.modeling.random import dropout


@keras.saving.register_keras_serializable(package="bert_keras")
class BertEmbeddings(BertLayer):
    """Sums the three embeddings, normalises them and drops some out.

    The sum and its gradient are float32 under any dtype policy: a frequent word's row collects
    hundreds of gradients a step, which bfloat16 would round away.
    """

    def __init__(self, config: BertConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(config, seed, **kwargs)
        self.norm = self.layer_norm()
        self.dropout_site = self.sub_seed("dropout")

    def build(self, *shapes: Any) -> None:
        """Makes the tables [vocab_size, H], [max_position_embeddings, H], [type_vocab_size, H]."""
        sizes = {
            "word_embeddings": self.config.vocab_size,
            "position_embeddings": self.config.max_position_embeddings,
            "token_type_embeddings": self.config.type_vocab_size,
        }
        for name, rows in sizes.items():
            table = self.add_weight(
                name=name,
                shape=(rows, self.config.hidden_size),
                initializer=self.initializer(name),
                autocast=False,
            )
            setattr(self, name, table)
        super().build()

    def call(
        self,
        input_ids: tf.Tensor,
        token_type_ids: tf.Tensor,
        layout: Layout,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Embeds a batch.

        Args:
            input_ids: int32 [B, L].
            token_type_ids: int32 [B, L], 0 in sentence A, 1 in sentence B.
            layout: Where the tokens stand.
            dropout_seed: int64 [2], (step, replica), in training.

        Returns:
            [T, H] in the compute dtype.
        """
        layout = Layout(*layout)  # Keras makes a list of it when it loads a functional model
        positions = tf.zeros_like(input_ids) + tf.range(tf.shape(input_ids)[1])
        summed = (
            lookup(self.word_embeddings, layout.to_tokens(input_ids))
            + lookup(self.position_embeddings, layout.to_tokens(positions))
            + lookup(self.token_type_embeddings, layout.to_tokens(token_type_ids))
        )
        return dropout(
            self.norm(summed), self.config.hidden_dropout_prob, dropout_seed, self.dropout_site
        )
