import pytest

from bert_keras.config import CheckpointConfig, FinetuneWatchConfig, WatchConfig
from bert_keras.errors import InputError


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (CheckpointConfig, {"every_steps": -1}, "checkpoint.every_steps must be at least 0"),
        (CheckpointConfig, {"every_minutes": -0.5}, "every_minutes must not be negative"),
        (CheckpointConfig, {"every_minutes": float("inf")}, "every_minutes must not be negative"),
        (CheckpointConfig, {"keep": 0}, "checkpoint.keep must be at least 1"),
        (WatchConfig, {"on_divergence": "rollback"}, "did you mean 'roll_back'"),
        (WatchConfig, {"loss_factor": 0.5}, "loss_factor must be greater than 1, or 0"),
        (WatchConfig, {"loss_factor": float("nan")}, "loss_factor must be greater than 1, or 0"),
        (WatchConfig, {"skip_steps": 0}, "skip_steps must be at least 1"),
        (WatchConfig, {"max_roll_backs": 0}, "max_roll_backs must be at least 1"),
        (FinetuneWatchConfig, {"input_share": 1.5}, "input_share must lie in"),
    ],
)
def test_impossible_values_are_refused_with_the_rule(cls, values, message):
    with pytest.raises(InputError, match=message) as error:
        cls(**values)
    assert "\n" not in str(error.value)
