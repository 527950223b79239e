"""Presets in keras-hub's layout, written here array by array; `make parity` asks the real one."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder, BertForMaskedLM, BertForTokenClassification
from tests.support.models import VOCAB, refusal

H, HEADS, INNER = 4, 2, 6
CONFIG = {
    "vocabulary_size": 8,
    "num_layers": 2,
    "num_heads": HEADS,
    "hidden_dim": H,
    "intermediate_dim": INNER,
    "dropout": 0.2,
    "max_sequence_length": 5,
    "num_segments": 2,
}


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "layers/reversible_embedding/vars/0": (8, H),
        "layers/position_embedding/vars/0": (5, H),
        "layers/embedding/vars/0": (2, H),
        "layers/layer_normalization/vars/0": (H,),
        "layers/layer_normalization/vars/1": (H,),
        "layers/dense/vars/0": (H, H),
        "layers/dense/vars/1": (H,),
    }
    for layer in ("layers/transformer_encoder", "layers/transformer_encoder_1"):
        attention = f"{layer}/_self_attention_layer"
        for name in ("query", "key", "value"):
            shapes[f"{attention}/{name}_dense/vars/0"] = (H, HEADS, H // HEADS)
            shapes[f"{attention}/{name}_dense/vars/1"] = (HEADS, H // HEADS)
        shapes[f"{attention}/output_dense/vars/0"] = (HEADS, H // HEADS, H)
        shapes[f"{attention}/output_dense/vars/1"] = (H,)
        shapes[f"{layer}/_feedforward_intermediate_dense/vars/0"] = (H, INNER)
        shapes[f"{layer}/_feedforward_intermediate_dense/vars/1"] = (INNER,)
        shapes[f"{layer}/_feedforward_output_dense/vars/0"] = (INNER, H)
        shapes[f"{layer}/_feedforward_output_dense/vars/1"] = (H,)
        for name in ("_self_attention_layer_norm", "_feedforward_layer_norm"):
            shapes |= {f"{layer}/{name}/vars/{number}": (H,) for number in (0, 1)}
    return shapes


@pytest.fixture
def preset(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    arrays = {name: draw.normal(size=s).astype("float32") for name, s in _shapes().items()}
    config = {"class_name": "BertBackbone", "config": CONFIG}
    config["registered_name"] = "keras_hub>BertBackbone"
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "assets" / "tokenizer").mkdir(parents=True)
    lines = "".join(f"{word}\n" for word in VOCAB)
    (tmp_path / "assets" / "tokenizer" / "vocabulary.txt").write_text(lines)
    (tmp_path / "tokenizer.json").write_text('{"config": {"lowercase": true}}')
    _write(tmp_path, arrays)
    return tmp_path, arrays


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with h5py.File(path / "model.weights.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["optimizer/vars/0"] = np.zeros(())


def test_backbone_opens_with_its_heads_joined(preset: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, arrays = preset
    model = bert_keras.load(path)
    assert type(model) is BertEncoder
    assert model.config.hidden_act == "gelu_new"
    assert model.config.hidden_dropout_prob == 0.2
    assert model.tokenizer.vocab == VOCAB
    attention = model.transformer_layers[1].attention
    theirs = {
        name: arrays[f"layers/transformer_encoder_1/_self_attention_layer/{name}_dense/vars/0"]
        for name in ("query", "key", "value", "output")
    }
    fused = [theirs[name].reshape(H, H) for name in ("query", "key", "value")]
    np.testing.assert_array_equal(attention.query_key_value.kernel, np.concatenate(fused, axis=1))
    np.testing.assert_array_equal(attention.output_dense.kernel, theirs["output"].reshape(H, H))
    assert len(model.report.loaded) == len(arrays)


MASKED_LM = {
    "layers/masked_lm_head/_intermediate_dense/vars/0": (H, H),
    "layers/masked_lm_head/_intermediate_dense/vars/1": (H,),
    "layers/masked_lm_head/_intermediate_layer_norm/vars/0": (H,),
    "layers/masked_lm_head/_intermediate_layer_norm/vars/1": (H,),
    "layers/masked_lm_head/vars/0": (8,),
}


@pytest.mark.parametrize("config", ["preset", "get_config", "task"])
def test_weights_file_opens_with_the_config_beside_it(
    config: str, preset: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, arrays = preset
    file = path / "model.weights.h5"
    values = json.loads((path / "config.json").read_text())
    task = {"class_name": "BertMaskedLM", "config": {"backbone": values, "preprocessor": None}}
    values = {"preset": values, "get_config": CONFIG, "task": task}[config]
    (path / "config.json").write_text(json.dumps(values))
    assert type(bert_keras.load(file)) is BertEncoder

    # As BertMaskedLM.save_weights writes it.
    arrays = {
        name.replace("layers/", "layers/bert_backbone/layers/", 1): a for name, a in arrays.items()
    }
    arrays |= {name: np.ones(shape, "float32") for name, shape in MASKED_LM.items()}
    _write(path, arrays)
    file = file.rename(path / "mine.weights.h5")
    model = bert_keras.load(file)
    assert type(model) is BertForMaskedLM
    np.testing.assert_array_equal(
        model.encoder.embeddings.word_embeddings,
        arrays["layers/bert_backbone/layers/reversible_embedding/vars/0"],
    )


def test_weights_file_without_config_says_what_is_needed(
    preset: tuple[Path, dict[str, np.ndarray]],
) -> None:
    (preset[0] / "config.json").unlink()
    message = refusal(preset[0] / "model.weights.h5")
    assert "needs config.json next to it" in message
    assert "save_to_preset" in message


def test_config_that_lies_about_the_heads_is_refused(
    preset: tuple[Path, dict[str, np.ndarray]],
) -> None:
    config = {"class_name": "BertBackbone", "registered_name": "keras_hub>BertBackbone"}
    text = json.dumps(config | {"config": CONFIG | {"num_heads": 1}})
    (preset[0] / "config.json").write_text(text)
    assert "has 2 attention heads" in refusal(preset[0])


def test_preset_opens_for_a_task(preset: tuple[Path, dict[str, np.ndarray]]) -> None:
    model = bert_keras.load(preset[0], BertForTokenClassification, labels=["O", "B", "I"])
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda arrays: arrays.pop("layers/dense/vars/1"), "lacks the weight layers/dense/vars/1"),
        (lambda arrays: arrays.update(stray=np.ones(1)), "does not use: stray"),
        (
            lambda arrays: arrays.update({"layers/embedding/vars/0": np.ones((3, H))}),
            "layers/embedding/vars/0 has the wrong shape",
        ),
    ],
    ids=["missing", "unused", "shape"],
)
def test_wrong_weights_are_named(
    change: Any, word: str, preset: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, arrays = preset
    change(arrays)
    _write(path, arrays)
    assert word in refusal(path)


def test_truncated_weights_and_other_backbones_are_refused(
    preset: tuple[Path, dict[str, np.ndarray]],
) -> None:
    path, _ = preset
    file = path / "model.weights.h5"
    file.write_bytes(file.read_bytes()[:1000])
    assert f"{file} is damaged" in refusal(path)
    config = {"class_name": "RobertaBackbone", "registered_name": "keras_hub>RobertaBackbone"}
    (path / "config.json").write_text(json.dumps(config))
    assert "RobertaBackbone" in refusal(path)


@pytest.mark.parametrize(
    ("settings", "strips"),
    [
        ({"lowercase": True, "strip_accents": False}, True),  # as all presets have it
        ({"lowercase": False, "strip_accents": True}, True),
        ({"lowercase": False, "strip_accents": False}, False),
    ],
    ids=str,
)
def test_accents_are_stripped_where_the_preset_or_bert_does(
    settings: dict[str, bool], strips: bool, preset: tuple[Path, dict[str, np.ndarray]]
) -> None:
    settings |= {"split": True, "split_on_cjk": True, "suffix_indicator": "##"}
    (preset[0] / "tokenizer.json").write_text(json.dumps({"config": settings}))
    tokenizer = bert_keras.load(preset[0]).tokenizer
    assert tokenizer.casing.do_lower_case == settings["lowercase"]
    assert tokenizer.drops_marks == strips


@pytest.mark.parametrize(
    "setting",
    [
        {"lowercase": 1},
        {"strip_accents": "yes"},
        {"split": False},
        {"split_on_cjk": False},
        {"suffix_indicator": "@@"},
        {"oov_token": "<unk>"},
        {"special_tokens": ["[SEP]", "<e1>"]},
    ],
    ids=str,
)
def test_tokenizer_with_other_rules_is_refused_by_name(
    setting: dict[str, Any], preset: tuple[Path, dict[str, np.ndarray]]
) -> None:
    (preset[0] / "tokenizer.json").write_text(json.dumps({"config": setting}))
    assert f"tokenizer.json: {next(iter(setting))} " in refusal(preset[0])
