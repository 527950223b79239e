import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import DataConfig
from bert_keras.data.gather import gather_examples
from bert_keras.data.plan import ExampleStream
from bert_keras.data.pretraining import PretrainingBatches, pretraining_dataset
from bert_keras.data.sampling import plan_pairs
from bert_keras.errors import InputError
from tests.data.corpora import corpus_of, epoch_of

CONFIG = DataConfig(max_seq_length=32, max_predictions_per_seq=5)
BATCH = 24


MODES = [("whole_word", "nsp"), ("span", "none"), ("token", "sop")]


def batches(corpus, count, start_step=0, seed=3, batch_size=BATCH, config=CONFIG, **arguments):
    dataset = pretraining_dataset(corpus, config, batch_size, seed, start_step, **arguments)
    return listed(dataset.take(count))


def listed(dataset):
    return list(dataset.as_numpy_iterator())


def plan(corpus, seed, epoch):
    return plan_pairs(
        epoch_of(corpus, CONFIG.max_seq_length - 3, CONFIG.short_seq_prob, seed, epoch)
    )


@pytest.fixture(scope="module")
def steps_per_epoch(varied_corpus) -> int:
    return len(plan(varied_corpus, 3, 0)) // BATCH


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value.tobytes() == other[name].tobytes(), name


def test_batches_have_the_contract_s_names_types_and_static_shapes(varied_corpus):
    dataset = pretraining_dataset(varied_corpus, CONFIG, BATCH, seed=3)
    assert dataset.element_spec == {
        "input_ids": tf.TensorSpec([BATCH, 32], tf.int32),
        "token_type_ids": tf.TensorSpec([BATCH, 32], tf.int32),
        "attention_mask": tf.TensorSpec([BATCH, 32], tf.int32),
        "masked_lm_positions": tf.TensorSpec([BATCH, 5], tf.int32),
        "masked_lm_ids": tf.TensorSpec([BATCH, 5], tf.int32),
        "masked_lm_weights": tf.TensorSpec([BATCH, 5], tf.float32),
        "next_sentence_labels": tf.TensorSpec([BATCH], tf.int32),
    }
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY


def test_the_labels_restore_the_planned_texts_of_two_epochs_in_order(
    varied_corpus, steps_per_epoch
):
    count = 2 * steps_per_epoch
    rows = [gather_examples(plan(varied_corpus, 3, epoch), varied_corpus, 32) for epoch in (0, 1)]
    planned = np.concatenate([examples.input_ids for examples in rows])
    labels = np.concatenate([examples.next_sentence_labels for examples in rows])
    for step, batch in enumerate(batches(varied_corpus, count)):
        restored = batch["input_ids"].copy()
        row, slot = np.nonzero(batch["masked_lm_weights"])
        restored[row, batch["masked_lm_positions"][row, slot]] = batch["masked_lm_ids"][row, slot]
        here = slice(step * BATCH, (step + 1) * BATCH)
        np.testing.assert_array_equal(restored, planned[here])
        np.testing.assert_array_equal(batch["next_sentence_labels"], labels[here])


def test_a_step_is_the_same_reached_by_iterating_or_by_starting_there(
    varied_corpus, steps_per_epoch
):
    count = 2 * steps_per_epoch + 3
    whole = batches(varied_corpus, count)
    for start in (1, steps_per_epoch, steps_per_epoch + 1, 2 * steps_per_epoch):
        assert_same(batches(varied_corpus, count - start, start), whole[start:])


def test_a_batch_larger_than_an_epoch_spans_several():
    corpus = corpus_of([[10] * 5, [10] * 5])
    whole = batches(corpus, 4, batch_size=64)
    assert_same(batches(corpus, 1, start_step=3, batch_size=64), whole[3:])


@pytest.mark.parametrize("threads", [1, 7])
def test_parallelism_changes_nothing(varied_corpus, threads):
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    dataset = pretraining_dataset(varied_corpus, CONFIG, BATCH, 3).with_options(options)
    threaded = [
        {name: value.numpy() for name, value in batch.items()} for batch in dataset.take(40)
    ]
    assert_same(threaded, batches(varied_corpus, 40))


def test_two_passes_over_one_dataset_are_equal(varied_corpus):
    dataset = pretraining_dataset(varied_corpus, CONFIG, BATCH, 3).take(5)
    for one, other in zip(dataset, dataset, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_the_rows_of_all_hosts_are_the_global_batch(varied_corpus, steps_per_epoch):
    start, count = steps_per_epoch - 1, 3
    whole = batches(varied_corpus, count, start)
    hosts = [
        batches(varied_corpus, count, start, host_index=host, host_count=3) for host in range(3)
    ]
    joined = [
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in zip(*hosts, strict=True)
    ]
    assert_same(joined, whole)


@pytest.mark.system
@pytest.mark.parametrize(("masking", "next_sentence"), MODES)
def test_every_mode_gives_the_same_batches_from_any_step_on_any_number_of_hosts(
    varied_corpus, masking, next_sentence
):
    config = dataclasses.replace(CONFIG, masking=masking, next_sentence=next_sentence)
    whole = batches(varied_corpus, 6, config=config)
    assert_same(batches(varied_corpus, 2, 4, config=config), whole[4:])
    hosts = [batches(varied_corpus, 6, config=config, host_index=h, host_count=2) for h in (0, 1)]
    joined = [
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for parts in zip(*hosts, strict=True)
    ]
    assert_same(joined, whole)
    dataset = pretraining_dataset(varied_corpus, CONFIG, BATCH, seed=3)
    missing = {"next_sentence_labels"} if next_sentence == "none" else set()
    assert whole[0].keys() == dataset.element_spec.keys() - missing


@pytest.mark.parametrize("masking", ["whole_word", pytest.param("span", marks=pytest.mark.system)])
def test_words_are_masked_whole_by_the_vocabulary_or_by_what_the_corpus_knows(
    varied_corpus, masking
):
    config = dataclasses.replace(CONFIG, masking=masking, next_sentence="none")
    starts = np.random.default_rng(0).random(len(varied_corpus.tokens)) < 0.5
    for by_token, corpus in (
        (np.arange(5, len(starts) + 5) % 3 != 0, varied_corpus),
        (starts, dataclasses.replace(varied_corpus, word_starts=starts)),
    ):
        word = np.cumsum(by_token)
        for batch in batches(corpus, 5, config=config):
            rows, slots = np.nonzero(batch["masked_lm_weights"])
            text = batch["input_ids"].copy()
            positions = batch["masked_lm_positions"][rows, slots]
            text[rows, positions] = batch["masked_lm_ids"][rows, slots]
            is_masked = np.zeros(text.shape, bool)
            is_masked[rows, positions] = True
            # Every token has an id of its own, so that its word is known.
            one_word = (text[:, 1:] >= 5) & (text[:, :-1] >= 5)
            one_word &= word[text[:, 1:] - 5] == word[text[:, :-1] - 5]
            assert one_word.any()
            assert (is_masked[:, 1:] == is_masked[:, :-1])[one_word].all()


def test_resumed_epoch_offsets_give_the_same_batches_without_planning_the_past(
    varied_corpus, steps_per_epoch, monkeypatch
):
    start = 3 * steps_per_epoch
    first = PretrainingBatches(varied_corpus, CONFIG, BATCH, seed=3)
    whole = listed(first.from_step(0).take(start + 2))
    known = first.stream.offsets_before(start * BATCH)
    assert known[:2] == [0, len(plan(varied_corpus, 3, 0))]

    planned = []

    class Recording(ExampleStream):
        def _plan(self, epoch):
            planned.append(epoch)
            return super()._plan(epoch)

    monkeypatch.setattr("bert_keras.data.pretraining.ExampleStream", Recording)
    resumed = PretrainingBatches(varied_corpus, CONFIG, BATCH, seed=3)
    resumed.stream.resume(known)
    assert_same(listed(resumed.from_step(start).take(2)), whole[start:])
    assert min(planned) >= 2


def test_epochs_of_other_data_are_refused(varied_corpus):
    resumed = PretrainingBatches(varied_corpus, CONFIG, BATCH, seed=3)
    resumed.stream.resume([0, 1, 100_000])
    with pytest.raises(InputError, match="saved epoch offsets"):
        resumed.from_step(0)


def test_another_epoch_gives_other_pairs_and_other_masks(varied_corpus):
    examples = len(plan(varied_corpus, 3, 0))
    first, second = batches(varied_corpus, 2, batch_size=examples)
    rows = [set(map(bytes, batch["input_ids"])) for batch in (first, second)]
    assert not rows[0] & rows[1]
    same = (first["masked_lm_positions"] == second["masked_lm_positions"]).mean()
    assert same < 0.3


def test_another_seed_gives_other_batches(varied_corpus):
    one, other = batches(varied_corpus, 1, seed=3), batches(varied_corpus, 1, seed=4)
    assert (one[0]["input_ids"] != other[0]["input_ids"]).mean() > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive multiple"),
        ({"host_count": 5}, "received batch_size 24 and host_count 5"),
        ({"host_index": 2, "host_count": 2}, "received 2 of 2"),
        ({"seed": -1}, "seed must lie"),
        ({"start_step": -1}, "start_step must not be negative; received -1"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(varied_corpus, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        batches(varied_corpus, 1, **arguments)
    assert "\n" not in str(caught.value)


def test_an_empty_corpus_is_refused_at_once(varied_corpus):
    corpus = type(varied_corpus)(
        tokens=np.zeros(0, np.uint16),
        sentence_offsets=np.zeros(1, np.int64),
        documents=np.zeros((0, 2), np.int64),
        tokenizer=varied_corpus.tokenizer,
    )
    with pytest.raises(InputError, match="no documents"):
        pretraining_dataset(corpus, CONFIG, BATCH, seed=0)
