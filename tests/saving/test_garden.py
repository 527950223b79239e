"""TF Model Garden's layout, objects linked as there; `make parity-garden` asks the real one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

import bert_keras
from bert_keras import BertEncoder, BertForMaskedLM, BertForPreTraining, BertForTokenClassification
from bert_keras.__main__ import run as main
from tests.support.models import VOCAB, refusal

H, HEADS, INNER, LAYERS = 4, 2, 6, 2
ENCODER = {
    "vocab_size": 8,
    "hidden_size": H,
    "num_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "hidden_activation": "gelu",
    "dropout_rate": 0.2,
    "max_position_embeddings": 5,
}
Shape = tuple[int, ...]


def _norm() -> dict[str, Shape]:
    return {"gamma": (H,), "beta": (H,)}


def _dense(*shape: int, bias: Shape | None = None) -> dict[str, Shape]:
    return {"kernel": shape, "bias": bias or shape[-1:]}


def _encoder_parts() -> dict[str, Any]:
    """The variables of each layer, in the order of the functional encoder."""
    parts: dict[str, Any] = {
        "_embedding_layer": {"embeddings": (8, H)},
        "_position_embedding_layer": {"embeddings": (5, H)},
        "_type_embedding_layer": {"embeddings": (2, H)},
        "_embedding_norm_layer": _norm(),
    }
    split = (HEADS, H // HEADS)
    attention: dict[str, Any] = {
        f"_{name}_dense": _dense(H, *split, bias=split) for name in ("query", "key", "value")
    }
    attention["_output_dense"] = _dense(*split, H)
    for number in range(LAYERS):
        parts[f"_transformer_layers/{number}"] = {
            "_attention_layer": attention,
            "_attention_layer_norm": _norm(),
            "_intermediate_dense": _dense(H, INNER),
            "_output_dense": _dense(INNER, H),
            "_output_layer_norm": _norm(),
        }
    return parts | {"_pooler_layer": _dense(H, H)}


def _numbered(parts: dict[str, Any]) -> dict[str, Any]:
    return {f"layer_with_weights-{n}": part for n, part in enumerate(parts.values())}


HEAD_PARTS = {
    "masked_lm": {"dense": _dense(H, H), "layer_norm": _norm(), "output_bias.Sbias": (8,)},
    "classification_heads/0": {"dense": _dense(H, H), "out_proj": _dense(H, 2)},
}


def _flat(parts: dict[str, Any]) -> dict[str, Shape]:
    flat: dict[str, Shape] = {}
    for name, part in parts.items():
        below = _flat(part) if isinstance(part, dict) else {"": part}
        flat |= {f"{name}/{key}".rstrip("/"): shape for key, shape in below.items()}
    return flat


def _arrays(parts: dict[str, Any]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=s).astype("float32") for name, s in _flat(parts).items()}


def _write(
    path: Path,
    arrays: dict[str, Any],
    config: dict[str, Any] | None = ENCODER,
    name: str = "ckpt-1",
) -> None:
    """Links objects so that their variables have these names, and saves them as the garden does."""
    root = tf.train.Checkpoint()
    for way_there, array in arrays.items():
        *way, last = way_there.split("/")
        owner = root
        for edge in way:
            # In a file S after a point stands for the stroke that a name itself has.
            if not hasattr(owner, edge):
                setattr(owner, edge, tf.train.Checkpoint())
            owner = getattr(owner, edge)
        setattr(owner, last.replace(".S", "/"), tf.Variable(array))
    root.write(str(path / name))
    if config is not None:
        values = {"task": {"model": {"encoder": {"type": "bert", "bert": config}}}}
        (path / "params.yaml").write_text(yaml.safe_dump(values))


def _pretrainer() -> dict[str, Any]:
    return {"model": {"encoder_network": _encoder_parts()} | HEAD_PARTS}


def test_file_is_one_that_tensorflow_names_as_the_garden(tmp_path: Path) -> None:
    arrays = _arrays(_pretrainer())
    _write(tmp_path, arrays)
    reader = tf.train.load_checkpoint(str(tmp_path / "ckpt-1"))
    names = {f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in arrays}
    assert names <= reader.get_variable_to_shape_map().keys()


def test_pretrainer_opens_with_both_heads_and_the_pooler_of_the_second(tmp_path: Path) -> None:
    arrays = _arrays(_pretrainer())
    _write(tmp_path, arrays)
    model = bert_keras.load(tmp_path)
    assert type(model) is BertForPreTraining
    assert model.config.hidden_act == "gelu_new"
    assert model.config.hidden_dropout_prob == 0.2
    attention = model.encoder.transformer_layers[1].attention
    theirs = "model/encoder_network/_transformer_layers/1/_attention_layer"
    fused = [arrays[f"{theirs}/_{name}_dense/kernel"] for name in ("query", "key", "value")]
    kernel = np.concatenate([array.reshape(H, H) for array in fused], axis=1)
    np.testing.assert_array_equal(attention.query_key_value.kernel, kernel)
    np.testing.assert_array_equal(
        attention.output_dense.kernel, arrays[f"{theirs}/_output_dense/kernel"].reshape(H, H)
    )
    head = "model/classification_heads/0"
    np.testing.assert_array_equal(
        model.encoder.pooler.output_dense.kernel, arrays[f"{head}/dense/kernel"]
    )
    np.testing.assert_array_equal(
        model.next_sentence_head.output_dense.kernel, arrays[f"{head}/out_proj/kernel"]
    )
    left_out = [f"model/encoder_network/_pooler_layer/{name}" for name in ("bias", "kernel")]
    assert [name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE") for name in model.report.left_out] == (
        left_out
    )
    assert len(model.report.loaded) == len(arrays) - 2


@pytest.mark.parametrize("way", ["encoder", "model", "encoder_network", "model/encoder", ""])
@pytest.mark.parametrize("numbered", [True, False], ids=["functional", "named"])
def test_encoder_opens_wherever_it_stands(numbered: bool, way: str, tmp_path: Path) -> None:
    parts = _numbered(_encoder_parts()) if numbered else _encoder_parts()
    for edge in reversed(way.split("/") if way else []):
        parts = {edge: parts}
    arrays = _arrays(parts)
    _write(tmp_path, arrays)
    model = bert_keras.load(tmp_path / "ckpt-1")
    assert type(model) is BertEncoder
    assert model.report.left_out == []
    pooler = f"layer_with_weights-{LAYERS + 4}" if numbered else "_pooler_layer"
    np.testing.assert_array_equal(
        model.pooler.output_dense.kernel, arrays[f"{way}/{pooler}/kernel".lstrip("/")]
    )
    assert len(model.report.loaded) == len(arrays)


def test_word_embeddings_may_go_by_the_name_of_their_other_owner(tmp_path: Path) -> None:
    arrays = _arrays({"encoder": _encoder_parts(), "masked_lm": HEAD_PARTS["masked_lm"]})
    words = arrays.pop("encoder/_embedding_layer/embeddings")
    _write(tmp_path, arrays | {"masked_lm/embedding_table": words})
    model = bert_keras.load(tmp_path)
    assert type(model) is BertForMaskedLM
    np.testing.assert_array_equal(model.encoder.embeddings.word_embeddings, words)


def test_pooler_of_its_own_item_and_the_state_of_training_are_understood(tmp_path: Path) -> None:
    arrays: dict[str, Any] = _arrays({"encoder": _encoder_parts()})
    pooler = _arrays({"next_sentence..pooler_dense": _dense(H, H)})
    state = {"global_step": np.int64(3), "optimizer/learning_rate": np.float32(1)}
    _write(tmp_path, arrays | state)
    without = bert_keras.load(tmp_path)
    np.testing.assert_array_equal(
        without.pooler.output_dense.kernel, arrays["encoder/_pooler_layer/kernel"]
    )
    # tf.train.Checkpoint writes an item "next_sentence.pooler_dense" with its point doubled.
    _write(tmp_path, arrays | {name.replace("..", "."): array for name, array in pooler.items()})
    np.testing.assert_array_equal(
        bert_keras.load(tmp_path).pooler.output_dense.kernel,
        pooler["next_sentence..pooler_dense/kernel"],
    )


def test_newest_checkpoint_of_a_run_is_opened(tmp_path: Path) -> None:
    arrays = _arrays(_pretrainer())
    _write(tmp_path, arrays)
    _write(tmp_path, {name: -array for name, array in arrays.items()}, name="ckpt-2")
    assert "must hold one checkpoint" in refusal(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/ckpt-2"\n')
    bias = bert_keras.load(tmp_path).masked_lm_head.output_bias
    np.testing.assert_array_equal(bias, -arrays["model/masked_lm/output_bias.Sbias"])
    (tmp_path / "ckpt-2.index").write_bytes(b"")
    assert f"{tmp_path / 'ckpt-2'} is damaged" in refusal(tmp_path)


def test_convert_writes_it_as_a_directory(tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    run.mkdir()
    _write(run, _arrays(_pretrainer()))
    (run / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCAB))
    assert main(["convert", str(run), str(tmp_path / "out")]) == 0
    report = capsys.readouterr().out
    assert "model-garden to huggingface: a BertForPreTraining" in report
    assert "_transformer_layers/*/_intermediate_dense/kernel" in report
    assert "left out: model/encoder_network/_pooler_layer/bias" in report
    assert bert_keras.load(tmp_path / "out").tokenizer.vocab == VOCAB


def test_run_opens_for_a_task(tmp_path: Path) -> None:
    _write(tmp_path, _arrays(_pretrainer()))
    model = bert_keras.load(tmp_path, BertForTokenClassification, labels=["O", "B", "I"])
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]


NORM = "model/masked_lm/layer_norm/gamma"
HEAD = "model/classification_heads/0"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a: a.pop(NORM), "lacks the weight masked_lm/layer_norm/gamma"),
        (lambda a: a.update({"model/stray": np.ones(1)}), "does not use: model/stray"),
        (lambda a: a.update({NORM: np.ones(3, "float32")}), f"{NORM}/.ATTRIBUTES"),
        (lambda a: a.update({NORM: np.ones(H, "int32")}), "must be of a float type"),
        (lambda a: [a.pop(f"{HEAD}/dense/{n}") for n in ("kernel", "bias")], "without a pooler"),
        (lambda a: a.update({"encoder/_pooler_layer/bias": np.ones(H)}), "holds one weight twice"),
    ],
    ids=["missing", "unused", "shape", "type", "head without pooler", "two encoders"],
)
def test_wrong_weights_are_named(change: Any, word: str, tmp_path: Path) -> None:
    arrays = _arrays(_pretrainer())
    change(arrays)
    _write(tmp_path, arrays)
    assert word in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"num_layers": 3}, "num_hidden_layers=3"),
        ({"num_layers": 10**9}, "num_hidden_layers=1000000000"),
        ({"num_attention_heads": 4}, "has 2 attention heads"),
        ({"vocab_size": 9}, "has the wrong shape"),
        ({"norm_first": True}, "norm_first must be False"),
        ({"embedding_size": 2}, "embedding_size must be 4"),
        ({"hidden_activation": "mish"}, "hidden_act must be one of"),
    ],
    ids=str,
)
def test_config_that_lies_or_computes_otherwise_is_refused(
    change: dict[str, Any], word: str, tmp_path: Path
) -> None:
    _write(tmp_path, _arrays(_pretrainer()), ENCODER | change)
    assert word in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "put next to it params.yaml (of the training run) or bert_config.json"),
        ("task: [", "must be the YAML of a training run"),
        ("- 1", "must be the YAML of a training run"),
        ("task: {model: {encoder: {type: albert, albert: {}}}}", "type 'albert'"),
        ("x: !!python/object/apply:os.mkdir [ran]", "must be the YAML of a training run"),
        (
            "model: {mlm_activation: relu, encoder: {bert: {hidden_activation: gelu}}}",
            "mlm_activation must be 'gelu'",
        ),
        ("model: {cls_heads: x, encoder: {bert: {}}}", "must be the YAML of a training run"),
        ("[" * 10_000, "must be the YAML of a training run"),
        (
            "model: {cls_heads: [{activation: relu}], encoder: {bert: {}}}",
            "activation must be 'tanh'",
        ),
    ],
    ids=["none", "no yaml", "list", "albert", "code", "masked lm", "heads", "deep", "head"],
)
def test_parameters_that_are_not_of_a_bert_are_refused(
    text: str | None, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, _arrays(_pretrainer()), None)
    if text is not None:
        (tmp_path / "params.yaml").write_text(text)
    assert word in refusal(tmp_path)
    assert not (tmp_path / "ran").exists()
