"""The encoder: embeddings, Transformer layers, pooler (Devlin et al. 2018, section 3)."""

from collections.abc import Collection
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.embeddings import BertEmbeddings
from bert_keras.modeling.heads import Pooler
from bert_keras.modeling.layout import Layout, packed_layout, padded_layout
from bert_keras.modeling.lookup import lookup
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.modeling.transformer import TransformerLayer
from bert_keras.objectives import Batch

COLLECTED = ("hidden_states", "attentions")


class Encoded(NamedTuple):
    """What an encoder hands to the heads.

    Attributes:
        tokens: [T, H], of the last layer.
        layout: Where they stand.
        collected: What ``collect`` names, each a tuple of tensors.
    """

    tokens: tf.Tensor
    layout: Layout
    collected: dict[str, tuple[tf.Tensor, ...]]


@keras.saving.register_keras_serializable(package="bert_keras")
class BertEncoder(BertModel):
    """The bidirectional encoder without a head.

    Called with the batch's dictionary: ``input_ids`` int32 [B, L], and where they are given
    ``attention_mask`` (default: all real) and ``token_type_ids`` (default: all sentence A), both
    int32 [B, L]. Other keys are passed over.

    ``collect`` names what is handed out beside: ``"hidden_states"``, a tuple of the embeddings' and
    every layer's output [B, L, H], and ``"attentions"``, a tuple of every layer's weights
    [B, N, L, L] before dropout.

    Returns a dictionary of ``sequence_output`` [B, L, H] and ``pooled_output`` [B, H] in the
    compute dtype. In a packed model all that stands at padding is 0. With
    ``with_pooler=False`` there is no pooler and no ``pooled_output``.

    Args:
        with_pooler: Whether there is a pooler.

    Example:
        >>> encoder = BertEncoder(config)
        >>> outputs = encoder(batch, collect=("hidden_states",))
        >>> outputs["sequence_output"].shape, len(outputs["hidden_states"])
        (TensorShape([4, 32, 16]), 2)
    """

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        packed: bool = False,
        with_pooler: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        self.embeddings = self.sublayer(BertEmbeddings, "embeddings")
        self.transformer_layers = [
            self.sublayer(TransformerLayer, f"layer_{index}")
            for index in range(config.num_hidden_layers)
        ]
        self.pooler: Any = self.sublayer(Pooler, "pooler") if with_pooler else None
        for layer in (self.embeddings, *self.transformer_layers):
            layer.build()
        if self.pooler is not None:
            self.pooler.build()
        self.dropout_seeds = DropoutSeeds(name="dropout_seeds")
        self.dropout_seeds.build()
        self.build()

    def call(
        self,
        inputs: Batch,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        collect: Collection[str] = (),
    ) -> dict[str, Any]:
        """Encodes a batch; see the class for its keys."""
        seed = self.dropout_seeds.for_call(training, dropout_seed)
        tokens, layout, collected = self.encode(inputs, seed, collect)
        outputs = {"sequence_output": layout.without_padding(layout.to_sequences(tokens))}
        if self.pooler is not None:
            outputs["pooled_output"] = self.pool(tokens, layout)
        return outputs | collected

    def dropout_counter(self) -> DropoutSeeds:
        """The encoder's own counter of training calls."""
        return self.dropout_seeds

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"with_pooler": self.pooler is not None}

    def encode(
        self,
        inputs: Batch,
        dropout_seed: tf.Tensor | None = None,
        collect: Collection[str] = (),
    ) -> Encoded:
        """What the heads read: tokens [T, H] instead of sequences.

        Args:
            inputs: See the class.
            dropout_seed: int64 [2], (step, replica); ``None`` drops nothing.
            collect: See the class.

        Raises:
            ValueError: When the batch is longer than ``max_position_embeddings``.
            InputError: When something else is to be collected.
        """
        unknown = set(collect) - set(COLLECTED)
        if unknown:
            raise InputError(
                f"collect must be of {', '.join(COLLECTED)}. Received: {', '.join(sorted(unknown))}"
            )
        input_ids = tf.cast(inputs["input_ids"], tf.int32)
        length, most = input_ids.shape[1], self.config.max_position_embeddings
        if length is not None and length > most:
            raise ValueError(
                f"a sequence must not exceed max_position_embeddings ({most}). Received: "
                f"input_ids of shape {tuple(input_ids.shape)}; truncate the text"
            )
        mask = inputs.get("attention_mask")
        mask = tf.ones_like(input_ids) if mask is None else tf.cast(mask, tf.int32)
        types = inputs.get("token_type_ids")
        types = tf.zeros_like(input_ids) if types is None else tf.cast(types, tf.int32)

        layout = packed_layout(mask) if self.packed else padded_layout(mask)
        tokens = self.embeddings(input_ids, types, layout, dropout_seed)
        has_weights = "attentions" in collect
        states, attentions = [tokens], list[tf.Tensor]()
        for layer in self.transformer_layers:
            call = partial(
                layer, layout=layout, dropout_seed=dropout_seed, return_weights=has_weights
            )
            # The masks drawn again are the same: they follow from the seed.
            outputs = (tf.recompute_grad(call) if self.arithmetic.rematerialize else call)(tokens)
            tokens, *weights = outputs if has_weights else (outputs,)
            states.append(tokens)
            attentions += weights
        found = {
            "hidden_states": (layout.without_padding(layout.to_sequences(t)) for t in states),
            "attentions": (layout.without_padding(weights, axis=2) for weights in attentions),
        }
        return Encoded(tokens, layout, {name: tuple(found[name]) for name in collect})

    def pool(self, tokens: tf.Tensor, layout: Layout) -> tf.Tensor:
        """The pooled output [B, H] of the first token of each sequence."""
        first = layout.rows(tf.zeros_like(layout.attention_mask[:, :1]))
        return self.pooler(lookup(tokens, first[:, 0]))


def make_encoders(model: BertModel, *names: str, with_pooler: bool = True) -> list[BertEncoder]:
    """Encoders of a model, made as the model is.

    The variables of a single one have the paths that they have in an encoder by itself
    (``embeddings/word_embeddings``), and its weights follow from the model's own seed. Where there
    are several, their paths begin with the encoder's name (``decoder/embeddings/...``), and each
    has a seed of its own.

    Args:
        model: What they are a part of.
        names: What they are called.
        with_pooler: Whether they have a pooler.
    """
    is_alone = len(names) == 1
    encoders = []
    for name in names:
        with nullcontext() if is_alone else keras.name_scope(name):
            encoders.append(
                BertEncoder(
                    model.config,
                    model.seed if is_alone else model.sub_seed(name),
                    model.packed,
                    with_pooler,
                    arithmetic=model.arithmetic,
                    initialize=model.initialize,
                    dtype=model.dtype_policy,
                    name=name,
                )
            )
    return encoders
