import matplotlib.image
import pytest
from matplotlib.axes import Axes

from bert_keras.errors import InputError
from bert_keras.training.curves import plot_curves
from bert_keras.training.metrics import MetricsLog


def test_draws_a_picture_with_curves_in_it(tmp_path):
    log = MetricsLog(tmp_path)
    for step in range(1, 6):
        values = {"mlm_loss": 6.0 / step, "mlm_accuracy": step / 10}
        log.write(step, "train", values)
        log.write(step, "eval", values | {"mlm_baseline_accuracy": 0.06})
    picture = matplotlib.image.imread(plot_curves(tmp_path))
    assert picture.shape[0] > 500
    # matplotlib's first color, of the training curve, fainter.
    blue = (picture[..., 2] > picture[..., 0] + 0.2).sum()
    assert blue > 100


def test_a_run_without_next_sentences_has_no_panel_for_them(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda axes, title: titles.append(title))
    MetricsLog(tmp_path).write(1, "eval", {"mlm_loss": 6.0, "mlm_accuracy": 0.1})
    plot_curves(tmp_path)
    assert titles == ["Masked words: loss (nats)", "Masked words: accuracy"]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no metrics\.jsonl"):
        plot_curves(tmp_path)
