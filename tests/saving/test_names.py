import numpy as np
import pytest

from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
)
from bert_keras.saving.name_rules import current_name
from bert_keras.saving.names import Entry, entries


def test_fused_kernel_comes_apart_into_torch_layout_and_back() -> None:
    entry = Entry("kernel", ("q", "k", "v"), (2, 2), is_kernel=True)
    ours = np.arange(2 * 6).reshape(2, 6)
    theirs = entry.to_theirs(ours)
    assert list(theirs) == ["q", "k", "v"]
    np.testing.assert_array_equal(theirs["k"], ours[:, 2:4].T)
    assert all(array.flags.c_contiguous for array in theirs.values())
    np.testing.assert_array_equal(entry.from_theirs(list(theirs.values())), ours)


def test_embeddings_are_not_transposed() -> None:
    table = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(Entry("table", ("t",), (3, 2)).to_theirs(table)["t"], table)


@pytest.mark.parametrize(
    "model_class",
    [BertForPreTraining, BertForSequenceClassification, BertForQuestionAnswering, BertEncoder],
)
def test_table_knows_every_weight_and_its_shape(model_class: type) -> None:
    config = BertConfig(
        vocab_size=9,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=6,
        max_position_embeddings=5,
        type_vocab_size=3,
    )
    table = {entry.ours: entry for entry in entries(config)}
    assert len(table) == len(list(entries(config)))
    for weight in model_class(config).trainable_weights:
        theirs = table[weight.path].to_theirs(weight.numpy())
        assert {array.shape for array in theirs.values()} == {table[weight.path].shape}
    names = [name for entry in table.values() for name in entry.theirs]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"),
        ("cls.predictions.transform.LayerNorm.beta", "cls.predictions.transform.LayerNorm.bias"),
        ("bert.pooler.dense.bias", "bert.pooler.dense.bias"),
        ("encoder.layer.0.output.dense.bias", "bert.encoder.layer.0.output.dense.bias"),
    ],
)
def test_old_and_bare_names_are_understood(old: str, current: str) -> None:
    assert current_name(old) == current
