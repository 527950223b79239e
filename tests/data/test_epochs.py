from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bert_keras.data.plan import ExamplePlan, ExampleStream
from bert_keras.errors import InputError

SIZES = [5, 3, 8, 4, 6, 7, 2, 9]


class Planner:
    """Epochs of known sizes; the examples of all epochs are numbered on; notes what was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, epoch: int) -> ExamplePlan:
        self.asked.append(epoch)
        size = SIZES[epoch % len(SIZES)]
        first = sum(SIZES[e % len(SIZES)] for e in range(epoch))
        number = np.arange(first, first + size)
        lengths = number.astype(np.int32)
        return ExamplePlan(number, lengths, number, lengths, number % 2 == 0)


def test_any_run_of_examples_is_found_across_epochs():
    for start in range(40):
        for count in (1, 3, 30):
            rows = ExampleStream(Planner()).rows(start, start + count)
            assert rows.a_start.tolist() == list(range(start, start + count))
            assert rows.label.tolist() == [i % 2 == 0 for i in range(start, start + count)]


def test_epoch_offsets_are_the_cumulative_sizes():
    stream = ExampleStream(Planner())
    stream.rows(0, 17)
    assert stream.epoch_offsets == [0, 5, 8, 16, 20]


def test_reading_on_plans_every_epoch_once():
    planner = Planner()
    stream = ExampleStream(planner)
    for start in range(0, 40, 2):
        stream.rows(start, start + 2)
    assert planner.asked == sorted(set(planner.asked))


def test_known_offsets_spare_planning_the_past():
    planner = Planner()
    stream = ExampleStream(planner)
    stream.resume([0, 5, 8, 16, 20])
    assert stream.rows(17, 22).a_start.tolist() == list(range(17, 22))
    assert planner.asked == [3, 4]
    assert stream.epoch_offsets == [0, 5, 8, 16, 20, 26]


def test_what_is_kept_ends_with_the_epoch_of_the_last_example_however_far_was_planned():
    stream = ExampleStream(Planner())
    for planned in (9, 200):
        stream.rows(0, planned)
        kept = [stream.offsets_before(example) for example in (0, 1, 5, 6, 8, 9)]
        assert kept == [[0], [0, 5], [0, 5], [0, 5, 8], [0, 5, 8], [0, 5, 8, 16]]
        assert kept[-1] is not stream.epoch_offsets


def test_a_stream_that_goes_back_forgets_nothing():
    stream = ExampleStream(Planner())
    stream.rows(0, 17)
    stream.resume([0, 5])
    assert stream.epoch_offsets == [0, 5, 8, 16, 20]


def test_offsets_of_other_data_are_refused():
    stream = ExampleStream(Planner())
    stream.resume([0, 5, 8, 16, 21])
    with pytest.raises(InputError, match="epoch 3 ends at example 21"):
        stream.rows(17, 18)


def test_threads_that_share_a_stream_get_what_one_thread_gets():
    stream = ExampleStream(Planner())
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda start: stream.rows(start, start + 3), range(0, 300, 3)))
    assert np.concatenate([part.a_start for part in parts]).tolist() == list(range(300))
    assert (
        stream.epoch_offsets == np.cumsum([0, *(SIZES * 20)])[: len(stream.epoch_offsets)].tolist()
    )
