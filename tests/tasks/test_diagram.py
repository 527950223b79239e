import numpy as np
import pytest
from matplotlib.image import imread

from bert_keras import InputError, plot_reliability
from bert_keras.tasks import Evaluation
from bert_keras.tasks.metrics import reliability


@pytest.fixture
def evaluation():
    draw = np.random.default_rng(0)
    logits, right = draw.normal(size=(50, 3)), draw.integers(0, 3, 50)
    bare = Evaluation({}, None, [], [], reliability=reliability(3 * logits, right))
    return Evaluation({}, None, [], [], reliability=reliability(logits, right), before=bare)


def test_a_picture_has_a_panel_for_before_and_one_for_after(evaluation, tmp_path):
    both = imread(plot_reliability(evaluation, tmp_path / "both.png"))
    one = imread(plot_reliability(evaluation.before, tmp_path / "one.png"))
    assert both.shape[1] == 2 * one.shape[1]
    text = plot_reliability(evaluation, tmp_path / "both.svg").read_text()
    for side, found in (("before", evaluation.before), ("after", evaluation)):
        assert f"{side}: expected calibration error {found.reliability.error:.4f}" in text


def test_the_same_answers_are_the_same_file(evaluation, tmp_path):
    first, again = (
        plot_reliability(evaluation, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg")
    )
    assert first == again


def test_what_cannot_be_drawn_is_refused_and_no_file_replaced(evaluation, tmp_path):
    with pytest.raises(InputError, match=r"a diagram is a .png or a .svg"):
        plot_reliability(evaluation, tmp_path / "a.pdf")
    with pytest.raises(InputError, match="of probabilities of labels"):
        plot_reliability(Evaluation({}, None, [], []), tmp_path / "a.png")
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        plot_reliability(evaluation, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "mine"
