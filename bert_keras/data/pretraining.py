"""The batches of pre-training, sampled from the corpus as they are needed."""

import functools

import numpy as np
import tensorflow as tf

from bert_keras.config import DataConfig
from bert_keras.data.coverage import plan_epoch
from bert_keras.data.gather import (
    Examples,
    PretrainingCorpus,
    gather_examples,
    gather_word_starts,
)
from bert_keras.data.masking import Masking, TokenMasking
from bert_keras.data.plan import ExampleStream
from bert_keras.data.word_masking import SpanMasking, WholeWordMasking
from bert_keras.errors import InputError
from bert_keras.tokenization import Tokenizer

_MASKINGS: dict[str, type[Masking]] = {
    "token": TokenMasking,
    "whole_word": WholeWordMasking,
    "span": SpanMasking,
}


def pretraining_dataset(
    corpus: PretrainingCorpus,
    config: DataConfig,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    host_index: int = 0,
    host_count: int = 1,
) -> tf.data.Dataset:
    """The endless batches of a run, beginning with that of ``start_step``.

    The batch of step k is examples k * batch_size to (k+1) * batch_size of the epochs' plans one
    after another. It follows from the corpus, the config, ``batch_size``, ``seed`` and k alone:
    however it is reached, on however many threads.

    Args:
        corpus: What to train on.
        config: How to sample.
        batch_size: B, of all hosts together.
        seed: From 0 to 2**63 - 1.
        start_step: The step of the first batch.
        host_index: Which rows of the global batch to give: those of this host, from 0.
        host_count: How many hosts share the global batch; divides ``batch_size``.

    Returns:
        A dataset of ``{input_ids, token_type_ids, attention_mask}`` int32 [B, L],
        ``{masked_lm_positions, masked_lm_ids}`` int32 [B, P], ``masked_lm_weights`` float32
        [B, P] and, unless ``config.next_sentence`` is ``"none"``, ``next_sentence_labels`` int32
        [B], with static shapes; B is this host's share.

    Raises:
        InputError: When the corpus is empty or the arguments are impossible.

    Example:
        >>> corpus = Corpus.open("corpus")
        >>> data = DataConfig(max_seq_length=32, max_predictions_per_seq=5)
        >>> batches = pretraining_dataset(corpus, data, batch_size=8, seed=0)
        >>> next(iter(batches))["input_ids"].shape
        TensorShape([8, 32])
    """
    batches = PretrainingBatches(corpus, config, batch_size, seed, (host_index, host_count))
    return batches.from_step(start_step)


class PretrainingBatches:
    """The batches of ``pretraining_dataset`` from any step on, which share one plan.

    Args:
        corpus: What to train on.
        config: How to sample.
        batch_size: B, of all hosts together.
        seed: From 0 to 2**63 - 1.
        host: Which host this is, from 0, and how many share the global batch.

    Attributes:
        stream: The examples that the batches are cut from; it knows where epochs begin.

    Raises:
        InputError: When the arguments are impossible.
    """

    def __init__(
        self,
        corpus: PretrainingCorpus,
        config: DataConfig,
        batch_size: int,
        seed: int,
        host: tuple[int, int] = (0, 1),
    ) -> None:
        _check(batch_size, seed, *host)
        self.corpus, self.config = corpus, config
        self.batch_size, self.seed = batch_size, seed
        self.share = batch_size // host[1]
        self._first_row = host[0] * self.share
        self._masking = make_masking(corpus.tokenizer, config)
        self.stream = ExampleStream(functools.partial(plan_epoch, corpus, config, seed))

    def from_step(self, step: int) -> tf.data.Dataset:
        """The batches of ``step``, from 0, and of all steps after it.

        Raises:
            InputError: When the step is negative, the corpus is empty, or the epoch offsets that
                the stream resumed belong to other data.
        """
        if step < 0:
            raise InputError(f"start_step must not be negative; received {step}")
        # Plans the first epoch here, where an unusable corpus raises a plain InputError.
        self.stream.rows(step * self.batch_size, step * self.batch_size + 1)
        steps = tf.data.Dataset.counter(step)
        dataset = steps.map(self._batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return dataset.prefetch(tf.data.AUTOTUNE).with_options(_options())

    def _batch(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The rows of a step's batch that are this host's, in the graph."""
        shapes = self._shapes()
        dtypes = [tf.bool if name == "word_starts" else tf.int32 for name in shapes]
        arrays = tf.numpy_function(self._gather, [step], dtypes, stateful=False)
        examples = dict(zip(shapes, arrays, strict=True))
        for name, shape in shapes.items():
            examples[name].set_shape(shape)
        # Drawn for the global batch: the masks do not depend on how many hosts share it.
        draws = tf.nest.map_structure(
            lambda values: values[self._first_row : self._first_row + self.share],
            self._masking.draw(self.batch_size, self.seed, step),
        )
        word_starts = examples.pop("word_starts", None)
        if self.config.next_sentence == "none":
            del examples["next_sentence_labels"]
        return examples | self._masking(
            examples["input_ids"], examples["attention_mask"], draws, word_starts
        )

    def _shapes(self) -> dict[str, list[int]]:
        """The shapes of what ``_gather`` returns, by name and in its order."""
        per_token = [self.share, self.config.max_seq_length]
        shapes = dict.fromkeys(Examples._fields, per_token)
        shapes["next_sentence_labels"] = [self.share]
        return shapes | ({"word_starts": per_token} if self._masks_words else {})

    @property
    def _masks_words(self) -> bool:
        return self.config.masking != "token"

    def _gather(self, step: np.int64) -> tuple[np.ndarray, ...]:
        start = int(step) * self.batch_size + self._first_row
        rows = self.stream.rows(start, start + self.share)
        examples = gather_examples(rows, self.corpus, self.config.max_seq_length)
        if self._masks_words:
            return *examples, gather_word_starts(rows, self.corpus, examples.input_ids)
        return examples


def _check(batch_size: int, seed: int, host_index: int, host_count: int) -> None:
    if batch_size < 1 or host_count < 1 or batch_size % host_count:
        raise InputError(
            f"batch_size must be a positive multiple of host_count; received batch_size "
            f"{batch_size} and host_count {host_count}"
        )
    if not 0 <= host_index < host_count:
        raise InputError(
            f"host_index must lie in [0, host_count); received {host_index} of {host_count}"
        )
    if not 0 <= seed < 2**63:
        raise InputError(f"seed must lie in [0, 2**63); received {seed}")


def make_masking(tokenizer: Tokenizer, config: DataConfig) -> Masking:
    """The masking that ``config`` names, for the ids of a tokenizer."""
    return _MASKINGS[config.masking](
        max_seq_length=config.max_seq_length,
        max_predictions_per_seq=config.max_predictions_per_seq,
        masking_rate=config.masking_rate,
        vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.template.special_ids,
        mask_id=tokenizer.mask_id,
    )


def _options() -> tf.data.Options:
    """The options of a data set whose rows are this host's own: no strategy shards them again."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
