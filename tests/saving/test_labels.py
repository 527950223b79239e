"""The keys of a ``config.json`` for a classifier: its labels, their names, its dropout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bert_keras
from bert_keras import BertEncoder, BertForSequenceClassification
from tests.support.models import make_model, refusal


@pytest.fixture
def make_directory(tmp_path: Path) -> Callable[..., Path]:
    """A classifier of two labels whose ``config.json`` names them by these keys alone."""

    def make(**keys: Any) -> Path:
        bert_keras.save(make_model(BertForSequenceClassification), tmp_path / "model")
        file = tmp_path / "model" / "config.json"
        values = json.loads(file.read_text())
        del values["id2label"], values["label2id"]
        file.write_text(json.dumps(values | keys))
        return tmp_path / "model"

    return make


@pytest.mark.parametrize("count", [None, 2.0, "2", 0, -1, [2], True], ids=repr)
def test_number_of_labels_that_is_none_is_refused(
    count: Any, make_directory: Callable[..., Path]
) -> None:
    message = refusal(make_directory(num_labels=count))
    assert "config.json: num_labels must be a whole number of at least 1. Received: " in message
    assert repr(count) in message


@pytest.mark.parametrize("rate", ["x", 2, 1, -0.1, [1], True, float("nan")], ids=repr)
def test_classifier_dropout_that_is_no_share_is_refused(
    rate: Any, make_directory: Callable[..., Path]
) -> None:
    message = refusal(make_directory(classifier_dropout=rate))
    assert message.endswith(
        f"config.json: classifier_dropout must lie in [0, 1). Received: {rate!r}"
    )


NAMES = {"id2label": {"0": "no", "1": "yes"}}


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        (NAMES | {"num_labels": 3}, "num_labels is 3, but id2label has 2 names; id2label counts"),
        (
            NAMES | {"label2id": {"no": 1, "yes": 0}},
            "label2id contradicts id2label; its labels are no, yes",
        ),
        (
            NAMES | {"label2id": {"no": 0, "yes": 1, "Yes": 1}},
            "label2id contradicts id2label; its labels are no, yes",
        ),
        (
            {"label2id": {"no": 0, "yes": 1}},
            "label2id says nothing without an id2label; its labels are LABEL_0, LABEL_1",
        ),
    ],
    ids=["num_labels", "swapped", "more", "alone"],
)
def test_keys_that_contradict_each_other_are_named(
    keys: dict[str, Any],
    warning: str,
    make_directory: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = make_directory(**keys)
    labels = bert_keras.load(path).labels
    assert labels == (("no", "yes") if "id2label" in keys else ("LABEL_0", "LABEL_1"))
    assert caplog.messages == [f"{path / 'config.json'}: {warning}"]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"num_labels": 2, "id2label": None, "label2id": None},
        {"label2id": {"LABEL_1": 1, "LABEL_0": 0}},
        NAMES | {"num_labels": 2, "label2id": {"yes": 1, "no": 0}},
    ],
    ids=str,
)
def test_keys_that_agree_are_not_spoken_of(
    keys: dict[str, Any], make_directory: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert len(bert_keras.load(make_directory(**keys)).labels) == 2
    assert not caplog.messages


def test_labels_of_a_head_that_is_left_out_are_not_spoken_of(
    make_directory: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    bert_keras.load(make_directory(**NAMES, num_labels=3), BertEncoder)
    assert "num_labels" not in caplog.text
