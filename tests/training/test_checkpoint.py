import keras
import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.optimizers import AdamW
from bert_keras.training.checkpoint import Checkpoints


def make_state(units=3, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((2,)), keras.layers.Dense(units, name="dense")]
    model = keras.Sequential(layers, name="net")
    optimizer = AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def test_every_variable_comes_back_bit_for_bit(tmp_path):
    model, optimizer = make_state()
    optimizer.apply([np.ones((2, 3), "float32"), np.ones(3, "float32")])
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(5, model, optimizer)
    other, other_optimizer = make_state(seed=1)
    assert checkpoints.restore_latest(other, other_optimizer) == 5
    before = [*model.weights, *optimizer.variables]
    after = [*other.weights, *other_optimizer.variables]
    for variable, restored in zip(before, after, strict=True):
        assert variable.numpy().tobytes() == restored.numpy().tobytes()


def test_only_the_newest_are_kept(tmp_path):
    model, optimizer = make_state()
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 10):
        checkpoints.save(step, model, optimizer)
    assert checkpoints.steps() == [2, 10]


def test_without_a_checkpoint_nothing_is_restored(tmp_path):
    assert Checkpoints(tmp_path / "none", keep=2).restore_latest(*make_state()) == 0


def test_a_truncated_checkpoint_is_one_clear_line(tmp_path):
    model, optimizer = make_state()
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, model, optimizer)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError, match="is damaged") as error:
        checkpoints.restore_latest(model, optimizer)
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, *make_state(units=3))
    with pytest.raises(InputError, match="another model"):
        checkpoints.restore_latest(*make_state(units=4))
