"""DistilBERT's names and keys, written here one by one; `make parity` asks transformers itself."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import bert_keras
from bert_keras import BertEncoder
from bert_keras.errors import InputError


def _distilbert() -> dict[str, np.ndarray]:
    """The weights of a DistilBertForMaskedLM, as transformers names and shapes them."""
    shapes = {
        "distilbert.embeddings.word_embeddings.weight": (8, 4),
        "distilbert.embeddings.position_embeddings.weight": (5, 4),
        "vocab_projector.bias": (8,),
    }
    norms = ["distilbert.embeddings.LayerNorm", "vocab_layer_norm"]
    denses = {"vocab_transform": (4, 4)}
    for layer in ("distilbert.transformer.layer.0", "distilbert.transformer.layer.1"):
        denses |= {f"{layer}.attention.{n}_lin": (4, 4) for n in ("q", "k", "v", "out")}
        denses |= {f"{layer}.ffn.lin1": (6, 4), f"{layer}.ffn.lin2": (4, 6)}
        norms += [f"{layer}.sa_layer_norm", f"{layer}.output_layer_norm"]
    for name, shape in [*denses.items(), *((norm, (4,)) for norm in norms)]:
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def test_a_distilbert_comes_back_with_its_names_keys_and_the_inputs_of_its_tokenizer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "theirs").mkdir()
    keys = {"vocab_size": 8, "dim": 4, "n_layers": 2, "n_heads": 2, "hidden_dim": 6}
    keys |= {"model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"]}
    values = keys | {"max_position_embeddings": 5, "dropout": 0.2, "tie_weights_": True}
    values |= {"qa_dropout": 0.3, "seq_classif_dropout": 0.4}
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(values))
    arrays = _distilbert()
    tied = arrays["distilbert.embeddings.word_embeddings.weight"].copy()
    file = tmp_path / "theirs" / "model.safetensors"
    safetensors.numpy.save_file(arrays | {"vocab_projector.weight": tied}, file)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b"]
    (tmp_path / "theirs" / "vocab.txt").write_text("\n".join(pieces))
    settings = {"padding_side": "right", "tokenizer_class": "DistilBertTokenizer"}
    (tmp_path / "theirs" / "tokenizer_config.json").write_text(json.dumps(settings))
    model = bert_keras.load(tmp_path / "theirs")
    assert isinstance(model, bert_keras.BertForMaskedLM)
    assert model.config.hidden_dropout_prob == 0.2
    fused = model.encoder.transformer_layers[1].attention.query_key_value.kernel.numpy()
    key = arrays["distilbert.transformer.layer.1.attention.k_lin.weight"]
    np.testing.assert_array_equal(fused[:, 4:8], key.T)
    pair = {"input_ids": np.array([[2, 5, 3, 6, 3]])}
    types = {"token_type_ids": np.array([[0, 0, 0, 1, 1]])}  # which it does not know
    np.testing.assert_array_equal(
        model(pair | types)["masked_lm_logits"], model(pair)["masked_lm_logits"]
    )
    bert_keras.save(model, tmp_path / "ours")
    written = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert values.items() <= written.items()
    after = safetensors.numpy.load_file(tmp_path / "ours" / "model.safetensors")
    assert after.keys() == arrays.keys()
    assert all(np.array_equal(after[name], array) for name, array in arrays.items())
    written = json.loads((tmp_path / "ours" / "tokenizer_config.json").read_text())
    assert written["model_input_names"] == ["input_ids", "attention_mask"]
    assert written["padding_side"] == "right"
    caplog.clear()
    bert_keras.load(tmp_path / "ours")
    assert "token_type_ids" not in caplog.text
    encoder = bert_keras.load(tmp_path / "theirs", BertEncoder)
    assert (encoder.pooler, "vocab_transform.weight" in encoder.report.left_out) == (None, True)
    headed = bert_keras.load(
        tmp_path / "theirs", bert_keras.BertForSequenceClassification, labels=["no", "yes"]
    )
    assert {path.split("/")[0] for path in headed.report.new} == {"pooler", "classifier"}
    assert headed.classifier.dropout_rate == 0.4
    bert_keras.save(headed, tmp_path / "headed")
    after = safetensors.numpy.load_file(tmp_path / "headed" / "model.safetensors")
    assert {"pre_classifier.weight", "classifier.bias"} <= after.keys()


def test_what_its_config_json_cannot_say_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    config = {"model_type": "distilbert", "vocab_size": 8, "dim": 4, "n_layers": 2, "n_heads": 2}
    more = {
        "hidden_dim": 6,
        "max_position_embeddings": 5,
        "architectures": ["DistilBertForMaskedLM"],
    }
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(config | more))
    safetensors.numpy.save_file(_distilbert(), tmp_path / "theirs" / "model.safetensors")
    model = bert_keras.load(tmp_path / "theirs")
    with pytest.raises(InputError, match=r"layer_norm_eps must be 1e-12, .*Received: 0.01"):
        replace(model.config, layer_norm_eps=0.01)
