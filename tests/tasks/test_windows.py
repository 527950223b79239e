import random
from itertools import product

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tasks.windows import best_windows, cut_windows, window_counts, window_ranges

STRIDES = (1, 3, 9, 97, 128, 383)
DRAW = random.Random(0)
# Lengths, sizes and strides. Where the last window is 100 or 200 tokens shorter, the rounding of
# 0.01 * length decides between two that are equal in whole numbers.
CASES = [
    *product(range(30), (1, 2, 5, 8), STRIDES[:3]),
    *((DRAW.randrange(1500), DRAW.randrange(1, 512), DRAW.choice(STRIDES)) for _ in range(60)),
    *((384 + 2 * stride - lost, 384, stride) for stride in STRIDES[3:] for lost in (100, 200)),
]


def by_the_original(length, size, stride):
    """``_check_is_max_context`` of run_squad.py over all windows, in numpy."""
    best, score = np.zeros(length, np.int64), np.full(length, -1.0)
    for number, (start, end) in enumerate(cut_windows(length, size, stride)):
        places = np.arange(end - start)
        here = np.minimum(places, places[::-1]) + 0.01 * (end - start)
        better = here > score[start:end]
        best[start:end][better] = number
        score[start:end][better] = here[better]
    return best


def test_windows_are_as_the_original_loop_cuts_them():
    for length in range(40):
        for size in range(1, 12):
            for stride in range(1, 15):
                expected, start = [], 0
                while True:
                    end = min(start + size, length)
                    expected.append((start, end))
                    if end == length:
                        break
                    start += min(size, stride)
                assert cut_windows(length, size, stride) == expected


def test_every_token_is_best_where_it_has_most_on_either_side():
    best = best_windows(np.arange(12), 12, 6, 4)
    assert best.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    for case in CASES:
        length, size, stride = case
        best = best_windows(np.arange(length), length, size, stride)
        assert best.tolist() == by_the_original(length, size, stride).tolist(), case


def test_tensors_have_the_windows_of_arrays():
    lengths, sizes, strides = np.array(CASES, np.int32).T
    for stride in STRIDES:
        some = strides == stride
        length, size = lengths[some][:, None], sizes[some][:, None]
        places = np.arange(length.max() + 1, dtype=np.int32)[None]
        rule = tf.function(
            lambda length, size, places, stride=stride: (
                window_counts(length, size, stride, tf),
                *window_ranges(places, length, size, stride, tf),
                best_windows(places, length, size, stride, tf),
            ),
            autograph=False,
        )
        expected = (
            window_counts(length, size, stride),
            *window_ranges(places, length, size, stride),
            best_windows(places, length, size, stride),
        )
        for given, array in zip(rule(length, size, places), expected, strict=True):
            assert given.dtype == tf.int32
            np.testing.assert_array_equal(given, array)


def test_no_room_is_said():
    with pytest.raises(InputError, match="max_seq_length has no room"):
        cut_windows(10, 0, 1)
