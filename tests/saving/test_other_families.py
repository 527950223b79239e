"""The names and keys of families besides BERT, written here; `make parity` asks transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import bert_keras
from bert_keras import BertEncoder, BertForSequenceClassification
from bert_keras.arithmetic import Arithmetic
from bert_keras.config.model import field_names
from bert_keras.saving.families import mpnet
from tests.support.models import refusal

BATCH = {
    "input_ids": np.array([[2, 5, 7, 4, 3], [2, 6, 3, 1, 1]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


def _dense(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, units: int = 4) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (units,), f"{name}.bias": (units,)}


def _bert_like(
    prefix: str, positions: int, types: int, width: int = 4
) -> dict[str, tuple[int, ...]]:
    """The encoder's weights: 9 tokens, hidden size 4, inner 6, one layer."""
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}.embeddings.word_embeddings.weight": (9, width),
        f"{prefix}.embeddings.position_embeddings.weight": (positions, width),
        f"{prefix}.embeddings.token_type_embeddings.weight": (types, width),
    }
    layer = f"{prefix}.encoder.layer.0"
    for name in ("attention.self.query", "attention.self.key", "attention.self.value"):
        shapes |= _dense(f"{layer}.{name}", 4, 4)
    shapes |= _dense(f"{layer}.attention.output.dense", 4, 4)
    shapes |= _dense(f"{layer}.intermediate.dense", 6, 4) | _dense(f"{layer}.output.dense", 4, 6)
    shapes |= _norm(f"{layer}.attention.output.LayerNorm") | _norm(f"{layer}.output.LayerNorm")
    return shapes | _norm(f"{prefix}.embeddings.LayerNorm", width)


def _mpnet_weights() -> dict[str, tuple[int, ...]]:
    shapes = {
        name.replace("attention.self.query", "attention.attn.q")
        .replace("attention.self.key", "attention.attn.k")
        .replace("attention.self.value", "attention.attn.v")
        .replace("attention.output.dense", "attention.attn.o")
        .replace("attention.output.LayerNorm", "attention.LayerNorm"): shape
        for name, shape in _bert_like("mpnet", 7, 1).items()
        if "token_type" not in name
    }
    return shapes | {"mpnet.encoder.relative_attention_bias.weight": (32, 2)}


SIZES = {
    "vocab_size": 9,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "id2label": {"0": "no", "1": "yes", "2": "so"},
}
ROBERTA = SIZES | {
    "model_type": "roberta",
    "architectures": ["RobertaForSequenceClassification"],
    "max_position_embeddings": 7,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "layer_norm_eps": 1e-5,
}
ROBERTA_WEIGHTS = (
    _bert_like("roberta", 7, 1)
    | _dense("classifier.dense", 4, 4)
    | _dense("classifier.out_proj", 3, 4)
)
XLM = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaForSequenceClassification"]}
CASES = {
    "roberta": (ROBERTA, ROBERTA_WEIGHTS),
    "xlm-roberta": (ROBERTA | XLM, ROBERTA_WEIGHTS),
    "ernie": (
        SIZES
        | {
            "model_type": "ernie",
            "architectures": ["ErnieForSequenceClassification"],
            "max_position_embeddings": 7,
            "task_type_vocab_size": 4,
            "use_task_id": True,
        },
        _bert_like("ernie", 7, 2)
        | {"ernie.embeddings.task_type_embeddings.weight": (4, 4)}
        | _dense("ernie.pooler.dense", 4, 4)
        | _dense("classifier", 3, 4),
    ),
    "electra": (
        SIZES
        | {
            "model_type": "electra",
            "architectures": ["ElectraForSequenceClassification"],
            "embedding_size": 2,
            "max_position_embeddings": 7,
            "summary_activation": "gelu",
        },
        _bert_like("electra", 7, 2, width=2)
        | _dense("electra.embeddings_project", 4, 2)
        | _dense("classifier.dense", 4, 4)
        | _dense("classifier.out_proj", 3, 4),
    ),
    "mpnet": (
        SIZES
        | {
            "model_type": "mpnet",
            "architectures": ["MPNetForSequenceClassification"],
            "max_position_embeddings": 7,
            "relative_attention_num_buckets": 32,
            "pad_token_id": 1,
        },
        _mpnet_weights() | _dense("classifier.dense", 4, 4) | _dense("classifier.out_proj", 3, 4),
    ),
}


def _written(folder: Path, case: str) -> tuple[Path, dict[str, np.ndarray]]:
    """A directory as that family's own program would write it, and its arrays."""
    values, shapes = CASES[case]
    draw = np.random.default_rng(0)
    arrays = {name: draw.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(values))
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    return folder, arrays


@pytest.mark.parametrize("case", CASES)
def test_it_opens_and_comes_back_under_its_own_names_and_keys(case: str, tmp_path: Path) -> None:
    theirs, arrays = _written(tmp_path / "theirs", case)
    model = bert_keras.load(theirs)
    values: dict[str, Any] = CASES[case][0]
    assert type(model).__name__ == values["architectures"][0]
    assert isinstance(model, BertForSequenceClassification)
    assert len(model.report.loaded) == len(arrays)
    bert_keras.save(model, tmp_path / "ours")
    written = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert values.items() <= written.items()
    after = safetensors.numpy.load_file(tmp_path / "ours" / "model.safetensors")
    assert after.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(after[name], array, name)


def test_a_roberta_is_a_bert_whose_positions_begin_behind_that_of_padding(tmp_path: Path) -> None:
    path, _ = _written(tmp_path / "theirs", "roberta")
    roberta = bert_keras.load(path, BertEncoder)
    assert roberta.config.longest_sequence == 5
    bert = BertEncoder(
        bert_keras.BertConfig(**roberta.config.to_dict() | {"max_position_embeddings": 5}),
        with_pooler=False,
    )
    for ours, weight in zip(bert.weights, roberta.weights, strict=True):
        is_table = weight.path == "embeddings/position_embeddings"
        ours.assign(weight[2:] if is_table else weight)
    expected = bert(BATCH)["sequence_output"]
    keep = BATCH["attention_mask"] == 1
    output = roberta(BATCH)["sequence_output"]
    np.testing.assert_allclose(output[keep], expected[keep], atol=1e-6)
    # Padding to the left of a text does not move its positions.
    left = {name: rows[:, ::-1][:, :5].copy() for name, rows in BATCH.items()}
    left["input_ids"][1] = [1, 1, 2, 6, 3]
    moved = roberta(left)["sequence_output"][1, 2:]
    np.testing.assert_allclose(moved, output[1, :3], atol=1e-6)


def test_an_ernie_is_a_bert_with_the_embedding_of_task_0_at_every_token(tmp_path: Path) -> None:
    path, arrays = _written(tmp_path / "theirs", "ernie")
    ernie = bert_keras.load(path, BertEncoder)
    config = {name: getattr(ernie.config, name) for name in field_names(bert_keras.BertConfig)}
    bert = BertEncoder(bert_keras.BertConfig(**config))
    tasks = arrays["ernie.embeddings.task_type_embeddings.weight"]
    weights = {weight.path: weight.numpy() for weight in ernie.weights}
    weights["embeddings/word_embeddings"] += tasks[0]
    for weight in bert.weights:
        weight.assign(weights[weight.path])
    outputs, expected = ernie(BATCH), bert(BATCH)
    for name, output in expected.items():
        np.testing.assert_allclose(outputs[name][:1], output[:1], atol=1e-5, err_msg=name)


def _bucket(distance: int) -> int:
    """The row of T5's table for a distance, of 32 (Raffel et al. 2020, section 2.1)."""
    far, row = abs(distance), abs(distance)
    if far >= 8:
        row = min(8 + int(np.log(np.float32(far / 8)) / np.log(128 / 8) * 8), 15)
    return row + 16 * (distance > 0)


def _mpnet(length: int, **how: Any) -> Any:
    config = mpnet.MPNetConfig(
        vocab_size=9,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=6,
        max_position_embeddings=length + 2,
        initializer_range=0.5,
    )
    return mpnet.MPNetEncoder(config, **how)


def test_mpnets_scores_have_the_bias_of_each_distance() -> None:
    model, ids = _mpnet(300), np.random.default_rng(0).integers(2, 9, (1, 300))
    table = model.position_bias.relative_attention_bias
    biases = table.numpy()
    weights = model({"input_ids": ids}, collect=("attentions",))["attentions"][0]
    table.assign(np.zeros_like(biases))
    plain = model({"input_ids": ids}, collect=("attentions",))["attentions"][0]
    rows = [[_bucket(seen - place) for seen in range(300)] for place in range(300)]
    expected = plain * np.exp(biases[rows].transpose(2, 0, 1))
    expected /= expected.numpy().sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_mpnets_bias_has_the_same_gradient_where_layers_are_computed_twice() -> None:
    gradients = []
    for again in (False, True):
        model = _mpnet(5, arithmetic=Arithmetic(rematerialize=again))
        with tf.GradientTape() as tape:
            output = model(BATCH)["pooled_output"]
            loss = tf.reduce_sum(output * tf.range(8.0)[:, tf.newaxis][:2])
        table = model.position_bias.relative_attention_bias
        gradients.append(tape.gradient(loss, table.value))
    assert np.abs(gradients[0]).max() > 1e-3
    np.testing.assert_allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relative_attention_num_buckets": 16}, "must be a whole number of at least 32"),
        ({"max_position_embeddings": 2}, "must be a whole number of at least 3"),
    ],
)
def test_an_mpnet_without_the_rows_that_are_read_is_refused(
    change: dict[str, int], words: str, tmp_path: Path
) -> None:
    theirs, _ = _written(tmp_path / "theirs", "mpnet")
    file = theirs / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert words in refusal(theirs)


def test_positions_that_end_before_they_begin_are_refused(tmp_path: Path) -> None:
    theirs, _ = _written(tmp_path / "theirs", "roberta")
    file = theirs / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"max_position_embeddings": 2}))
    assert "must exceed pad_token_id + 1" in refusal(theirs)
