"""The weights of a model against those of a file: what is missing, too much, or another shape."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import BertEncoder, BertForSequenceClassification
from bert_keras.saving.families.bert import BERT, NAMES
from bert_keras.saving.stored import StoredModel, stored_weights
from bert_keras.saving.weights import Plan, Report, check, fill, weights_to_save
from tests.support.models import TINY, assert_same_weights, make_model


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """The arrays of a classifier's file."""
    table = weights_to_save(make_model(BertForSequenceClassification), BERT, NAMES)
    return {n: a for weight, v in table for n, a in weight.to_file(v.numpy()).items()}


def stored(arrays: Mapping[str, np.ndarray]) -> StoredModel:
    shapes = {name: array.shape for name, array in arrays.items()}
    return StoredModel(
        path=Path("model"),
        layout="test",
        family=BERT,
        config=TINY,
        weights=stored_weights("the file", NAMES, shapes, arrays.__getitem__),
        model_class=BertForSequenceClassification,
        read_tokenizer=lambda casing: None,
    )


def planned(
    model_class: type = BertForSequenceClassification,
    optional: tuple[str, ...] = (),
    superfluous: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
) -> Plan:
    return Plan(model_class, {}, set(optional), set(superfluous), set(ignored))


def test_every_weight_goes_there_and_back(arrays: dict[str, np.ndarray]) -> None:
    file, report, progress = stored(arrays), Report("test"), []
    found = check(file, planned(), report)
    model = BertForSequenceClassification(TINY, initialize=False)
    fill(model, found, file.weights, report, lambda *step: progress.append(step))
    assert_same_weights(model, make_model(BertForSequenceClassification))
    assert (report.new, report.left_out) == ([], [])
    assert sorted(name for name, _, _ in report.loaded) == sorted(arrays)
    size = sum(4 * array.size for array in arrays.values())
    assert progress[-1] == (size, size)


def test_what_the_file_need_not_have_is_new(arrays: dict[str, np.ndarray]) -> None:
    encoder = {name: a for name, a in arrays.items() if not name.startswith("classifier")}
    report = Report("test")
    found = check(stored(encoder), planned(optional=("classifier",)), report)
    assert report.new == ["classifier/output/kernel", "classifier/output/bias"]
    assert not any(weight.component == "classifier" for weight in found)
    with pytest.raises(InputError, match=r"lacks the weight classifier\.weight"):
        check(stored(encoder), planned(), Report("test"))


def test_half_of_a_head_is_not_a_new_one(arrays: dict[str, np.ndarray]) -> None:
    half = {name: a for name, a in arrays.items() if name != "classifier.bias"}
    with pytest.raises(InputError, match=r"lacks the weight classifier\.bias"):
        check(stored(half), planned(optional=("classifier",)), Report("test"))


def test_what_the_model_lacks_is_left_out_where_that_is_allowed(
    arrays: dict[str, np.ndarray],
) -> None:
    report = Report("test")
    check(stored(arrays), planned(BertEncoder, superfluous=("classifier",)), report)
    assert report.left_out == ["classifier.bias", "classifier.weight"]
    with pytest.raises(InputError, match="2 weights that a BertEncoder does not use: classifier"):
        check(stored(arrays), planned(BertEncoder), Report("test"))


def test_a_head_that_is_ignored_is_new_and_the_files_left_out(
    arrays: dict[str, np.ndarray],
) -> None:
    report = Report("test")
    plan = planned(optional=("classifier",), ignored=("classifier",))
    check(stored(arrays), plan, report)
    assert len(report.new) == len(report.left_out) == 2


def test_another_shape_is_told_with_both(arrays: dict[str, np.ndarray]) -> None:
    wrong = arrays | {"classifier.weight": np.zeros((3, 4))}
    with pytest.raises(InputError, match=r"Received: \(3, 4\), expected: \(2, 4\)"):
        check(stored(wrong), planned(), Report("test"))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16, np.int32, np.bool_])
def test_only_floats_are_weights(arrays: dict[str, np.ndarray], dtype: Any) -> None:
    other = arrays | {"classifier.bias": np.ones(2, dtype)}
    file, report = stored(other), Report("test")
    found = check(file, planned(), report)
    model = BertForSequenceClassification(TINY, initialize=False)
    if dtype in (np.int32, np.bool_):
        with pytest.raises(InputError, match=r"classifier\.bias must be of a float type"):
            fill(model, found, file.weights, report, None)
    else:
        fill(model, found, file.weights, report, None)
        np.testing.assert_array_equal(model.classifier.output_dense.bias, [1, 1])
