"""A file's weights under the names of a table, without a file."""

from dataclasses import replace

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.saving.families.bert import BERT
from bert_keras.saving.names import Names
from bert_keras.saving.stored import components_in, names_by_component, stored_weights
from tests.support.models import TINY

NAMES = Names(
    {"pooler/output": "pooler", "masked_lm_head/output_bias": "bias"},
    {"kernel": ".w", "bias": ".b"},
    tied={"decoder": "words"},
)
ARRAYS = {"old.pooler.w": np.ones((2, 3)), "decoder": np.zeros(4)}


def stored(names=("old.pooler.w", "decoder"), **functions):
    shapes = dict.fromkeys(names, (2, 3))
    return stored_weights("the file", NAMES, shapes, ARRAYS.__getitem__, **functions)


def without_prefix(name):
    return name.removeprefix("old.")


def test_a_weight_is_read_by_the_tables_name_and_told_by_the_files():
    weights = stored(rename=without_prefix)
    assert weights.shapes["pooler.w"] == (2, 3)
    assert weights.read("pooler.w") is ARRAYS["old.pooler.w"]
    assert weights.name("pooler.w") == "old.pooler.w"


def test_a_name_that_the_file_lacks_is_told_as_the_file_would_write_it():
    weights = stored(rename=without_prefix, missing=lambda name: f"old.{name}")
    assert weights.name("pooler.b") == "old.pooler.b"


def test_a_copy_takes_the_place_of_the_name_that_it_is_tied_to():
    weights = stored()
    assert weights.shapes.keys() == {"old.pooler.w", "words"}
    assert weights.read("words") is ARRAYS["decoder"]
    both = stored(["words", "decoder"])
    assert both.shapes.keys() == {"words", "decoder"}


def test_two_names_of_one_weight_are_refused_with_both():
    with pytest.raises(InputError, match=r"one weight twice: pooler\.w and old\.pooler\.w"):
        stored(["pooler.w", "old.pooler.w"], rename=without_prefix)


def test_components_are_those_with_a_weight_in_the_file():
    names = ["bert.pooler.dense.bias", "cls.predictions.bias", "something.else"]
    weights = stored_weights("f", BERT.names, dict.fromkeys(names, (1,)), ARRAYS.__getitem__)
    assert components_in(weights, BERT, TINY) == {"pooler", "masked_lm_head"}
    only = stored_weights("f", BERT.names, {names[0]: (1,)}, ARRAYS.__getitem__)
    assert components_in(only, BERT, TINY) == {"pooler"}


def test_names_of_components_do_not_grow_with_the_layers():
    deep = replace(TINY, num_hidden_layers=10_000)
    known = names_by_component(BERT.names, BERT, deep)
    assert known == names_by_component(BERT.names, BERT, TINY)
    assert [name for name in known if name.startswith("layer_")] == ["layer_0"]
    assert known["classifier"] == {"classifier.weight", "classifier.bias"}
