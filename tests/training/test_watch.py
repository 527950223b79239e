"""What is watched while training: losses and weights that are not finite, data that come late."""

import logging
import time

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import Diverged
from bert_keras.training.metrics import read_metrics
from bert_keras.training.phases import Phase
from tests.training.line import STEPS, At, Kill, batch, kill, points, train

BAD = 41  # the number of the batch that is spoilt, from 0: that of step 42


def own(caplog):
    """What the package has logged: TensorFlow warns of functions that it often traces anew."""
    return [record for record in caplog.records if record.name.startswith("bert_keras")]


def without(*missing):
    """The points without the batches of these numbers, for a run that is not disturbed."""
    numbers = [n for n in range(2 * STEPS) if n not in missing]
    return lambda step: tf.data.Dataset.from_tensor_slices(np.array(numbers[step:])).map(batch)


def spoilt(factor, bad=BAD):
    """The points, those of one batch multiplied with ``factor``."""

    def batches(step):
        def spoil(number):
            found = batch(number)
            return found | {
                "labels": tf.where(number == bad, factor * found["labels"], found["labels"])
            }

        return tf.data.Dataset.counter(step).map(spoil)

    return batches


@pytest.mark.parametrize(
    ("factor", "word"),
    [
        (np.nan, "step 42 is nan"),
        (np.inf, "step 42 is inf"),
        (1e4, r"step 42 is 8\.58.*, more than"),
    ],
)
def test_a_bad_loss_stops_the_run_and_names_its_step(factor, word, tmp_path):
    with pytest.raises(Diverged, match=word) as error:
        train(tmp_path, spoilt(factor))
    assert error.value.step == 42
    assert "--set watch.on_divergence=roll_back" in str(error.value)
    newest = max((tmp_path / "checkpoints").iterdir())
    assert newest.name == "step-000000036.safetensors", "what comes after the bad step is lost"
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30, 40]


@pytest.mark.parametrize("factor", [pytest.param(np.nan, marks=pytest.mark.system), 1e4])
def test_a_roll_back_skips_the_data_of_the_bad_step_and_of_those_before_it(
    factor, tmp_path, caplog
):
    weights = train(tmp_path / "run", spoilt(factor), on_divergence="roll_back", skip_steps=4)
    expected = train(tmp_path / "expected", without(38, 39, 40, 41))
    assert weights.tobytes() == expected.tobytes()
    (record,) = own(caplog)
    assert "back to step 36, the data of steps 39 to 42 are skipped" in record.getMessage()
    lines = [
        [line["line_loss"] for line in read_metrics(tmp_path / w)] for w in ("run", "expected")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == STEPS / 10


@pytest.mark.system
@pytest.mark.parametrize(
    ("step", "time"),
    [
        (38, 1),
        pytest.param(40, 2, marks=pytest.mark.system),
        *(pytest.param(step, 1, marks=pytest.mark.system) for step in (44, 50)),
    ],
)
def test_a_run_killed_around_its_roll_back_ends_the_same(step, time, tmp_path):
    """Before it, on the way there again, after it and before or after the next checkpoint."""
    settings = {"on_divergence": "roll_back", "skip_steps": 4}
    with pytest.raises(Kill):
        train(tmp_path / "run", spoilt(np.nan), [At(step, kill, time)], **settings)
    weights = train(tmp_path / "run", spoilt(np.nan), **settings)
    expected = train(tmp_path / "expected", without(38, 39, 40, 41))
    assert weights.tobytes() == expected.tobytes()


@pytest.mark.system
def test_a_stopped_run_goes_on_when_told_to_roll_back(tmp_path):
    with pytest.raises(Diverged):
        train(tmp_path / "run", spoilt(np.nan))
    weights = train(tmp_path / "run", spoilt(np.nan), on_divergence="roll_back", skip_steps=2)
    expected = train(tmp_path / "expected", without(40, 41))
    assert weights.tobytes() == expected.tobytes()


@pytest.mark.system
def test_the_first_steps_can_be_rolled_back_too(tmp_path):
    weights = train(tmp_path / "run", spoilt(np.nan, bad=2), on_divergence="roll_back")
    expected = train(tmp_path / "expected", without(0, 1, 2))
    assert weights.tobytes() == expected.tobytes()


@pytest.mark.system
def test_several_bad_places_are_all_skipped_and_the_number_of_roll_backs_is_bounded(tmp_path):
    """The second roll-back goes to a checkpoint that knows nothing of the first."""

    def twice(step):
        spoil = lambda n, b: b | {"labels": tf.where(n == 44, np.nan, b["labels"])}  # noqa: E731
        numbers = tf.data.Dataset.counter(step)
        return tf.data.Dataset.zip(numbers, spoilt(np.nan)(step)).map(spoil)

    settings = {"on_divergence": "roll_back", "skip_steps": 2}
    weights = train(tmp_path / "run", twice, **settings)
    expected = train(tmp_path / "expected", without(40, 41, 43, 44))
    assert weights.tobytes() == expected.tobytes()
    with pytest.raises(Diverged, match="after 1 roll-backs"):
        train(tmp_path / "once", twice, max_roll_backs=1, **settings)


def test_without_a_checkpoint_from_before_the_bad_data_the_run_says_what_to_do(tmp_path):
    with pytest.raises(Diverged, match=r"set checkpoint.keep higher or watch.skip_steps lower"):
        train(
            tmp_path,
            spoilt(np.nan),
            checkpoint={"keep": 1},
            on_divergence="roll_back",
            skip_steps=20,
        )


def overflow_at(step):
    """Makes weights infinite, once, after a step whose own loss is finite."""
    callback = At(step, lambda: callback.model.dense.kernel.assign(np.full((3, 1), np.inf)))
    return callback


def test_weights_that_overflow_at_the_last_step_are_not_taken_for_a_model(tmp_path):
    """The loss of the last step is finite, and no later one can show what it did."""
    with pytest.raises(Diverged, match="is not finite after step 60"):
        train(tmp_path, callbacks=[overflow_at(STEPS)])


@pytest.mark.system
def test_weights_that_overflow_before_an_evaluation_are_rolled_back_and_never_evaluated(tmp_path):
    phase = Phase(STEPS, points, lambda run: {"sum": float(run.model.dense.kernel.numpy().sum())})
    settings = {"on_divergence": "roll_back", "skip_steps": 1, "train": {"eval_every_steps": 20}}
    weights = train(tmp_path / "run", callbacks=[overflow_at(20)], phases=[phase], **settings)
    assert weights.tobytes() == train(tmp_path / "expected", without(19)).tobytes()
    lines = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert all(line["sum"] is not None for line in lines)


@pytest.mark.system
def test_a_run_that_waits_for_its_data_says_so_once(tmp_path, caplog):
    def slow(step):
        def wait(number):
            time.sleep(0.03)
            return number

        numbers = tf.data.Dataset.counter(step).map(
            lambda n: tf.ensure_shape(tf.numpy_function(wait, [n], tf.int64), [])
        )
        return tf.data.Dataset.zip(numbers, points(step)).map(lambda _, batch: batch)

    with caplog.at_level(logging.WARNING):
        train(tmp_path, slow, train={"log_every_steps": 20}, input_share=0.2)
    (record,) = own(caplog)
    assert "the run starves: up to step 20" in record.getMessage()
    shares = [line["input_share"] for line in read_metrics(tmp_path)]
    assert all(0.2 < share <= 1 for share in shares)
