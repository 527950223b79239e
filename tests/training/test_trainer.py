"""The loop on a model so small that each run takes a moment: a line through points."""

import logging
import os
import signal
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import CheckpointConfig, PretrainConfig, TrainConfig, WatchConfig
from bert_keras.errors import Diverged, Interrupted
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.objectives import SquaredError
from bert_keras.optimizers import AdamW
from bert_keras.training.metrics import read_metrics
from bert_keras.training.phases import Phase
from bert_keras.training.trainer import Trainer

STEPS = 60
BAD = 41  # the number of the batch that is spoilt, from 0: that of step 42


class Line(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="zeros", name="dense")
        self.dense.build((None, 3))
        self.seeds = DropoutSeeds(name="dropout_seeds")
        self.seeds.build()
        self.built = True

    def dropout_counter(self):
        return self.seeds

    def call(self, batch, training=False, dropout_seed=None):
        return {"logits": self.dense(batch["x"])}


def batch(number):
    x = tf.random.stateless_normal([8, 3], [7, number])
    noise = tf.random.stateless_normal([8], [8, number])
    y = tf.reduce_sum(x, 1) + 0.1 * noise + 3
    return {"x": x, "labels": y, "attention_mask": tf.ones([8, 3], tf.int32)}


def points(step):
    """Endless batches, each a function of its number."""
    return tf.data.Dataset.counter(step).map(batch)


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


class Kill(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class At(keras.callbacks.Callback):
    """Does something once, when a step has been reached for the n-th time."""

    def __init__(self, step, action, time=1):
        super().__init__()
        self.step, self.action, self.times_left = step, action, time

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.step:
            self.times_left -= 1
            if not self.times_left:
                self.action()


def kill():
    raise Kill


def train(workdir, batches=points, callbacks=(), phases=None, train=None, checkpoint=None, **watch):
    """Trains or goes on with a run; returns its weights."""
    keras.utils.set_random_seed(0)
    model = Line()
    config = PretrainConfig(
        train=TrainConfig(
            **{"steps": STEPS, "log_every_steps": 10, "eval_every_steps": 1000} | (train or {})
        ),
        checkpoint=CheckpointConfig(**({"every_steps": 6, "keep": 5} | (checkpoint or {}))),
        watch=WatchConfig(**({"input_share": 1.0} | watch)),
    )
    trainer = Trainer(
        model,
        AdamW(0.05, bias_correction=True),
        SquaredError("line"),
        config,
        tf.distribute.get_strategy(),
        workdir,
        callbacks,
    )
    trainer.fit(phases or [Phase(STEPS, batches)])
    return np.concatenate([w.numpy().ravel() for w in model.weights])


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


def test_the_height_of_the_loss_may_be_let_be(tmp_path):
    assert np.isfinite(train(tmp_path, spoilt(1e4), loss_factor=0.0)).all()


@pytest.mark.parametrize("factor", [np.nan, 1e4])
def test_a_roll_back_skips_the_data_of_the_bad_step_and_of_those_before_it(
    factor, tmp_path, caplog
):
    weights = train(tmp_path / "run", spoilt(factor), on_divergence="roll_back", skip_steps=4)
    expected = train(tmp_path / "expected", without(38, 39, 40, 41))
    assert weights.tobytes() == expected.tobytes()
    (record,) = caplog.records
    assert "back to step 36, the data of steps 39 to 42 are skipped" in record.getMessage()
    lines = [
        [line["line_loss"] for line in read_metrics(tmp_path / w)] for w in ("run", "expected")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == STEPS / 10


@pytest.mark.parametrize(("step", "time"), [(38, 1), (40, 2), (44, 1), (50, 1)])
def test_a_run_killed_around_its_roll_back_ends_the_same(step, time, tmp_path):
    """Before it, on the way there again, after it and before or after the next checkpoint."""
    settings = {"on_divergence": "roll_back", "skip_steps": 4}
    with pytest.raises(Kill):
        train(tmp_path / "run", spoilt(np.nan), [At(step, kill, time)], **settings)
    weights = train(tmp_path / "run", spoilt(np.nan), **settings)
    expected = train(tmp_path / "expected", without(38, 39, 40, 41))
    assert weights.tobytes() == expected.tobytes()


def test_a_stopped_run_goes_on_when_told_to_roll_back(tmp_path):
    with pytest.raises(Diverged):
        train(tmp_path / "run", spoilt(np.nan))
    weights = train(tmp_path / "run", spoilt(np.nan), on_divergence="roll_back", skip_steps=2)
    expected = train(tmp_path / "expected", without(40, 41))
    assert weights.tobytes() == expected.tobytes()


def test_the_first_steps_can_be_rolled_back_too(tmp_path):
    weights = train(tmp_path / "run", spoilt(np.nan, bad=2), on_divergence="roll_back")
    expected = train(tmp_path / "expected", without(0, 1, 2))
    assert weights.tobytes() == expected.tobytes()


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


def test_weights_that_overflow_before_an_evaluation_are_rolled_back_and_never_evaluated(tmp_path):
    phase = Phase(STEPS, points, lambda run: {"sum": float(run.model.dense.kernel.numpy().sum())})
    settings = {"on_divergence": "roll_back", "skip_steps": 1, "train": {"eval_every_steps": 20}}
    weights = train(tmp_path / "run", callbacks=[overflow_at(20)], phases=[phase], **settings)
    assert weights.tobytes() == train(tmp_path / "expected", without(19)).tobytes()
    lines = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert all(line["sum"] is not None for line in lines)


@pytest.mark.parametrize("step", [13, 30, 31, 47])
def test_a_killed_run_of_two_phases_ends_with_the_same_weights_and_log(step, tmp_path):
    phases = [Phase(30, points), Phase(STEPS, lambda step: points(step + 1000))]
    settings = {"train": {"log_every_steps": 7}, "phases": phases}
    expected = train(tmp_path / "undisturbed", **settings)
    with pytest.raises(Kill):
        train(tmp_path / "run", callbacks=[At(step, kill)], **settings)
    assert train(tmp_path / "run", **settings).tobytes() == expected.tobytes()
    runs = [read_metrics(tmp_path / name) for name in ("undisturbed", "run")]
    for lines in runs:
        for line in lines:
            line.pop("tokens_per_second"), line.pop("input_share")
    assert runs[0] == runs[1]


def test_an_evaluation_gives_way_to_a_stop_and_is_made_up_for(tmp_path):
    evaluated = []

    def evaluation(run):
        evaluated.append(int(run.optimizer.iterations))
        return {"score": float(run.optimizer.iterations)}

    settings = {"phases": [Phase(STEPS, points, evaluation)], "train": {"eval_every_steps": 20}}
    stop = At(20, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="at step 20") as error:
        train(tmp_path, callbacks=[stop], **settings)
    assert error.value.exit_code == 143
    assert evaluated == []
    with pytest.raises(Kill):
        train(tmp_path, callbacks=[At(23, kill)], **settings)
    train(tmp_path, **settings)
    assert evaluated == [20, 20, 40, 60]
    scores = [line["score"] for line in read_metrics(tmp_path) if line["split"] == "eval"]
    assert scores == [20.0, 40.0, 60.0]


def test_a_stop_at_the_last_evaluation_is_no_end_of_the_run(tmp_path):
    evaluation = lambda run: {"score": 1.0}  # noqa: E731
    settings = {"phases": [Phase(STEPS, points, evaluation)]}
    stop = At(STEPS, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="at step 60"):
        train(tmp_path, callbacks=[stop], **settings)
    train(tmp_path, **settings)
    (line,) = (line for line in read_metrics(tmp_path) if line["split"] == "eval")
    assert line["step"] == 60


@pytest.mark.parametrize("phase", [0, 1])
def test_the_first_step_of_a_phase_is_not_waited_for(phase, tmp_path):
    """All before it is saved, so it has nothing to lose; here its batch would never come."""
    told, never = [], threading.Event()

    def endless(step):
        def wait(rows):
            if not told:
                told.append(os.kill(os.getpid(), signal.SIGTERM))
            never.wait()
            return rows

        def hold_up(batch):
            x = tf.numpy_function(wait, [batch["x"]], tf.float32)
            return batch | {"x": tf.ensure_shape(x, [8, 3])}

        return points(step).map(hold_up)

    later = lambda step: points(step + 1000)  # noqa: E731
    expected = train(tmp_path / "undisturbed", phases=[Phase(30, points), Phase(STEPS, later)])
    phases = [Phase(30, points), Phase(STEPS, later)]
    phases[phase].batches_from = endless
    with pytest.raises(Interrupted, match=f"at step {30 * phase};"):
        train(tmp_path / "run", phases=phases)
    never.set()
    written = [int(path.stem[-9:]) for path in (tmp_path / "run").glob("checkpoints/step-*")]
    assert max(written, default=0) == 30 * phase
    phases = [Phase(30, points), Phase(STEPS, later)]
    assert train(tmp_path / "run", phases=phases).tobytes() == expected.tobytes()


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
    (record,) = caplog.records
    assert "the run starves: up to step 20" in record.getMessage()
    shares = [line["input_share"] for line in read_metrics(tmp_path)]
    assert all(0.2 < share <= 1 for share in shares)


def test_a_run_that_does_not_wait_says_nothing(tmp_path, caplog):
    batch = next(points(0).as_numpy_iterator())

    class Slow(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(0.01)  # outside the step: the pipeline fills meanwhile

    ready = lambda step: tf.data.Dataset.from_tensors(batch).repeat().prefetch(8)  # noqa: E731
    train(tmp_path, ready, callbacks=[Slow()], input_share=0.9)
    assert not caplog.records
    assert all(line["input_share"] < 0.9 for line in read_metrics(tmp_path))
