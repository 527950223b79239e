import json
import math
import time

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bert_keras.config import PretrainConfig, WatchConfig, to_tables
from bert_keras.errors import Diverged, InputError
from bert_keras.objectives import WeightedMean
from bert_keras.saving.mark import RunMark
from bert_keras.training.metrics import (
    InputWatch,
    LossWatch,
    MetricsLog,
    Window,
    read_metrics,
    set_log_aside,
)


def test_lines_after_the_step_a_run_goes_on_from_are_dropped(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write(step, "train", {"mlm_loss": float(step)})
    MetricsLog(tmp_path, step=2).write(3, "train", {"mlm_loss": 9.0})
    assert [line["mlm_loss"] for line in read_metrics(tmp_path)] == [1.0, 2.0, 9.0]


def test_the_log_of_a_run_whose_checkpoints_are_gone_is_set_aside(tmp_path, caplog):
    for step in (10, 11):  # the first checkpoint is due at 10
        MetricsLog(tmp_path).write(step, "train", {"mlm_loss": float(step)})
        before = (tmp_path / "metrics.jsonl").read_text()
        set_log_aside(tmp_path, 10)
    assert [path.name for path in tmp_path.glob("metrics*")] == ["metrics.jsonl.1"]
    assert (tmp_path / "metrics.jsonl.1").read_text() == before
    assert caplog.text.count("its earlier log is now metrics.jsonl.1") == 1
    MetricsLog(tmp_path).write(12, "train", {})
    set_log_aside(tmp_path, 10)
    assert (tmp_path / "metrics.jsonl.1").read_text() == before
    assert (tmp_path / "metrics.jsonl.2").exists()


@pytest.mark.parametrize("model_files", [None, {"config.json": "a hash"}])
def test_so_is_a_short_one_of_a_run_that_has_had_a_model(tmp_path, model_files):
    config = to_tables(PretrainConfig())
    mark = RunMark(command="pretrain", config=config, data={}, model_files=model_files)
    mark.write(tmp_path)
    MetricsLog(tmp_path).write(5, "train", {"mlm_loss": 5.0})
    set_log_aside(tmp_path, 10)
    assert (tmp_path / "metrics.jsonl.1").exists() == (model_files is not None)


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path):
    MetricsLog(tmp_path).write(1, "train", {"mlm_loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "spl')
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b'{"step": 1}', b'{"a": 1}', b"\xff\xff"])
def test_a_broken_line_within_is_an_error_with_its_number(tmp_path, line):
    good = b'{"step": 1, "split": "train"}\n'
    (tmp_path / "metrics.jsonl").write_bytes(good + line + b"\n" + good)
    with pytest.raises(InputError, match="line 2 is not a line of a log; delete it") as error:
        read_metrics(tmp_path)
    assert "\n" not in str(error.value)


def test_what_is_not_finite_is_null_as_json_has_no_nan(tmp_path):
    MetricsLog(tmp_path).write(1, "train", {"mlm_loss": float("nan"), "nsp_loss": float("inf")})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail)["mlm_loss"] is None


def test_tensorboard_reads_the_same_numbers(tmp_path):
    MetricsLog(tmp_path).write(7, "eval", {"mlm_loss": 2.5})
    events = EventAccumulator(str(tmp_path / "logs" / "eval"))
    events.Reload()
    (event,) = events.Tensors("mlm_loss")
    assert (event.step, tf.make_ndarray(event.tensor_proto)) == (7, 2.5)


def mean(total, weight):
    return WeightedMean(tf.constant(total), tf.constant(weight))


def test_a_window_divides_sums_over_all_its_steps_and_is_then_empty():
    """Not the mean of the steps' means, which would be 2; one over nothing is left out."""
    window = Window({"mlm_loss": [4.0, 1.0]})  # from before the run was interrupted
    window.add(1, {"mlm_loss": mean(2.0, 2.0), "nsp_loss": mean(0.0, 0.0)})
    window.add(2, {"mlm_loss": mean(3.0, 6.0), "tokens": mean(50.0, 1.0)})
    window.settle()
    assert window.means() == {"mlm_loss": 1.0}
    assert window.close()["mlm_loss"] == 1.0
    assert window.means() == {}


def test_a_window_times_no_call_before_the_first_has_ended():
    window, sleeps = Window(), [1.0, 0.1, 0.1]
    for step, seconds in enumerate(sleeps):
        with window.timed(), window.waiting():
            time.sleep(seconds)
        window.add(step, {"tokens": mean(10.0, 1.0)})
    window.settle()
    assert window.timed_calls == 2
    values = window.close()
    assert 0.9 < values["input_share"] <= 1
    assert 20 < values["tokens_per_second"] < 100  # 20 tokens in 0.2 s or a little more


def test_a_window_checks_each_step_before_it_adds_it():
    window, seen = Window(), []
    for step, loss in ((1, 1.0), (2, 5.0)):
        window.add(step, {"mlm_loss": mean(loss, 1.0)})
    window.settle(lambda step, sums: seen.append((step, sums["mlm_loss"], window.means())))
    assert seen == [(1, [1.0, 1.0], {}), (2, [5.0, 1.0], {"mlm_loss": 1.0})]


def checked(watch, losses):
    """The step at which the watch raises; None if it does not."""
    try:
        for step, loss in enumerate(losses, start=1):
            watch.check(
                step, {"a_loss": [loss, 2.0], "b_loss": [loss, 2.0], "accuracy": [9.0, 1.0]}
            )
    except Diverged as error:
        return error.step
    return None


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([1.0] * 20 + [10.5], 21),  # above ten times the median of the sums
        ([1.0] * 20 + [9.5], None),
        ([1.0] * 19 + [10.5], None),  # too few before it
        ([1.0] * 200 + [3.0] * 51 + [11.0], None),  # the median is of the last hundred alone
        ([1.0, math.nan], 2),
        ([math.inf], 1),
        ([0.0] * 20 + [1.0], None),  # the median is 0
    ],
)
def test_a_loss_that_is_not_finite_or_far_above_the_median_diverges(losses, step):
    assert checked(LossWatch(WatchConfig(loss_factor=10.0), []), losses) == step


def test_the_watch_resumes_from_the_losses_before():
    watch = LossWatch(WatchConfig(loss_factor=10.0), [])
    checked(watch, [1.0] * 20)
    assert checked(LossWatch(watch.config, watch.losses), [10.5]) == 1
    assert checked(LossWatch(WatchConfig(loss_factor=0.0), watch.losses), [1e9]) is None


def test_it_is_said_once_that_a_run_waits_for_its_data(caplog):
    watch = InputWatch(0.5)
    watch.check(10, 0.9, calls=9)  # too few
    watch.check(20, 0.5, calls=10)
    assert not caplog.records
    for step in (1030, 1040):
        watch.check(step, 0.9, calls=10)
    (record,) = caplog.records
    assert "the run starves: up to step 1,030, 90 % of the time" in record.getMessage()
