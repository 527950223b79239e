import keras
import numpy as np
import pytest

from bert_keras.optimizers import WarmupLinearDecay


def _original(step: int, peak: float, warmup_steps: int, total_steps: int) -> float:
    """The rule of the original's ``create_optimizer``, in plain numbers."""
    if step < warmup_steps:
        return peak * step / warmup_steps
    return peak * (1 - min(step, total_steps) / total_steps)


@pytest.mark.parametrize(("warmup_steps", "total_steps"), [(10, 100), (0, 7), (1, 5), (5, 5)])
def test_rate_is_the_originals_at_every_step(warmup_steps: int, total_steps: int) -> None:
    schedule = WarmupLinearDecay(3e-4, warmup_steps, total_steps)
    ours = [float(schedule(step)) for step in range(total_steps + 3)]
    theirs = [_original(step, 3e-4, warmup_steps, total_steps) for step in range(total_steps + 3)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-10)


def test_rate_steps_down_to_the_falling_line_when_the_warm_up_ends() -> None:
    schedule = WarmupLinearDecay(1.0, 10, 100)
    np.testing.assert_allclose([schedule(9), schedule(10), schedule(11)], [0.9, 0.9, 0.89])


def test_rate_is_zero_at_the_last_step_and_after() -> None:
    schedule = WarmupLinearDecay(1.0, 10, 100)
    assert [float(schedule(step)) for step in (100, 101, 1000)] == [0.0, 0.0, 0.0]


def test_schedule_serializes() -> None:
    schedule = WarmupLinearDecay(1e-3, 10, 100)
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(clone) is WarmupLinearDecay
    assert clone.get_config() == schedule.get_config()
