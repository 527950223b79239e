import matplotlib.image
import pytest
from matplotlib.axes import Axes

from bert_keras.errors import InputError
from bert_keras.training.curves import (
    MASKS_FILE,
    FilledMask,
    plot_curves,
    read_filled_masks,
    write_filled_masks,
)
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


MASKS = [
    FilledMask("A list [MASK] strings.", [("of", 0.93), ("with", 0.01)]),
    FilledMask("$x$ [MASK] 中", [("_", 0.5), ("{$", 0.25), ("字", 0.125)]),
]


def test_filled_masks_are_a_panel_beside_the_lengths(tmp_path, monkeypatch):
    titles, texts = [], []
    log = MetricsLog(tmp_path)
    for step, length in enumerate([10, 10, 64], start=1):
        values = {"mlm_loss": 6.0, "mlm_accuracy": 0.1, "nsp_loss": 0.7, "nsp_accuracy": 0.5}
        log.write(step, "train", values | {"max_seq_length": length})
    plot_curves(tmp_path, MASKS).unlink()
    write_filled_masks(tmp_path, MASKS)
    write_filled_masks(tmp_path, MASKS)  # a second quickstart in its folder
    assert read_filled_masks(tmp_path) == MASKS
    monkeypatch.setattr(Axes, "set_title", lambda axes, title: titles.append(title))
    add = Axes.text
    monkeypatch.setattr(
        Axes, "text", lambda axes, x, y, s, **kw: texts.append(s) or add(axes, x, y, s, **kw)
    )
    picture = matplotlib.image.imread(plot_curves(tmp_path))
    assert picture.shape[1] > 1.9 * picture.shape[0], "three columns"
    assert len(titles) == 6
    assert titles[-2:] == ["Length of the examples (tokens)", "Masked words, filled in"]
    assert texts[:2] == ["A list [MASK] strings.", "    of 0.93, with 0.01"]
    assert texts[3] == "    _ 0.50, {$ 0.25, \\u5b57 0.12"


@pytest.mark.parametrize("text", ["{", "[]", '{"filled_masks": 3}', '{"filled_masks": [{}]}'])
def test_a_file_that_is_no_list_of_filled_masks_stays(tmp_path, text):
    MetricsLog(tmp_path).write(1, "eval", {"mlm_loss": 6.0, "mlm_accuracy": 0.1})
    (tmp_path / MASKS_FILE).write_text(text)
    for function in (plot_curves, lambda folder: write_filled_masks(folder, MASKS)):
        with pytest.raises(InputError, match="is not a list of filled masks, and stays"):
            function(tmp_path)
    assert (tmp_path / MASKS_FILE).read_text() == text
