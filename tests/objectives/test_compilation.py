import pytest
import tensorflow as tf

from bert_keras.objectives import device_kind, is_compiled
from tests.support.tpu import BelievedTPU


@pytest.fixture
def strategy_of(monkeypatch):
    """Makes the strategy of one device of a kind, on a machine that is made up."""

    def make(kind):
        monkeypatch.setattr(
            tf.config, "list_logical_devices", lambda asked: [asked] * (asked == kind)
        )
        return BelievedTPU() if kind == "TPU" else tf.distribute.get_strategy()

    return make


@pytest.mark.parametrize(
    ("kind", "setting", "compiles"),
    [
        ("CPU", "auto", False),
        ("GPU", "auto", True),
        ("TPU", "auto", True),
        ("CPU", True, True),
        ("GPU", False, False),
        ("TPU", False, True),
    ],
)
def test_xla_compiles_what_the_recipe_and_the_devices_say(kind, setting, compiles, strategy_of):
    strategy = strategy_of(kind)
    assert device_kind(strategy) == kind
    assert is_compiled(setting, strategy) is compiles
