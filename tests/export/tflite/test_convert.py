"""The graphs that come out: their operations, how many XNNPACK runs, which ranges are fixed."""

import sys
from collections import Counter

import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.tflite.interpreter import TFLiteModel


@pytest.mark.system
@pytest.mark.parametrize("quantize", ["none", "dynamic"])
def test_few_operations_in_one_piece(make_model, tmp_path, quantize):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
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
    interpreter = litert.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    names = Counter(entry["op_name"] for entry in interpreter._get_ops_details())
    assert 1 <= names["DELEGATE"] <= 2


def products(data):
    """Each fully connected operation: its output's name, the types of its input and weights."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED:
            tensors = [graph.tensors[operator.inputs[0]], graph.tensors[operator.inputs[1]]]
            yield graph.tensors[operator.outputs[0]].name.decode(), *(t.type for t in tensors)


@pytest.mark.system
def test_ranges_are_fixed_where_that_loses_nothing(make_model, tmp_path):
    model, path = make_model("classification"), tmp_path / "m.tflite"
    report = export_tflite(model, None, path, length=32, quantize="int8")
    found = list(products(path.read_bytes()))
    assert {weights for _, _, weights in found} == {schema.TensorType.INT8}
    fixed = [name for name, given, _ in found if given == schema.TensorType.INT8]
    free = [name for name, given, _ in found if given == schema.TensorType.FLOAT32]
    layers = model.config.num_hidden_layers
    for part in ("query_key_value", "/intermediate"):
        assert sum(part in name for name in fixed) == layers
    assert len(fixed) == 3 * layers  # with the attention's outputs
    assert len(free) == layers + 2  # the second products, pooler and classifier
    small = report["variants"][-1]
    assert small["size"] < 0.5 * report["variants"][1]["size"]
    assert small["agreement"] > 0.7


@pytest.mark.system
def test_ranges_come_from_the_calibration_text(make_model, tmp_path):
    """Other texts, other ranges: one sequence is answered otherwise."""
    model = make_model("classification")
    ids = np.array([[2, 5, 6, 7, 3, *[0] * 11]], np.int32)
    batch = {
        "input_ids": ids,
        "attention_mask": (ids > 0).astype(np.int32),
        "token_type_ids": np.zeros_like(ids),
    }
    answers = []
    for name, text in (("a", "a short one"), ("b", "quite another text, twice as long! " * 3)):
        data = tmp_path / f"{name}.txt"
        data.write_text(f"{text}\n" * 8, encoding="utf-8")
        path = tmp_path / f"{name}.tflite"
        export_tflite(model, None, path, length=16, quantize="int8", data=str(data))
        answers.append(TFLiteModel(path.read_bytes()).run(batch)["probabilities"])
    assert np.abs(answers[0] - answers[1]).max() > 1e-4


@pytest.mark.system
def test_without_the_quantizer_it_says_what_to_install(make_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    with pytest.raises(InputError, match=r"needs ai-edge-quantizer.*pip install .*'ai-edge-qua"):
        export_tflite(make_model("classification"), None, tmp_path / "m.tflite", quantize="int8")
    assert not list(tmp_path.iterdir())
