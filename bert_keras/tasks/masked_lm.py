"""Masked words: more pre-training on the texts of a domain before the task, and filling them in.

Devlin et al. 2019, section 3.1, on single texts; Gururangan et al. 2020, section 3, for why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.config import MASKINGS, DataConfig
from bert_keras.config.checks import one_of, require
from bert_keras.data.masking import Masking
from bert_keras.data.pretraining import make_masking
from bert_keras.errors import InputError
from bert_keras.modeling import BertForMaskedLM, BertForPreTraining
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import fold_in
from bert_keras.objectives import mean_values, perplexity
from bert_keras.tasks.batches import ordered_batches, training_batches
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.registry import register
from bert_keras.tasks.task import Prediction, Task
from bert_keras.tasks.texts import TextReader
from bert_keras.tokenization import Tokenizer


@register
@dataclass(frozen=True, kw_only=True)
class MaskedLM(TextReader):
    """The masked words of a text; labels are not needed. Its answers are ``fill_mask``'s.

    A longer text becomes several sequences, so nothing of it is left out; the second text of a
    pair is another text. New masks are drawn at every step of training; the dev texts keep
    theirs.

    Attributes:
        masking: As in ``DataConfig``; the tokenizer says what a word is.
        masking_rate: Likewise.

    Example:
        >>> task = MaskedLM(max_seq_length=16, masking="whole_word", text_column="1")
        >>> len(task.features(task.read("train.tsv"), tokenizer))
        64
    """

    masking: str = "token"
    masking_rate: float = 0.15

    name = "masked_lm"
    title = "Masked words"
    pipeline_tag = "fill-mask"
    objective = "mlm"
    model_class = BertForMaskedLM
    best_metric = "mlm_accuracy"
    not_in_recipes = (*Task.not_in_recipes, "group_by_length")

    def __post_init__(self) -> None:
        one_of("data.masking", self.masking, MASKINGS)
        rate = self.masking_rate
        require("data.masking_rate must lie in [0, 1)", 0 <= rate < 1, rate)

    @classmethod
    def is_of(cls, model: BertModel) -> bool:
        """Tell whether a model has the masked-LM head."""
        return isinstance(model, (BertForMaskedLM, BertForPreTraining))

    def usage(self, is_pair: bool) -> str:
        """The words for a mask."""
        return 'print(bert_keras.fill_mask(model, "A [MASK] text."))'

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """None: the words are the labels."""
        return ()

    def features(self, examples: Sequence[TextExample], tokenizer: Tokenizer) -> list[Feature]:
        """A sequence for each piece of the texts.

        Raises:
            InputError: When there are texts but no token in any of them.
        """
        room = self.max_seq_length - tokenizer.template.overhead(1)
        texts = [
            (number, text)
            for number, example in enumerate(examples)
            for text in (example.text, example.text_pair)
            if text is not None
        ]
        features = []
        rows = tokenizer.encode_sentences([text for _, text in texts])
        for (number, _), ids in zip(texts, rows, strict=True):
            for start in range(0, len(ids), room):
                piece = tokenizer.template.build(ids[start : start + room])
                features.append(Feature(number, *piece))
        if examples and not features:
            raise InputError(
                f"none of the {len(examples)} texts has a token to mask; the first is "
                f"{examples[0].where}"
            )
        return features

    def batches(
        self,
        features: Sequence[Feature],
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int = 0,
        start_step: int = 0,
        length: int | None = None,
    ) -> tf.data.Dataset:
        """The endless batches of training, masked anew."""
        plain = training_batches(
            features, batch_size, tokenizer.pad_id, seed, start_step, self.max_seq_length
        )
        masking, own_seed = self._masking(tokenizer), fold_in(seed, "masks")
        mask = _Mask(masking, tokenizer, batch_size, own_seed, batch_size if length else None)
        steps = tf.data.Dataset.counter(start_step)
        return tf.data.Dataset.zip(steps, plain).map(mask).prefetch(tf.data.AUTOTUNE)

    def measure(
        self,
        model: BertModel,
        examples: Sequence[Any],
        features: Sequence[Feature],
        batch_size: int = 32,
    ) -> tuple[dict[str, float], list[Prediction]]:
        """Loss, accuracy and perplexity on masks that are always the same."""
        tokenizer = model.tokenizer_or()
        plain, _ = ordered_batches(features, batch_size, tokenizer.pad_id, self.max_seq_length)
        mask = tf.function(_Mask(self._masking(tokenizer), tokenizer, batch_size, seed=0))
        batches = (mask(tf.constant(n, tf.int64), batch) for n, batch in enumerate(plain))
        measure = model.objective.measure
        means = mean_values([measure(batch, model.forward(batch, batch_size)) for batch in batches])
        if "mlm_loss" in means:
            means["mlm_perplexity"] = perplexity(means["mlm_loss"])
        return means, []

    def no_answers(self) -> InputError:
        """The error that names the command for masked words."""
        return InputError("a masked-LM model gives no labels: use bert-keras fill-mask")

    def _masking(self, tokenizer: Tokenizer) -> Masking:
        length = self.max_seq_length
        settings = DataConfig(
            max_seq_length=length,
            max_predictions_per_seq=max(1, math.ceil(length * self.masking_rate)),
            masking=self.masking,
            masking_rate=self.masking_rate,
        )
        return make_masking(tokenizer, settings)


class _Mask:
    """The masking of a step's batch.

    Args:
        masking: How to mask.
        tokenizer: Says which tokens begin a word.
        batch_size: The rows that are drawn for.
        seed: Fixes the masks.
        rows: The rows of every batch, for static shapes; by default those that it happens to have,
            as the last batch of the dev texts may be smaller.
    """

    def __init__(
        self,
        masking: Masking,
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int,
        rows: int | None = None,
    ) -> None:
        self.masking, self.batch_size, self.seed, self.rows = masking, batch_size, seed, rows
        self.starts = tokenizer.starts_word

    def __call__(self, step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        ids = batch["input_ids"]
        rows = self.rows or tf.shape(ids)[0]
        draws = tf.nest.map_structure(
            lambda values: values[:rows],
            self.masking.draw(self.batch_size, self.seed, step),
        )
        starts = tf.gather(tf.constant(self.starts), ids)
        return batch | self.masking(ids, batch["attention_mask"], draws, starts)


class Candidate(NamedTuple):
    """A word piece and its probability in [0, 1]."""

    token: str
    score: float


def fill_mask(
    model: BertModel, text: str, top: int = 5, tokenizer: Tokenizer | None = None
) -> list[list[Candidate]]:
    """The likeliest word pieces for each [MASK] in a text.

    Args:
        model: A ``BertForMaskedLM`` or ``BertForPreTraining``.
        text: Text with one [MASK] or more.
        top: How many candidates to give for each.
        tokenizer: By default the one the model was loaded with.

    Returns:
        For each [MASK] in its order, ``top`` candidates, likeliest first.

    Raises:
        InputError: When there is no [MASK], no masked-LM head, or the text is too long.

    Example:
        >>> (candidates,) = fill_mask(load("model"), "a fine [MASK]", top=3)
        >>> candidates[0].score >= candidates[1].score >= candidates[2].score
        True
    """
    tokenizer = model.tokenizer_or(tokenizer)
    if not hasattr(model, "masked_lm_head"):
        raise InputError(f"a {type(model).__name__} has no masked-LM head to fill masks with")
    if top < 1:
        raise InputError(f"top must be at least 1. Received: {top}")
    encoding = tokenizer.encode(text)
    ids, longest = encoding.input_ids, model.config.longest_sequence
    if len(ids) > longest:
        raise InputError(f"the text has {len(ids)} tokens, but the model reads {longest} at most")
    positions = [index for index, piece in enumerate(ids) if piece == tokenizer.mask_id]
    if not positions:
        mask = tokenizer.vocab[tokenizer.mask_id]
        raise InputError(f"the text has no {mask} to fill. Received: {text!r}")
    batch = {
        "input_ids": tf.constant([ids], tf.int32),
        "token_type_ids": tf.constant([encoding.token_type_ids], tf.int32),
        "masked_lm_positions": tf.constant([positions], tf.int32),
    }
    logits = tf.cast(model(batch, training=False)["masked_lm_logits"][0], tf.float32)
    # A model may have rows for more word pieces than its vocabulary names.
    scores = tf.nn.softmax(logits[:, : tokenizer.vocab_size]).numpy()
    if not np.isfinite(scores).all():
        raise InputError("the model's weights are not finite numbers: its training went wrong")
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [
        [Candidate(tokenizer.vocab[piece], float(row[piece])) for piece in pieces]
        for row, pieces in zip(scores, best, strict=True)
    ]
