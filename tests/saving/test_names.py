import re

import numpy as np
import pytest

from bert_keras import BertConfig
from bert_keras.saving import garden, google, keras_file, keras_hub
from bert_keras.saving.families import bert, distilbert, electra, family_of_model, mpnet, roberta
from bert_keras.saving.names import Names, Weight, bert_variables, projection_variables
from tests.support.models import registered_models, suited

CONFIG = BertConfig(
    vocab_size=9,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
    type_vocab_size=3,
)
# With every weight that there is: a dense layer behind narrower embeddings.
NARROW = electra.ElectraConfig(**CONFIG.to_dict(), embedding_size=2)
TABLES = {
    "bert": bert.NAMES,
    "distilbert": distilbert.NAMES,
    "roberta": roberta.NAMES,
    "electra": electra.NAMES,
    "mpnet": mpnet.NAMES,
    "google": google.NAMES,
    "garden": garden.NAMES,
    "keras-hub": keras_hub.NAMES,
    "keras": keras_file.NAMES,
}


def test_fused_kernel_comes_apart_into_torch_layout_and_back() -> None:
    weight = Weight("kernel", ("q", "k", "v"), (2, 2), (2, 2), is_transposed=True)
    ours = np.arange(2 * 6).reshape(2, 6)
    theirs = weight.to_file(ours)
    assert list(theirs) == ["q", "k", "v"]
    np.testing.assert_array_equal(theirs["k"], ours[:, 2:4].T)
    assert all(array.flags.c_contiguous for array in theirs.values())
    np.testing.assert_array_equal(weight.from_file(list(theirs.values())), ours)


def test_heads_on_an_axis_of_their_own_are_joined_and_put_apart() -> None:
    names = Names({"layer_#/attention/output": "l#/o"}, {"kernel": "/w"}, has_heads=True)
    weight = names.weight("layer_1/attention/output/kernel", (4, 4), CONFIG)
    assert (weight.names, weight.shape) == (("l1/o/w",), (2, 2, 4))
    ours = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(weight.from_file([ours.reshape(2, 2, 4)]), ours)
    np.testing.assert_array_equal(weight.to_file(ours)["l1/o/w"], ours.reshape(2, 2, 4))


@pytest.mark.parametrize("model_class", registered_models())
def test_every_weight_and_its_shape_are_known_before_the_model_is_made(model_class: type) -> None:
    labels = getattr(model_class, "fixed_units", None) or 2
    config = suited(CONFIG, model_class)
    variables = family_of_model(model_class).variables
    known = dict(variables(config, labels))
    assert len(known) == len(list(variables(config, 2)))
    for variable in model_class(config).trainable_weights:
        assert known[variable.path] == tuple(variable.shape)


@pytest.mark.parametrize("layout", TABLES)
def test_no_two_weights_have_one_name_and_every_row_of_a_table_is_of_a_weight(layout: str) -> None:
    table = TABLES[layout]
    variables = [*bert_variables(NARROW), *projection_variables(NARROW, {"dense_units": 3})]
    variables.append(("position_bias/relative_attention_bias", (32, 2)))
    names = [name for path, _ in variables for name in table.of(path)]
    assert len(set(names)) == len(names)
    ours = {re.sub(r"layer_\d+", "layer_#", path) for path, _ in variables}
    assert table.layers.keys() <= ours | {path.rpartition("/")[0] for path in ours}


@pytest.mark.parametrize("layout", TABLES)
def test_an_array_goes_through_every_layout_unharmed(layout: str) -> None:
    draw = np.random.default_rng(0)
    for path, shape in bert_variables(NARROW):
        weight = TABLES[layout].weight(path, shape, NARROW)
        if weight.names:
            ours = draw.normal(size=shape)
            theirs = weight.to_file(ours)
            assert {array.shape for array in theirs.values()} == {weight.shape}
            np.testing.assert_array_equal(weight.from_file(list(theirs.values())), ours)
