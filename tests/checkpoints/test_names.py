import numpy as np
import pytest

from bert_keras import BertConfig, BertEncoder, BertForPreTraining
from bert_keras.checkpoints.names import Entry, current_name, entries


def test_fused_kernel_comes_apart_into_torch_layout_and_back() -> None:
    entry = Entry("kernel", ("q", "k", "v"), is_kernel=True)
    ours = np.arange(2 * 6).reshape(2, 6)
    theirs = entry.to_theirs(ours)
    assert list(theirs) == ["q", "k", "v"]
    np.testing.assert_array_equal(theirs["k"], ours[:, 2:4].T)
    assert all(array.flags.c_contiguous for array in theirs.values())
    np.testing.assert_array_equal(entry.from_theirs(list(theirs.values())), ours)


def test_embeddings_are_not_transposed() -> None:
    table = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(Entry("table", ("t",)).to_theirs(table)["t"], table)


@pytest.mark.parametrize(
    ("model_class", "prefix"), [(BertForPreTraining, "bert."), (BertEncoder, "")]
)
def test_table_names_every_weight_once(model_class: type, prefix: str) -> None:
    config = BertConfig(
        vocab_size=9,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=6,
        max_position_embeddings=5,
    )
    paths = {weight.path for weight in model_class(config).trainable_weights}
    table = list(entries(2, prefix))
    ours = [entry.ours for entry in table]
    theirs = [name for entry in table for name in entry.theirs]
    assert paths <= set(ours)
    assert len(set(ours)) == len(ours)
    assert len(set(theirs)) == len(theirs)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"),
        ("cls.predictions.transform.LayerNorm.beta", "cls.predictions.transform.LayerNorm.bias"),
        ("bert.pooler.dense.bias", "bert.pooler.dense.bias"),
    ],
)
def test_oldest_layer_norm_names_are_understood(old: str, current: str) -> None:
    assert current_name(old) == current
