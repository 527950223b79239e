import re

import pytest
import tensorflow as tf

from benchmarks.cost import forward_flops, pretraining_cost
from bert_keras.config import BertConfig, PretrainConfig, load_toml
from bert_keras.modeling import BertForPreTraining

VOCAB_SIZE = 30522
# Dense bfloat16 (float16) operations per second of one device, from its data sheet.
PEAKS = {"TPU v4-8 (4 chips)": 4 * 275e12, "8 A100": 8 * 312e12, "8 H100 SXM": 8 * 989e12}


@pytest.mark.parametrize(("length", "predictions"), [(8, 2), (16, 3)])
def test_operations_are_those_of_the_products_in_the_graph(length, predictions):
    """Counted from the shapes that TensorFlow gives the products of the traced model."""
    config = BertConfig.from_preset(
        "tiny", vocab_size=50, hidden_size=12, num_attention_heads=3, intermediate_size=20
    )
    model = BertForPreTraining(config)
    names = ("input_ids", "attention_mask", "token_type_ids")
    batch = {name: tf.TensorSpec([1, length], tf.int32) for name in names}
    batch["masked_lm_positions"] = tf.TensorSpec([1, predictions], tf.int32)
    graph = tf.function(lambda b: model(b)).get_concrete_function(batch).graph
    operations = 0
    for node in graph.get_operations():
        if node.type in ("MatMul", "BatchMatMulV2"):
            transposed = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
            inner = node.inputs[0].shape[-2 if transposed else -1]
            operations += 2 * node.outputs[0].shape.num_elements() * inner
    assert operations == sum(forward_flops(config, length, predictions))


def test_the_page_of_costs_says_what_the_arithmetic_gives(repository):
    folder = repository / "configs" / "pretrain"
    page = (folder / "COST.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?\.toml)` \| (.+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 5
    for name, cells in rows:
        cost = pretraining_cost(load_toml(PretrainConfig, folder / name), VOCAB_SIZE)
        hours = [cost.hours(peak, 0.4) for peak in PEAKS.values()]
        expected = [
            f"{cost.sequences / 1e6:,.0f}",
            f"{cost.tokens / 1e9:,.1f}",
            f"{cost.flops / 1e18:,.1f}",
            *(f"{value:,.1f}" for value in hours),
        ]
        assert cells.split(" | ") == expected, name
    for name, peak in PEAKS.items():
        assert name in page
        assert f"{peak / 1e15:.2f}" in page


def test_rematerialization_costs_a_third_more_in_the_layers(repository):
    path = repository / "configs" / "pretrain" / "base-128.toml"
    kept, again = (
        pretraining_cost(load_toml(PretrainConfig, path, overrides), VOCAB_SIZE).flops
        for overrides in ((), ("train.rematerialize=true",))
    )
    assert 1.25 < again / kept < 4 / 3
