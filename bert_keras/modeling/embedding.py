"""Sentence embeddings: a vector for each text, as in sentence-transformers.

The tokens' outputs are pooled, and texts that mean the same are trained to have vectors that are
close: Reimers and Gurevych 2019, "Sentence-BERT", section 3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.config.checks import at_least, one_of, require
from bert_keras.config.model import require_whole_number
from bert_keras.errors import InputError, one_text, several_texts
from bert_keras.modeling.headed import make_encoders
from bert_keras.modeling.heads import DENSE_ACTIVATIONS, PROJECTION, Projection, dimensions_of
from bert_keras.modeling.inputs import as_batch, first_and_others, has_several, one_text_a_row
from bert_keras.modeling.random import seed_of_part
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import Batch, InBatchNegatives, SupervisedObjective

POOLINGS = ("mean", "cls", "max")
SETTINGS_FILE = "config_sentence_transformers.json"  # among ``other_files``
# In sentence-transformers every model has these; by default they are empty.
_EMPTY_PROMPTS = {"query": "", "document": ""}


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForSentenceEmbedding(SupervisedModel):
    """An encoder whose outputs are pooled to one vector; returns ``sentence_embedding`` [B, D].

    D is ``width``: ``dense_units`` where it has a dense layer, else ``hidden_size``.

    To train it, give it several texts for each example: ``input_ids``, ``attention_mask`` and
    ``token_type_ids`` [B, T, L] have ``sentence_embedding`` [B, T, D]. By its own objective the
    first is an anchor, the second its positive, and any others are hard negatives; see
    ``InBatchNegatives``. A text that an example lacks is padding alone. Set ``objective`` before
    ``compile`` to train on another, whose labels come in the batch.

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only.
        pooling: ``"mean"`` over the real tokens, ``"cls"`` for the first token, ``"max"`` over
            the real tokens.
        normalize: Whether vectors are scaled to length 1, so that their product is the cosine.
        max_length: The most tokens that ``embed`` reads of a text; ``None`` for all that positions
            and tokenizer allow.
        with_pooler: Whether the encoder keeps its pooler, which the vectors do not need.
        prompts: Texts that ``embed`` can put before every text, by name: ``{"query": "query: "}``.
        default_prompt_name: The prompt that it uses by default.
        include_prompt: Whether the prompt's tokens are pooled too.
        do_lower_case: Whether text is lower-cased first, though the tokenizer is cased.
        dense_units: The outputs of a dense layer on the pooled vector, before it is normalized:
            ``Dense`` of sentence-transformers; ``None`` for no such layer.
        dense_activation: That layer's, one of ``"tanh"``, ``"linear"``, ``"relu"``, ``"sigmoid"``.
        dense_bias: Whether that layer has a bias.
        truncate_dim: How many dimensions of a vector ``embed``, measures and exports keep, the
            first ones, not normalized again, as in sentence-transformers; ``None`` for all.
            Training and calls of the model have all.
        **kwargs: Arguments of ``keras.Model``.

    Raises:
        InputError: When the pooling or the activation is unknown, a number is not at least 1, or
            the default prompt is not among the prompts.

    Example:
        >>> model = load("model", BertForSentenceEmbedding, pooling="cls")
        >>> model.embed(["a fine film", "no fun"]).shape
        (2, 16)
        >>> model.compile()
        >>> pairs = {"input_ids": np.array([[[2, 7, 3], [2, 8, 3]], [[2, 9, 3], [2, 10, 3]]])}
        >>> history = model.fit(pairs, verbose=0)
    """

    takes_pairs = False

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        packed: bool = False,
        pooling: str = "mean",
        normalize: bool = True,
        max_length: int | None = None,
        with_pooler: bool = False,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        include_prompt: bool = True,
        do_lower_case: bool = False,
        dense_units: int | None = None,
        dense_activation: str = "tanh",
        dense_bias: bool = True,
        truncate_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        one_of("pooling", pooling, POOLINGS)
        one_of("dense_activation", dense_activation, DENSE_ACTIVATIONS)
        require_whole_number("dense_units", 1 if dense_units is None else dense_units, 1)
        require_whole_number("truncate_dim", 1 if truncate_dim is None else truncate_dim, 1)
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = max_length
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name
        self.include_prompt = include_prompt
        self.do_lower_case = do_lower_case
        self.dense_units = dense_units
        self.dense_activation = dense_activation
        self.dense_bias = dense_bias
        self.truncate_dim = truncate_dim
        self.prompt()  # checks the default
        (self.encoder,) = make_encoders(self, "encoder", with_pooler=with_pooler)
        self.projection = None
        if dense_units is not None:
            dense = {"units": dense_units, "activation": dense_activation, "use_bias": dense_bias}
            self.projection = self.sublayer(Projection, PROJECTION, **dense)
            self.projection.build()
        self.build()

    @property
    def width(self) -> int:
        """The dimensions of the vectors that the model computes and is trained on."""
        return dimensions_of(self.config.hidden_size, self.dense_units)

    @property
    def dimensions(self) -> int:
        """The dimensions of the vectors that ``embed`` gives: ``truncate_dim``, else ``width``."""
        return dimensions_of(self.config.hidden_size, self.dense_units, self.truncate_dim)

    def truncated(self, vectors: Any) -> Any:
        """The vectors [B, width], an array or a tensor, cut to ``dimensions``."""
        return vectors if self.dimensions == self.width else vectors[..., : self.dimensions]

    @property
    def default_length(self) -> int:
        """``max_length``, at most ``max_position_embeddings``; without it as for every model."""
        if self.max_length is None:
            return super().default_length
        return min(self.max_length, self.config.longest_sequence)

    def prompt(self, name: str | None = None) -> str:
        """The prompt of a name, by default that of ``default_prompt_name``; else empty.

        Raises:
            InputError: When there is no prompt of that name.
        """
        name = self.default_prompt_name if name is None else name
        known = _EMPTY_PROMPTS | self.prompts
        if name is not None and name not in known:
            raise InputError(
                f"the model has no prompt {name!r}; its prompts are {', '.join(known)}"
            )
        return "" if name is None else known[name]

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The pooled output of the encoder; float32 under any dtype policy.

        Where the batch has a ``pooling_mask``, of the ids' shape, the tokens with a 1 alone are
        pooled. A packed model computes first texts apart from the others, which may be longer.
        """
        inputs = as_batch(inputs, self.config)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        if not has_several(inputs):
            return {"sentence_embedding": self._pooled(inputs, seed)}
        found = []
        for number, part in enumerate(first_and_others(inputs) if self.packed else [inputs]):
            rows, shape = one_text_a_row(part)
            vectors = self._pooled(rows, seed_of_part(seed, number))
            found.append(tf.reshape(vectors, [*shape, self.width]))
        return {"sentence_embedding": tf.concat(found, axis=1)}

    def supervised_objective(self) -> SupervisedObjective:
        """The choice of an anchor's positive among all of the batch."""
        return InBatchNegatives()

    def _pooled(self, inputs: Batch, seed: tf.Tensor | None) -> tf.Tensor:
        """The vectors of sequences [B, L], float32 [B, D]."""
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        sequences = tf.cast(layout.to_sequences(tokens), tf.float32)
        mask = inputs.get("pooling_mask")
        if self.pooling == "cls" and mask is None:
            vectors = sequences[:, 0]
        elif self.pooling == "cls":
            vectors = tf.gather(sequences, tf.argmax(mask, axis=1), batch_dims=1)
        else:
            # TFLite has expand_dims for any shape, but no indexing with None.
            mask = layout.attention_mask if mask is None else mask
            is_real = tf.expand_dims(tf.cast(mask, tf.float32), -1)
            if self.pooling == "mean":
                count = tf.maximum(tf.reduce_sum(is_real, axis=1), 1e-9)
                vectors = tf.reduce_sum(sequences * is_real, axis=1) / count
            else:
                vectors = tf.reduce_max(sequences - 1e9 * (1 - is_real), axis=1)
        if self.projection is not None:
            vectors = tf.cast(self.projection(vectors), tf.float32)
        if self.normalize:
            vectors = tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24)
        return vectors

    def embed(
        self,
        texts: str | Sequence[str],
        batch_size: int = 32,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
    ) -> np.ndarray:
        """The vectors of texts.

        Args:
            texts: One text or any number; longer ones are cut to ``max_length``.
            batch_size: How many are computed at once; texts of like length go together.
            prompt_name: The one of ``prompts`` to put before each; ``None`` for the default.
            prompt: The prompt itself; ``""`` for none.
            dimensions: How many of each vector, the first ones, not normalized again; ``None`` for
                the model's ``dimensions``.

        Returns:
            float32 [number of texts, dimensions], in their order; of one text [dimensions].

        Raises:
            InputError: When the model has no tokenizer, no such prompt or not as many dimensions,
                both kinds of prompt are given, or a row is not one text.
        """
        if isinstance(texts, str):
            kinds = {"prompt_name": prompt_name, "prompt": prompt}
            return self.embed([texts], batch_size, **kinds, dimensions=dimensions)[0]
        texts = several_texts("texts", texts)
        at_least("batch_size", batch_size, 1)
        dimensions = self.checked_dimensions(dimensions)
        one_text("prompt", prompt or "")
        one_text("prompt_name", prompt_name or "")
        tokenizer = self.tokenizer_or()
        if prompt is not None and prompt_name is not None:
            raise InputError("give a prompt or a prompt_name, not both")
        prompt = self.prompt(prompt_name) if prompt is None else prompt
        most = self.default_length
        rows = [tokenizer.encode(prompt + text, max_length=most).input_ids for text in texts]
        unpooled = self.unpooled_tokens(prompt)
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        vectors = np.zeros((len(rows), dimensions), np.float32)
        for start in range(0, len(order), batch_size):
            numbers = order[start : start + batch_size]
            texts_ids = [rows[number] for number in numbers]
            ids = keras.utils.pad_sequences(texts_ids, padding="post", value=tokenizer.pad_id)
            places = np.arange(ids.shape[1])
            mask = (places < [[len(row)] for row in texts_ids]).astype(np.int32)
            batch = {"input_ids": ids, "attention_mask": mask}
            if unpooled:
                batch["pooling_mask"] = mask * (places >= unpooled).astype(np.int32)
            found = self(batch, training=False)["sentence_embedding"].numpy()
            vectors[numbers] = found[:, :dimensions]
        return vectors

    def checked_dimensions(self, dimensions: int | None) -> int:
        """The dimensions, by default the model's; ``InputError`` where vectors have fewer."""
        if dimensions is None:
            return self.dimensions
        rule = f"dimensions must be from 1 to {self.width}, which the model's vectors have"
        require(rule, type(dimensions) is int and 1 <= dimensions <= self.width, dimensions)
        return dimensions

    def unpooled_tokens(self, prompt: str) -> int:
        """The number of tokens that are not pooled: [CLS] and the prompt's, or none."""
        if self.include_prompt or not prompt:
            return 0
        assert self.tokenizer is not None
        ids = self.tokenizer.encode(prompt, max_length=self.default_length).input_ids
        return len(ids) - len(self.tokenizer.template.suffix)

    def load_assets(self, directory: str | None) -> None:
        """Read the assets of a ``.keras`` file, whose tokenizer is without ``do_lower_case``."""
        super().load_assets(directory)
        if self.do_lower_case and self.tokenizer is not None:
            self.tokenizer = self.tokenizer.lowercased()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "pooling": self.pooling,
            "normalize": self.normalize,
            "max_length": self.max_length,
            "with_pooler": self.encoder.pooler is not None,
            "prompts": dict(self.prompts),
            "default_prompt_name": self.default_prompt_name,
            "include_prompt": self.include_prompt,
            "do_lower_case": self.do_lower_case,
            "dense_units": self.dense_units,
            "dense_activation": self.dense_activation,
            "dense_bias": self.dense_bias,
            "truncate_dim": self.truncate_dim,
        }
