"""More masked-LM pre-training on the texts of a domain, before the task.

Devlin et al. 2018, section 3.1, on single texts; Gururangan et al. 2020, section 3, for why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from bert_keras.config import MASKINGS, DataConfig
from bert_keras.config.checks import one_of, require
from bert_keras.data.masking import Masking
from bert_keras.data.pretraining import make_masking
from bert_keras.errors import InputError
from bert_keras.modeling import BertForMaskedLM, BertForPreTraining
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
        masking: As in ``DataConfig``; a word is what the tokenizer says.
        masking_rate: Likewise.

    Example:
        >>> task = MaskedLM(max_seq_length=16, masking="whole_word")
        >>> len(task.features(task.read("train.tsv"), tokenizer))
        64
    """

    masking: str = "token"
    masking_rate: float = 0.15

    name = "masked_lm"
    title = "Masked words"
    objective = "mlm"
    model_class = BertForMaskedLM
    best_metric = "mlm_accuracy"
    not_in_recipes = (*Task.not_in_recipes, "group_by_length")

    def __post_init__(self) -> None:
        one_of("data.masking", self.masking, MASKINGS)
        rate = self.masking_rate
        require("data.masking_rate must lie in [0, 1)", 0 <= rate < 1, rate)

    @classmethod
    def is_of(cls, model: Any) -> bool:
        """Tell whether a model has the masked-LM head."""
        return isinstance(model, (BertForMaskedLM, BertForPreTraining))

    def labels_of(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        """None: the words are the labels."""
        return ()

    def features(self, examples: Sequence[TextExample], tokenizer: Tokenizer) -> list[Feature]:
        """Pieces of the texts, each a sequence.

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
        mask = _Mask(self._masking(tokenizer), tokenizer, batch_size, fold_in(seed, "masks"))
        steps = tf.data.Dataset.counter(start_step)
        return tf.data.Dataset.zip(steps, plain).map(mask).prefetch(tf.data.AUTOTUNE)

    def measure(
        self, model: Any, examples: Sequence[Any], features: Sequence[Feature], batch_size: int = 32
    ) -> tuple[dict[str, float], list[Prediction]]:
        """Loss, accuracy and perplexity on masks that are always the same."""
        tokenizer = model.tokenizer_or()
        plain, _ = ordered_batches(features, batch_size, tokenizer.pad_id, self.max_seq_length)
        mask = _Mask(self._masking(tokenizer), tokenizer, batch_size, seed=0)
        batches = plain.enumerate().map(mask)
        measure = model.objective.measure
        means = mean_values([measure(batch, model.forward(batch)) for batch in batches])
        if "mlm_loss" in means:
            means["mlm_perplexity"] = perplexity(means["mlm_loss"])
        return means, []

    def no_answers(self) -> InputError:
        """The command that has them."""
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
    """Masks the batch of a step."""

    def __init__(self, masking: Masking, tokenizer: Tokenizer, batch_size: int, seed: int) -> None:
        self.masking, self.batch_size, self.seed = masking, batch_size, seed
        self.starts = tokenizer.starts_word

    def __call__(self, step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        ids = batch["input_ids"]
        # The last batch of the dev texts may be smaller.
        draws = tf.nest.map_structure(
            lambda values: values[: tf.shape(ids)[0]],
            self.masking.draw(self.batch_size, self.seed, step),
        )
        starts = tf.gather(tf.constant(self.starts), ids)
        return batch | self.masking(ids, batch["attention_mask"], draws, starts)
