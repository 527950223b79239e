from dataclasses import replace

import numpy as np
import pytest

from bert_keras import BertTokenizer
from bert_keras.errors import InputError
from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.batches import (
    check_token_types,
    collate,
    ordered_batches,
    training_batches,
)
from bert_keras.tasks.feature import Feature
from tests.support.models import TINY, VOCAB


def make_features(count, seed=0):
    lengths = np.random.default_rng(seed).integers(3, 40, count)
    return [
        Feature(
            example=number,
            input_ids=[number + 10] * length,
            token_type_ids=[0] * length,
            targets={"labels": number},
        )
        for number, length in enumerate(lengths)
    ]


def labels_of(batches, steps):
    return [batch["labels"] for batch in batches.take(steps).as_numpy_iterator()]


def test_an_epoch_takes_every_feature_once():
    features = make_features(96)
    taken = np.concatenate(labels_of(training_batches(features, 8), 24))
    assert sorted(taken[:96]) == list(range(96))
    assert sorted(taken[96:]) == list(range(96))
    assert list(taken[:96]) != list(taken[96:])


def test_epochs_that_end_within_a_batch_are_whole_all_the_same():
    features = make_features(30)
    taken = np.concatenate(labels_of(training_batches(features, 8), 15))
    assert np.bincount(taken).tolist() == [4] * 30


@pytest.mark.parametrize("start", [1, 7, 40, 123])
@pytest.mark.parametrize("group", [False, True])
def test_any_step_is_reached_directly(start, group):
    features, settings = make_features(100), {"seed": 3, "group_by_length": group}
    all_steps = labels_of(training_batches(features, 8, **settings), start + 3)
    direct = labels_of(training_batches(features, 8, start_step=start, **settings), 3)
    np.testing.assert_array_equal(all_steps[start:], direct)


def test_the_seed_decides_the_order():
    features = make_features(100)
    first, again, other = (labels_of(training_batches(features, 8, seed=s), 3) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_of_like_lengths_pad_little():
    features = make_features(1024)
    real = padded = 0
    for batch in training_batches(features, 8, group_by_length=True).take(128).as_numpy_iterator():
        real += batch["attention_mask"].sum()
        padded += batch["attention_mask"].size
    assert real / padded > 0.8
    shuffled = collate([features[n] for n in np.random.default_rng(0).permutation(1024)[:8]])
    assert shuffled["attention_mask"].mean() < 0.75  # what it would be else


def test_fewer_features_than_a_batch_are_repeated():
    labels = labels_of(training_batches(make_features(3), 8), 1)[0]
    assert set(labels) == {0, 1, 2}
    assert len(labels) == 8


def test_a_given_length_makes_static_shapes():
    dataset = training_batches(make_features(20), 4, length=48)
    assert dataset.element_spec["input_ids"].shape == (4, 48)
    assert next(iter(dataset))["input_ids"].shape == (4, 48)


def test_ordered_batches_give_every_feature_once_with_its_number():
    features = make_features(21)
    batches, order = ordered_batches(features, 8)
    labels = np.concatenate([batch["labels"] for batch in batches])
    np.testing.assert_array_equal(labels, order)
    assert sorted(order) == list(range(21))


def test_padding_is_masked_and_labels_of_tokens_are_ignored_there():
    features = [
        Feature(0, [2, 5, 3], [0, 0, 0], {"score": 0.5}, {"labels": [-100, 1, -100]}),
        Feature(
            1, [2, 5, 6, 7, 3], [0, 0, 0, 1, 1], {"score": 1.5}, {"labels": [-100, 1, 2, 0, 0]}
        ),
    ]
    batch = collate(features, pad_id=9)
    assert batch["input_ids"].tolist() == [[2, 5, 3, 9, 9], [2, 5, 6, 7, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert batch["token_type_ids"].tolist() == [[0] * 5, [0, 0, 0, 1, 1]]
    assert batch["labels"].tolist()[0] == [-100, 1, -100, IGNORED_LABEL, IGNORED_LABEL]
    assert batch["score"].dtype == np.float32


def test_pairs_are_refused_where_the_model_has_no_embedding_for_their_second_text():
    tokenizer, one_type = BertTokenizer(VOCAB), replace(TINY, type_vocab_size=1)
    single = make_features(1)
    pair = [Feature(example=0, input_ids=[2, 3, 5, 3], token_type_ids=[0, 0, 1, 1], targets={})]
    check_token_types(single, tokenizer, one_type)
    check_token_types(pair, tokenizer, TINY)
    with pytest.raises(InputError, match="a pair type 1, but the model has 1 token types"):
        check_token_types([*single, *pair], tokenizer, one_type)
