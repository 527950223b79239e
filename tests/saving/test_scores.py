"""What a ``config.json`` asks to be made of a classifier's logits, and that it goes on asking."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

import bert_keras
from bert_keras import BertForSequenceClassification, BertTokenizer
from tests.support.models import VOCAB, make_model, refusal

SIGMOID, IDENTITY = "torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity"
NEW, OLD = "sentence_transformers", "sbert_ce_default_activation_function"


@pytest.fixture
def make_directory(tmp_path: Path) -> Callable[..., Path]:
    """A classifier whose ``config.json`` has these keys, and none of ours."""

    def make(labels: int = 1, **keys: Any) -> Path:
        path = tmp_path / "theirs"
        model = make_model(BertForSequenceClassification, labels=labels)
        bert_keras.save(model, path, BertTokenizer(VOCAB))
        values = json.loads((path / "config.json").read_text())
        del values["problem_type"]
        values.pop(NEW, None)
        (path / "config.json").write_text(json.dumps(values | keys))
        return path

    return make


def _config(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((path / "config.json").read_text())
    return values


def system(*case: Any) -> Any:
    return pytest.param(*case, marks=pytest.mark.system)


@pytest.mark.parametrize(
    ("keys", "is_sigmoid"),
    [
        system({}, True),
        system({"problem_type": None}, True),
        system({"problem_type": "regression"}, False),
        ({NEW: {"activation_fn": IDENTITY, "version": "4.1.0"}}, False),
        system({NEW: {"activation_fn": SIGMOID}}, True),
        system({OLD: IDENTITY}, False),
        system({"problem_type": "regression", OLD: "torch.nn.Sigmoid"}, True),
    ],
    ids=str,
)
def test_score_is_the_one_that_the_config_asks_for_and_its_keys_go_back(
    keys: dict[str, Any], is_sigmoid: bool, make_directory: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_directory(**keys)
    model = bert_keras.load(source)
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    bert_keras.save(bert_keras.load(tmp_path / "m.keras"), tmp_path / "g", format="google")
    bert_keras.save(bert_keras.load(tmp_path / "g"), tmp_path / "back")
    logit = float(model({"input_ids": np.array([[2, 5, 3]])})["logits"][0, 0])
    for path in (source, tmp_path / "m.keras", tmp_path / "g", tmp_path / "back"):
        (answer,) = bert_keras.predict(bert_keras.load(path), ["a"])
        assert answer["score"] == pytest.approx(expit(logit) if is_sigmoid else logit, rel=1e-4)
    written = {key: value for key, value in _config(tmp_path / "back").items() if key in keys}
    assert written == {key: value for key, value in keys.items() if value is not None}
    assert "problem_type" in keys or "problem_type" not in _config(tmp_path / "back")


def test_sigmoid_of_several_labels_is_one_by_one(make_directory: Callable[..., Path]) -> None:
    model = bert_keras.load(make_directory(3, **{NEW: {"activation_fn": SIGMOID}}))
    (answer,) = bert_keras.predict(model, ["a"])
    logits = model({"input_ids": np.array([[2, 5, 3]])})["logits"][0]
    assert list(answer["scores"].values()) == pytest.approx(list(expit(logits)), rel=1e-4)


@pytest.mark.parametrize("name", ["os.system", "torch.nn.modules.activation.Tanh", ["x"]])
@pytest.mark.parametrize("key", [NEW, OLD])
def test_other_activations_are_refused_by_name_and_never_imported(
    key: str, name: Any, make_directory: Callable[..., Path]
) -> None:
    keys = {key: {"activation_fn": name} if key == NEW else name}
    assert f"Received: {name!r}" in refusal(make_directory(**keys))


def test_a_function_that_is_given_takes_the_place_of_the_files(
    make_directory: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_directory(**{NEW: {"activation_fn": IDENTITY, "version": "4.1.0"}})
    given = {"problem_type": "regression", "function_to_apply": "sigmoid"}
    model = bert_keras.load(source, BertForSequenceClassification, **given)
    bert_keras.save(model, tmp_path / "ours")
    assert _config(tmp_path / "ours")[NEW] == {"activation_fn": SIGMOID}
    again = bert_keras.load(tmp_path / "ours")
    assert isinstance(again, BertForSequenceClassification)
    assert again.function_to_apply == "sigmoid"


def test_new_head_does_not_inherit_the_old_ones_score(
    make_directory: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_directory(**{NEW: {"activation_fn": SIGMOID}, OLD: SIGMOID})
    for number, arguments in enumerate(
        ({"labels": 3}, {"labels": ["score"], "problem_type": "regression"})
    ):
        model = bert_keras.load(source, BertForSequenceClassification, **arguments)
        assert model.as_given["function_to_apply"] is None
        bert_keras.save(model, tmp_path / str(number))
        written = _config(tmp_path / str(number))
        # A regression's own one says that sentence-transformers is to take no sigmoid.
        own = {NEW: {"activation_fn": IDENTITY}} if len(model.labels) == 1 else {}
        assert {key: value for key, value in written.items() if key in (NEW, OLD)} == own
        assert written["problem_type"] == model.problem_type
