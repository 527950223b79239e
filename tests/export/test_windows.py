import numpy as np
import pytest
import tensorflow as tf

from bert_keras.export.windows import best_windows, cut_windows
from bert_keras.tasks import windows as host

LENGTHS = [0, 1, 7, 8, 9, 23, 100, 250]


@pytest.mark.parametrize(("size", "stride"), [(8, 3), (8, 6), (8, 20), (1, 1), (120, 20)])
def test_windows_and_their_tokens_are_the_hosts(size, stride):
    windows = cut_windows(tf.constant(LENGTHS), tf.fill([len(LENGTHS)], size), stride, 1000)
    best = best_windows(windows, tf.constant(max(LENGTHS))).numpy()
    rows = list(zip(*(part.numpy().tolist() for part in windows), best, strict=True))
    for text, length in enumerate(LENGTHS):
        mine = [row for row in rows if row[0] == text]
        expected = host.cut_windows(length, size, stride)
        assert [(start, end) for _, start, end, _ in mine] == expected
        owners = np.full(length, -1)
        for number, (_, start, end, own) in enumerate(mine):
            assert (owners[start:end][own[: end - start]] == -1).all()
            owners[start:end][own[: end - start]] = number
            assert not own[end - start :].any()
        assert owners.tolist() == host.best_windows(length, expected).tolist()


def test_a_text_has_its_most_windows_and_no_more():
    windows = cut_windows(tf.constant([100, 5]), tf.constant([8, 8]), 6, 3)
    assert windows.text.numpy().tolist() == [0, 0, 0, 1]
    assert windows.end.numpy().tolist() == [8, 14, 20, 5]
