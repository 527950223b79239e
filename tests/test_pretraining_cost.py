import pytest
import tensorflow as tf

from benchmarks.cost import (
    PEAKS,
    VOCAB_SIZE,
    Cost,
    forward_flops,
    pretraining_cost,
    row,
    table,
)
from bert_keras.config import BertConfig, PretrainConfig, load_toml
from bert_keras.modeling import BertForPreTraining


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
    page = (repository / "configs" / "pretrain" / "COST.md").read_text(encoding="utf-8")
    assert f"\n\n{table()}\n\n" in page
    for name, peak in PEAKS.items():
        assert f"{name} {peak / 1e15:.2f}" in page


def test_the_hours_are_those_of_the_operations_at_the_assumed_share(repository):
    cost = Cost(sequences=1, tokens=1, flops=36 * 10**17)
    assert cost.hours(1e15, 0.5) == pytest.approx(2.0)
    _, *cells = row("base-tpu")
    assert cells[0] == "256"  # million sequences: a million steps of 256
    on_v5e, on_v4 = (float(cell) for cell in cells[3:5])
    head = (repository / "configs" / "pretrain" / "base-tpu.toml").read_text(encoding="utf-8")
    assert f"takes {on_v4:.0f} hours on a v4-8" in head
    assert f"as Colab lends, it takes {on_v5e:.0f}," in head
    assert on_v5e / on_v4 == pytest.approx(4 * 275 / 197, rel=0.01)


def test_rematerialization_costs_a_third_more_in_the_layers(repository):
    path = repository / "configs" / "pretrain" / "base-128.toml"
    kept, again = (
        pretraining_cost(load_toml(PretrainConfig, path, overrides), VOCAB_SIZE).flops
        for overrides in ((), ("train.rematerialize=true",))
    )
    assert 1.25 < again / kept < 4 / 3
