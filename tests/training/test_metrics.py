import json

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bert_keras.errors import InputError
from bert_keras.training.metrics import MetricsLog, read_metrics


def test_lines_after_the_step_a_run_goes_on_from_are_dropped(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write(step, "train", {"mlm_loss": float(step)})
    MetricsLog(tmp_path, step=2).write(3, "train", {"mlm_loss": 9.0})
    assert [line["mlm_loss"] for line in read_metrics(tmp_path)] == [1.0, 2.0, 9.0]


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path):
    MetricsLog(tmp_path).write(1, "train", {"mlm_loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "spl')
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b'{"step": 1}', b'{"a": 1}', b"\xff\xff"])
def test_a_broken_line_within_is_an_error_with_its_number(tmp_path, line):
    good = b'{"step": 1, "split": "train"}\n'
    (tmp_path / "metrics.jsonl").write_bytes(good + line + b"\n" + good)
    with pytest.raises(InputError, match="line 2 is no line of a log; delete it") as error:
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
