"""The loop on a model so small that each run takes a moment."""

import os
import signal
import threading

import pytest
import tensorflow as tf

from bert_keras.errors import Interrupted
from bert_keras.training.metrics import read_metrics
from bert_keras.training.phases import Phase
from tests.support.runs import log_of
from tests.training.line import STEPS, At, Kill, kill, points, train


@pytest.mark.parametrize(
    "step", [30, *(pytest.param(step, marks=pytest.mark.system) for step in (13, 31, 47))]
)
def test_a_killed_run_of_two_phases_ends_with_the_same_weights_and_log(step, tmp_path):
    phases = [Phase(30, points), Phase(STEPS, lambda step: points(step + 1000))]
    settings = {"train": {"log_every_steps": 7}, "phases": phases}
    expected = train(tmp_path / "undisturbed", **settings)
    with pytest.raises(Kill):
        train(tmp_path / "run", callbacks=[At(step, kill)], **settings)
    assert train(tmp_path / "run", **settings).tobytes() == expected.tobytes()
    assert log_of(tmp_path / "run") == log_of(tmp_path / "undisturbed")


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


@pytest.mark.system
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
