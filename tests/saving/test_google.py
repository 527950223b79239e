"""Google's TF1 layout, checked against variables made and written by TensorFlow's own TF1 saver."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertConfig,
    BertForPreTraining,
    BertForTokenClassification,
    BertTokenizer,
)
from bert_keras.errors import InputError
from tests.support.models import VOCAB, make_model, refusal

H, INNER, LAYERS = 4, 6, 2
GOOGLE_CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": H,
    "initializer_range": 0.02,
    "intermediate_size": INNER,
    "max_position_embeddings": 5,
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "type_vocab_size": 2,
    "vocab_size": 8,
}


def _reference_variables() -> dict[str, tuple[int, ...]]:
    """The names and shapes that modeling.py and run_pretraining.py of google-research/bert make."""
    norm = {"gamma": (H,), "beta": (H,)}
    scopes: dict[str, dict[str, tuple[int, ...]]] = {
        "bert/embeddings": {
            "word_embeddings": (8, H),
            "token_type_embeddings": (2, H),
            "position_embeddings": (5, H),
        },
        "bert/embeddings/LayerNorm": norm,
        "bert/pooler/dense": {"kernel": (H, H), "bias": (H,)},
        "cls/predictions": {"output_bias": (8,)},
        "cls/predictions/transform/dense": {"kernel": (H, H), "bias": (H,)},
        "cls/predictions/transform/LayerNorm": norm,
        "cls/seq_relationship": {"output_weights": (2, H), "output_bias": (2,)},
    }
    for index in range(LAYERS):
        layer = f"bert/encoder/layer_{index}"
        for name in ("query", "key", "value"):
            scopes[f"{layer}/attention/self/{name}"] = {"kernel": (H, H), "bias": (H,)}
        scopes[f"{layer}/attention/output/dense"] = {"kernel": (H, H), "bias": (H,)}
        scopes[f"{layer}/attention/output/LayerNorm"] = norm
        scopes[f"{layer}/intermediate/dense"] = {"kernel": (H, INNER), "bias": (INNER,)}
        scopes[f"{layer}/output/dense"] = {"kernel": (INNER, H), "bias": (H,)}
        scopes[f"{layer}/output/LayerNorm"] = norm
    return {f"{scope}/{name}": s for scope, names in scopes.items() for name, s in names.items()}


def _arrays(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def _write(path: Path, arrays: dict[str, Any], config: dict[str, Any] = GOOGLE_CONFIG) -> None:
    """Writes with TF1's Saver, as the original did."""
    path.mkdir(parents=True)
    (path / "bert_config.json").write_text(json.dumps(config))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, initializer=tf.constant(array), use_resource=False)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(path / "bert_model.ckpt"))


def _read(path: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(path / "bert_model.ckpt"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_checkpoint_of_the_reference_goes_in_and_out_bit_for_bit(tmp_path: Path) -> None:
    arrays = _arrays(_reference_variables())
    _write(tmp_path / "theirs", arrays)
    BertTokenizer(VOCAB).save(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    assert type(model) is BertForPreTraining
    assert model.config.hidden_act == "gelu_new"  # what that code computes for "gelu"
    bert_keras.save(model, tmp_path / "ours", format="google")
    written = _read(tmp_path / "ours")
    assert written.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(written[name], array, err_msg=name)
    config = json.loads((tmp_path / "ours" / "bert_config.json").read_text())
    assert GOOGLE_CONFIG.items() <= config.items()
    assert (tmp_path / "ours" / "vocab.txt").read_text().split() == VOCAB


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("gelu_pytorch_tanh", "gelu"),
        ("gelu_fast", "gelu"),
        ("gelu_python", "gelu"),
        ("tanh", "tanh"),
    ],
)
def test_activation_is_written_as_that_code_knows_it_and_keeps_its_own_name(
    name: str, written: str, tmp_path: Path
) -> None:
    config = BertConfig.from_preset("tiny", vocab_size=8, hidden_act=name)
    bert_keras.save(BertForPreTraining(config), tmp_path / "g", format="google")
    assert json.loads((tmp_path / "g" / "bert_config.json").read_text())["hidden_act"] == written
    assert bert_keras.load(tmp_path / "g").config.hidden_act == name


def test_file_of_ours_restores_into_variables_of_the_reference(tmp_path: Path) -> None:
    model = make_model()
    bert_keras.save(model, tmp_path / "ours", format="google")
    shapes = _reference_variables()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, shape in shapes.items():
            tf.compat.v1.get_variable(name, shape, use_resource=False)
        tf.compat.v1.train.Saver().restore(session, str(tmp_path / "ours" / "bert_model.ckpt"))
        restored = session.run({v.op.name: v for v in tf.compat.v1.global_variables()})
    fused = model.encoder.transformer_layers[1].attention.query_key_value.kernel.numpy()
    np.testing.assert_array_equal(
        restored["bert/encoder/layer_1/attention/self/key/kernel"], fused[:, H : 2 * H]
    )
    np.testing.assert_array_equal(
        restored["cls/seq_relationship/output_weights"],
        model.next_sentence_head.output_dense.kernel.numpy().T,
    )


def test_optimizer_and_step_are_passed_over(tmp_path: Path) -> None:
    arrays: dict[str, Any] = _arrays(_reference_variables())
    plain = dict(arrays)
    for name, array in plain.items():
        arrays |= {f"{name}/adam_m": np.ones_like(array), f"{name}/adam_v": np.ones_like(array)}
    arrays["global_step"] = np.int64(1000)
    _write(tmp_path / "theirs", arrays)
    model = bert_keras.load(tmp_path / "theirs" / "bert_model.ckpt.index")
    np.testing.assert_array_equal(
        model.encoder.embeddings.word_embeddings, plain["bert/embeddings/word_embeddings"]
    )
    assert not any("adam" in name for name, *_ in model.report.loaded)


def test_google_folder_opens_for_a_task(tmp_path: Path) -> None:
    _write(tmp_path / "theirs", _arrays(_reference_variables()))
    model = bert_keras.load(tmp_path / "theirs", BertForTokenClassification, labels=["O", "B"])
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    assert "cls/seq_relationship/output_bias" in model.report.left_out


def test_tagger_has_no_place_in_that_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing for BertForTokenClassification"):
        bert_keras.save(make_model(BertForTokenClassification), tmp_path / "x", format="google")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda arrays: arrays.pop("bert/pooler/dense/bias"), "lacks the weight bert/pooler/dense"),
        (lambda arrays: arrays.update(stray=np.ones(1, "float32")), "does not use: stray"),
        (
            lambda arrays: arrays.update({"bert/pooler/dense/bias": np.ones(3, "float32")}),
            "bert/pooler/dense/bias has the wrong shape",
        ),
    ],
    ids=["missing", "unused", "shape"],
)
def test_wrong_weights_are_named_as_the_file_names_them(
    change: Any, word: str, tmp_path: Path
) -> None:
    arrays = _arrays(_reference_variables())
    change(arrays)
    _write(tmp_path / "theirs", arrays)
    assert word in refusal(tmp_path / "theirs")


@pytest.mark.parametrize("layers", [3, 10**9])
def test_config_of_too_many_layers_is_refused_at_once(layers: int, tmp_path: Path) -> None:
    config = GOOGLE_CONFIG | {"num_hidden_layers": layers}
    _write(tmp_path / "theirs", _arrays(_reference_variables()), config)
    assert f"num_hidden_layers={layers}" in refusal(tmp_path / "theirs")


@pytest.mark.parametrize("name", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"])
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    _write(tmp_path / "theirs", _arrays(_reference_variables()))
    file = tmp_path / "theirs" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "is damaged" in refusal(tmp_path / "theirs")


def test_several_checkpoints_ask_which(tmp_path: Path) -> None:
    _write(tmp_path / "theirs", _arrays(_reference_variables()))
    (tmp_path / "theirs" / "model.ckpt-7.index").touch()
    assert type(bert_keras.load(tmp_path / "theirs")) is BertForPreTraining  # the newest by name
    (tmp_path / "theirs" / "checkpoint").unlink()
    assert "must hold one checkpoint" in refusal(tmp_path / "theirs")
