import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.data.masking import MaskingDraws
from bert_keras.data.word_masking import MAX_SPAN_WORDS, SpanMasking, WholeWordMasking
from tests.support.batches import special_texts

CLS, SEP, MASK, VOCAB = 2, 3, 4, 1000
LENGTH, PREDICTIONS = 64, 10
BOTH = pytest.mark.parametrize("cls", [WholeWordMasking, SpanMasking])


@dataclass
class Texts:
    ids: np.ndarray
    attention: np.ndarray
    starts: np.ndarray

    def tensors(self):
        return tf.constant(self.ids), tf.constant(self.attention), tf.constant(self.starts)


def texts(lengths, length=LENGTH, seed=0, one_piece=0.6):
    """Texts whose words have one to four pieces."""
    ids, attention = special_texts(lengths, length, VOCAB, seed)
    # Where a segment was trimmed at its front, its first piece goes on with a word that is gone.
    return Texts(ids, attention, np.random.default_rng((seed, 1)).random(ids.shape) < one_piece)


SETTINGS = {"max_seq_length": LENGTH, "max_predictions_per_seq": PREDICTIONS, "masking_rate": 0.15}


def masking_of(cls, **changes):
    return cls(vocab_size=VOCAB, special_ids=(CLS, SEP), mask_id=MASK, **(SETTINGS | changes))


def mask(masking, batch, seed=0, step=0):
    ids, attention, starts = batch.tensors()
    draws = masking.draw(len(batch.ids), seed, tf.constant(step, tf.int64))
    masked = masking(ids, attention, draws, starts)
    numbers = MaskingDraws(*(value.numpy() for value in draws))
    return {name: value.numpy() for name, value in masked.items()}, numbers


def chosen(masked, row):
    used = masked["masked_lm_weights"][row] == 1
    return masked["masked_lm_positions"][row][used].tolist()


def words_of_original(batch, row):
    """The words as the original counts them: what goes on belongs to the last word, if any."""
    words = []
    for position, id_ in enumerate(batch.ids[row]):
        if not batch.attention[row, position] or id_ in (CLS, SEP):
            continue
        if words and not batch.starts[row, position]:
            words[-1].append(position)
        else:
            words.append([position])
    return words


def segments(batch, row):
    """The words of each stretch of text between special tokens."""
    found, before = [], False
    for position, id_ in enumerate(batch.ids[row]):
        is_text = bool(batch.attention[row, position]) and id_ not in (CLS, SEP)
        if is_text and not before:
            found.append([])
        if is_text and (batch.starts[row, position] or not before):
            found[-1].append([])
        if is_text:
            found[-1][-1].append(position)
        before = is_text
    return found


def fit_words(words, budget):
    """The original's choice: one word after another, those that would overflow skipped."""
    taken = []
    for word in words:
        if len(taken) + len(word) <= budget:
            taken += word
    return sorted(taken)


def fit_spans(text, budget, tries):
    """Span after span; ``tries`` yields a word's first position and a number of words."""
    masked = set()
    for start, length in tries:
        left = budget - len(masked)
        if start in masked or not left:
            continue
        (segment,) = (words for words in text if words[0][0] <= start <= words[-1][-1])
        number = [word[0] for word in segment].index(start)
        for word in segment[number : number + length]:
            if word[-1] + 1 - start > left:
                break
            masked |= set(word)
    return sorted(masked)


def word_starts(text):
    return [word[0] for segment in text for word in segment]


def count(batch, row, rate=0.15, predictions=PREDICTIONS):
    return min(predictions, max(1, round(batch.attention[row].sum() * rate)))


@pytest.fixture(scope="module")
def batch():
    return texts(np.random.default_rng(1).integers(5, LENGTH + 1, 400))


def test_whole_words_are_those_the_original_takes_in_the_order_of_the_keys(batch):
    masked, draws = mask(masking_of(WholeWordMasking), batch)
    for row in range(len(batch.ids)):
        words = words_of_original(batch, row)
        # The words of a row have the first keys, one each.
        order = np.argsort(-draws.keys[row, : len(words)], kind="stable")
        expected = fit_words([words[k] for k in order], count(batch, row))
        assert chosen(masked, row) == expected


@pytest.mark.parametrize(("rate", "predictions"), [(0.15, 10), (0.5, 30), (1.0, 64), (0.15, 1)])
def test_whole_words_fill_the_count_as_by_the_original_at_every_rate(rate, predictions):
    batch = texts(np.arange(5, LENGTH + 1), one_piece=0.3, seed=3)
    masking = masking_of(WholeWordMasking, masking_rate=rate, max_predictions_per_seq=predictions)
    masked, draws = mask(masking, batch)
    for row in range(len(batch.ids)):
        words = words_of_original(batch, row)
        order = np.argsort(-draws.keys[row, : len(words)], kind="stable")
        budget = count(batch, row, rate, predictions)
        assert chosen(masked, row) == fit_words([words[k] for k in order], budget)


def test_spans_are_those_found_one_after_another_from_the_same_draws(batch):
    masked, draws = mask(masking_of(SpanMasking), batch)
    ends = np.cumsum([0.8**k for k in range(MAX_SPAN_WORDS)])
    for row in range(len(batch.ids)):
        text = segments(batch, row)
        order = sorted(word_starts(text), key=lambda start: -draws.keys[row, start])
        lengths = 1 + np.searchsorted(ends / ends[-1], draws.lengths[row] / (2**31 - 1))
        tries = zip(order, lengths.tolist(), strict=False)  # P of them at most
        assert chosen(masked, row) == fit_spans(text, count(batch, row), tries)


@BOTH
def test_the_count_is_never_exceeded_and_nearly_always_reached(cls, batch):
    masked, _ = mask(masking_of(cls), batch)
    counts = np.array([count(batch, row) for row in range(len(batch.ids))])
    left = counts - masked["masked_lm_weights"].sum(1)
    assert left.min() >= 0
    assert (left[counts > 4] > 0).mean() < 0.05


@BOTH
def test_the_labels_restore_the_text_and_unused_slots_hold_zeros(cls, batch):
    masked, _ = mask(masking_of(cls), batch)
    restored = masked["input_ids"].copy()
    rows, slots = np.nonzero(masked["masked_lm_weights"])
    positions = masked["masked_lm_positions"][rows, slots]
    restored[rows, positions] = masked["masked_lm_ids"][rows, slots]
    np.testing.assert_array_equal(restored, batch.ids)
    assert batch.ids[rows, positions].min() >= 5
    unused = masked["masked_lm_weights"] == 0
    assert unused.any()
    assert not masked["masked_lm_positions"][unused].any()
    assert not masked["masked_lm_ids"][unused].any()
    assert (np.diff(masked["masked_lm_weights"], axis=1) <= 0).all()


def z_scores(ours, theirs):
    """Welch's statistic of every column of two [rows, statistics]."""
    ours, theirs = np.array(ours, float), np.array(theirs, float)
    error = np.sqrt(ours.var(0) / len(ours) + theirs.var(0) / len(theirs))
    usable = (error > 0) & (ours.sum(0) + theirs.sum(0) > 30)
    return ((ours.mean(0) - theirs.mean(0))[usable] / error[usable]).tolist()


def statistics(taken):
    """Which positions, and how many runs of which lengths."""
    positions = np.zeros(LENGTH)
    positions[taken] = 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], positions, [0]])))
    runs = np.bincount(np.minimum(edges[1::2] - edges[::2], 9), minlength=10)
    return [*positions, *runs, len(taken)]


@BOTH
def test_choices_are_distributed_as_by_a_sequential_algorithm_with_other_random_numbers(cls):
    one = texts([60], seed=5)
    batch = Texts(*(np.repeat(array, 6000, axis=0) for array in vars(one).values()))
    masked, _ = mask(masking_of(cls), batch)
    ours = [statistics(chosen(masked, row)) for row in range(6000)]

    rng = random.Random(0)
    words, text = words_of_original(one, 0), segments(one, 0)
    weights = [0.2 * 0.8 ** (k - 1) for k in range(1, MAX_SPAN_WORDS + 1)]
    theirs = []
    for _ in range(6000):
        if cls is WholeWordMasking:
            taken = fit_words(rng.sample(words, len(words)), 9)
        else:
            order = rng.sample(word_starts(text), PREDICTIONS)
            taken = fit_spans(text, 9, [(k, rng.choices(range(1, 11), weights)[0]) for k in order])
        theirs.append(statistics(taken))
    z = z_scores(ours, theirs)
    assert len(z) > 50
    assert max(map(abs, z)) < 4.5
    assert math.sqrt(sum(value**2 for value in z) / len(z)) < 1.4


def test_span_lengths_are_geometric_and_3_8_words_in_the_mean():
    number = 20_000
    batch = texts([LENGTH] * number, one_piece=1.0)
    masking = masking_of(SpanMasking, masking_rate=1.0)
    draws = masking.draw(number, 0, tf.constant(0, tf.int64))
    # The first span begins at 5; all others only far behind, after [SEP].
    keys = np.broadcast_to(np.where(np.arange(LENGTH) < 32, 0, 5), (number, LENGTH)).copy()
    keys[:, 5] = 9
    ids, attention, starts = batch.tensors()
    masked = masking(ids, attention, draws._replace(keys=tf.constant(keys, tf.int32)), starts)
    is_masked = np.zeros((number, LENGTH), bool)
    np.put_along_axis(is_masked, masked["masked_lm_positions"].numpy(), True, axis=1)
    lengths = is_masked[:, 5:32].sum(1)
    assert abs(lengths.mean() - 3.8) < 0.1  # as the paper says
    weights = np.array([0.2 * 0.8**k for k in range(MAX_SPAN_WORDS)])
    expected = number * weights / weights.sum()
    seen = np.bincount(lengths, minlength=MAX_SPAN_WORDS + 1)[1:]
    assert ((seen - expected) ** 2 / expected).sum() < 9 + 4 * math.sqrt(18)


def test_each_piece_of_a_whole_word_has_an_action_of_its_own():
    batch = texts([60] * 4000, one_piece=0.3)
    masked, _ = mask(masking_of(WholeWordMasking), batch)
    rows, slots = np.nonzero(masked["masked_lm_weights"])
    positions = masked["masked_lm_positions"][rows, slots]
    seen = masked["input_ids"][rows, positions]
    is_mask = seen == MASK
    is_kept = seen == masked["masked_lm_ids"][rows, slots]
    for share, expected in ((is_mask.mean(), 0.8), (is_kept.mean(), 0.1)):
        error = math.sqrt(expected * (1 - expected) / len(rows))
        assert abs(share - expected) < 4 * error + 0.001
    # Two pieces in a row are both [MASK] in 64 %.
    together = (np.diff(rows) == 0) & (np.diff(positions) == 1)
    both = (is_mask[:-1] & is_mask[1:])[together]
    assert abs(both.mean() - 0.64) < 4 * math.sqrt(0.64 * 0.36 / len(both)) + 0.001


def test_a_span_is_masked_kept_or_replaced_as_a_whole_80_10_10():
    batch = texts([60] * 6000)
    masked, _ = mask(masking_of(SpanMasking), batch)
    actions = []
    for row in range(len(batch.ids)):
        taken = np.array(chosen(masked, row))
        for span in np.split(taken, np.flatnonzero(np.diff(taken) > 1) + 1):
            seen, original = masked["input_ids"][row, span], batch.ids[row, span]
            if (seen == MASK).all():
                actions.append("mask")
            elif (seen == original).all():
                actions.append("keep")
            else:
                assert (seen == MASK).sum() <= 1  # a random word too, once in a thousand
                actions.append("random")
    for action, expected in (("mask", 0.8), ("keep", 0.1), ("random", 0.1)):
        share = actions.count(action) / len(actions)
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(actions))


def test_a_word_that_no_room_is_left_for_leaves_a_text_unmasked():
    batch = texts([20])
    batch.starts[:] = False  # Each segment is one word.
    for cls in (WholeWordMasking, SpanMasking):
        masked, _ = mask(masking_of(cls), batch)
        np.testing.assert_array_equal(masked["input_ids"], batch.ids)


@pytest.mark.system
@BOTH
def test_it_compiles_under_xla_with_static_shapes_to_the_same_numbers(cls):
    batch = texts([5, 30, 60, 64])
    masking = masking_of(cls)
    ids, attention, starts = batch.tensors()
    compiled = tf.function(
        lambda step: masking(ids, attention, masking.draw(4, 1, step), starts), jit_compile=True
    )
    expected, _ = mask(masking, batch, seed=1, step=9)
    for name, value in compiled(tf.constant(9, tf.int64)).items():
        np.testing.assert_array_equal(value.numpy(), expected[name])
