"""The graphs that come out: how many operations, and in how many pieces XNNPACK runs them."""

from collections import Counter

import pytest

from bert_keras.export import export_tflite

LITERT = pytest.importorskip("ai_edge_litert.interpreter")


@pytest.mark.system
@pytest.mark.parametrize("quantize", ["none", "dynamic"])
def test_few_operations_in_one_piece(make_model, tmp_path, quantize):
    model, path = make_model("classification"), tmp_path / "m.tflite"
    report = export_tflite(model, None, path, length=32, quantize=quantize)
    counts = report["operations"]
    layers = model.config.num_hidden_layers
    assert counts["GELU"] == layers
    assert counts["SPLIT"] == layers
    assert "UNPACK" not in counts
    # A trained layer takes 35, and 23 stand around them; of untrained ones the scale and the offset
    # of each LayerNorm, 1 and 0, fold away.
    expected = 35 * layers + 23 - 2 * (2 * layers + 1)
    assert sum(counts.values()) - counts.get("DEQUANTIZE", 0) == expected
    interpreter = LITERT.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    names = Counter(entry["op_name"] for entry in interpreter._get_ops_details())
    assert 1 <= names["DELEGATE"] <= 2
