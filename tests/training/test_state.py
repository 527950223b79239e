import random

import pytest
import tensorflow as tf

from bert_keras.training.state import RunState


def numbers(step):
    return tf.data.Dataset.counter(step)


def first(dataset, count):
    return [int(number) for number in dataset.take(count).as_numpy_iterator()]


@pytest.mark.parametrize("seed", range(5))
def test_skipped_batches_are_never_seen_whatever_step_a_run_goes_on_from(seed):
    """Against a list from which the skipped ones are struck out by hand."""
    draw = random.Random(seed)
    left, state = list(range(200)), RunState()
    for _ in range(4):
        last = draw.randint(1, 60)
        first_step = draw.randint(1, last)
        state.skip(0, first_step, last)
        del left[first_step - 1 : last]
        state.skip(1, 1, 3)  # another phase's change nothing here
    for step in (0, 1, 7, 30, 59, 61):
        assert first(state.batches(0, numbers, step), 80 - step) == left[step:80]
        assert state.position(0, step) == left[step]


def test_the_state_is_read_back_from_its_line_of_text():
    state = RunState(seed=2**60, step=3, losses=[0.1], skipped=[[0, 1, 2]])
    assert RunState.from_json(state.to_json()) == state
    assert "\n" not in state.to_json()


@pytest.mark.parametrize("text", ["[]", "{}", '{"seed": 1}', "nonsense"])
def test_another_text_is_no_state(text):
    with pytest.raises(ValueError, match=r"another version|Expecting value"):
        RunState.from_json(text)
