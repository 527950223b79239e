"""The kept model and the log, for scores of our choice."""

import shutil

import numpy as np
import pytest

import bert_keras
from bert_keras.errors import InputError
from bert_keras.tasks.best import KeepBest
from bert_keras.training.metrics import MetricsLog


class Run:
    """Logs evaluations as the loop does; the model remembers the score of its last one."""

    def __init__(self, model, workdir):
        self.model, self.workdir = model, workdir
        self.go_on_from(0)

    def go_on_from(self, step):
        """Begins, goes back to a step, or goes on from it after a kill."""
        self.log = MetricsLog(self.workdir, step)
        self.best = KeepBest(self.workdir, "accuracy")
        self.best.set_model(self.model)
        self.best.set_params({"initial_step": step})
        self.best.on_train_begin()

    def evaluate(self, step, score):
        weight = self.model.trainable_weights[-1]
        weight.assign(np.full(weight.shape, score))
        self.log.write(step, "eval", {"accuracy": score})
        self.best.on_test_end()

    def kept(self):
        return bert_keras.load(self.workdir / "best").trainable_weights[-1].numpy().ravel()[0]


@pytest.fixture
def run(encoder_path, tmp_path):
    model_class = bert_keras.BertForSequenceClassification
    return Run(bert_keras.load(encoder_path, model_class, labels=["bad", "good"]), tmp_path)


def test_a_model_whose_evaluation_a_roll_back_undid_gives_way_to_the_next(run):
    run.evaluate(20, 0.80)
    run.evaluate(40, 0.85)
    run.go_on_from(36)
    run.evaluate(40, 0.79)
    assert run.kept() == pytest.approx(0.79)
    run.evaluate(60, 0.795)  # what scored 0.80 is there no more
    assert run.kept() == pytest.approx(0.795)
    run.evaluate(80, 0.70)
    assert run.kept() == pytest.approx(0.795)


def test_a_model_whose_evaluation_is_still_in_the_log_stays_until_a_better_one(run):
    run.evaluate(20, 0.80)
    run.evaluate(40, 0.75)
    run.go_on_from(36)
    run.evaluate(40, 0.79)
    assert run.kept() == pytest.approx(0.80)
    run.evaluate(60, 0.81)
    assert run.kept() == pytest.approx(0.81)


def test_a_model_whose_evaluation_was_undone_goes_even_if_the_next_is_no_number(run):
    run.evaluate(20, 0.80)
    run.go_on_from(10)
    run.evaluate(20, float("nan"))
    assert not (run.workdir / "best").exists()


def test_a_run_stops_after_as_many_evaluations_without_a_better_one_as_its_patience(run):
    run.best.patience, run.model.stop_training = 2, False
    stops = []
    for step, score in enumerate((0.70, 0.80, 0.75, 0.80), start=1):
        run.evaluate(step, score)
        stops.append(run.model.stop_training)
    assert stops == [False, False, False, True]


@pytest.mark.parametrize("damage", ["other bytes", "a file more", "a file less", "somebody's"])
def test_what_is_not_as_it_was_saved_becomes_no_model_of_the_run(run, damage):
    run.evaluate(20, 0.80)
    best, model = run.workdir / "best", run.workdir / "model"
    weights = best / "model.safetensors"
    if damage == "other bytes":
        data = bytearray(weights.read_bytes())
        data[-3] ^= 1
        weights.write_bytes(data)
    elif damage == "a file more":
        (best / "notes").write_text("mine")
    elif damage == "a file less":
        weights.unlink()
    else:
        shutil.rmtree(best)
        best.mkdir()
        (best / "notes").write_text("mine")
    with pytest.raises(InputError, match=r"not what bert_keras wrote|not as bert_keras wrote it"):
        run.best.move_to(model)
    assert best.is_dir()
    assert not model.exists()


def test_a_best_model_whose_line_somebody_took_out_of_the_log_is_not_replaced(run):
    run.evaluate(20, 0.80)
    run.evaluate(40, 0.75)
    log = run.workdir / "metrics.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[1])
    with pytest.raises(InputError, match="the model of step 20, whose evaluation is missing"):
        run.go_on_from(40)
    assert run.kept() == pytest.approx(0.80)
    shutil.rmtree(run.workdir / "best")  # as the message says
    (run.workdir / "best_step").unlink()
    run.go_on_from(40)
    run.evaluate(60, 0.70)
    assert run.kept() == pytest.approx(0.70)
