import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.windows import best_windows, cut_windows


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
    windows = [(0, 6), (4, 10), (8, 12)]
    assert best_windows(12, windows).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert best_windows(0, [(0, 0)]).tolist() == []
    for length, size, stride in [(50, 9, 4), (50, 9, 1), (7, 3, 3), (31, 10, 7)]:
        windows = cut_windows(length, size, stride)
        for token, best in enumerate(best_windows(length, windows)):
            context = {
                number: min(token - start, end - 1 - token) + 0.01 * (end - start)
                for number, (start, end) in enumerate(windows)
                if start <= token < end
            }
            assert best == max(context, key=lambda number: context[number])


def test_no_room_is_said():
    with pytest.raises(InputError, match="max_seq_length has no room"):
        cut_windows(10, 0, 1)
