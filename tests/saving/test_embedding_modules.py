"""The modules of sentence-transformers behind the encoder: a dense layer, and shorter vectors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import bert_keras
from bert_keras import BertEncoder, BertForSentenceEmbedding, BertTokenizer
from bert_keras.errors import InputError
from bert_keras.saving.fingerprint import fingerprint
from tests.support.commands import output
from tests.support.files import edit_json
from tests.support.models import VOCAB, assert_same_weights, make_model, refusal

TEXTS = ["a b ac", "b", "a a a a a a a"]
KERNEL = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)  # [out, in] as in torch
BIAS = np.array([3, -0.5, 0.1], np.float32)
SETTINGS = "config_sentence_transformers.json"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory as sentence-transformers 6 writes it, with a dense layer of 3 units."""
    path = tmp_path / "model"
    bert_keras.save(make_model(BertForSentenceEmbedding), path, BertTokenizer(VOCAB))
    (path / "2_Normalize").rename(path / "3_Normalize")
    modules = json.loads((path / "modules.json").read_text())
    dense = {"idx": 2, "name": "2", "path": "2_Dense"}
    dense["type"] = "sentence_transformers.base.modules.dense.Dense"
    modules[2:] = [dense, modules[2] | {"idx": 3, "name": "3", "path": "3_Normalize"}]
    (path / "modules.json").write_text(json.dumps(modules))
    (path / "2_Dense").mkdir()
    config = {
        "in_features": 4,
        "out_features": 3,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
        "module_input_name": "sentence_embedding",
        "module_output_name": "sentence_embedding",
    }
    (path / "2_Dense" / "config.json").write_text(json.dumps(config))
    write_weights(path, {"linear.weight": KERNEL, "linear.bias": BIAS})
    return path


def write_weights(path: Path, weights: dict[str, np.ndarray]) -> None:
    safetensors.numpy.save_file(weights, path / "2_Dense" / "model.safetensors")


def pooled(path: Path) -> np.ndarray:
    """The vectors of the texts before the dense layer, computed apart from it."""
    encoder = bert_keras.load(path, BertEncoder)
    ids = [encoder.tokenizer.encode(text, max_length=5).input_ids for text in TEXTS]
    outputs = [encoder({"input_ids": np.array([row])})["sequence_output"].numpy() for row in ids]
    return np.array([output[0].mean(axis=0) for output in outputs])


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("torch.nn.modules.activation.Tanh", np.tanh),
        ("torch.nn.modules.linear.Identity", lambda x: x),
        ("torch.nn.ReLU", lambda x: np.maximum(x, 0)),
        ("torch.nn.modules.activation.Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_the_dense_layer_is_between_pooling_and_normalization(
    activation: str, function: Any, directory: Path
) -> None:
    edit_json(directory / "2_Dense" / "config.json", activation_function=activation)
    model = bert_keras.load(directory)
    expected = function(pooled(directory) @ KERNEL.T + BIAS)
    assert expected.any()
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    assert (model.width, model.dimensions) == (3, 3)
    np.testing.assert_allclose(model.embed(TEXTS, batch_size=1), expected, atol=1e-5)


@pytest.mark.parametrize("with_bias", [True, False])
def test_it_comes_back_from_a_directory_and_from_a_keras_file(
    with_bias: bool, directory: Path, tmp_path: Path
) -> None:
    edit_json(directory / "2_Dense" / "config.json", bias=with_bias)
    if not with_bias:
        write_weights(directory, {"linear.weight": KERNEL})
    edit_json(directory / SETTINGS, truncate_dim=2)
    model = bert_keras.load(directory)
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    between = bert_keras.load(tmp_path / "m.keras")
    bert_keras.save(between, tmp_path / "again")
    again = bert_keras.load(tmp_path / "again")
    assert_same_weights(again, model)
    np.testing.assert_array_equal(again.embed(TEXTS), model.embed(TEXTS))
    files = [
        safetensors.numpy.load_file(path / "2_Dense" / "model.safetensors")
        for path in (directory, tmp_path / "again")
    ]
    assert files[0].keys() == files[1].keys()
    for name, array in files[0].items():
        np.testing.assert_array_equal(files[1][name], array)
    assert json.loads((tmp_path / "again" / SETTINGS).read_text())["truncate_dim"] == 2


def test_a_vector_is_cut_behind_its_normalization_and_not_normalized_again(
    directory: Path, tmp_path: Path
) -> None:
    whole = bert_keras.load(directory).embed(TEXTS)
    edit_json(directory / SETTINGS, truncate_dim=2)
    model = bert_keras.load(directory)
    assert (model.width, model.dimensions) == (3, 2)
    np.testing.assert_array_equal(model.embed(TEXTS), whole[:, :2])
    np.testing.assert_array_equal(model.embed(TEXTS, dimensions=3), whole)
    np.testing.assert_allclose(model.embed(TEXTS[0], dimensions=1), whole[0, :1], atol=1e-6)
    ids = {"input_ids": np.array([[2, 5, 3]])}
    assert model(ids)["sentence_embedding"].shape == (1, 3)  # training has all
    for wrong in (0, 4, 1.5):
        with pytest.raises(InputError, match="dimensions must be from 1 to 3"):
            model.embed(TEXTS, dimensions=wrong)
    # Cut vectors are not of length 1: their cosine is not their product.
    found = bert_keras.search(model, TEXTS, "b", top=3)
    np.testing.assert_allclose(found[0]["score"], 1, atol=1e-6)
    documents = model.embed(TEXTS, dimensions=1)
    with pytest.raises(InputError, match=r"1 dimensions, .* 2: .* load\(path, truncate_dim=1\)"):
        bert_keras.search(model, documents, "b")
    shorter = bert_keras.load(directory, truncate_dim=1)
    assert len(bert_keras.search(shorter, documents, "b")) == 3
    bert_keras.save(bert_keras.load(directory, truncate_dim=None), tmp_path / "whole")
    assert bert_keras.load(tmp_path / "whole").dimensions == 3


def test_a_new_dense_layer_is_drawn_and_one_that_is_not_wanted_is_left_out(
    directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bert_keras.save(make_model(BertEncoder), tmp_path / "encoder", BertTokenizer(VOCAB))
    kernel = "projection/output/kernel"
    fresh = bert_keras.load(
        tmp_path / "encoder", BertForSentenceEmbedding, dense_units=2, dense_bias=False
    )
    assert fresh.report.new == [kernel]
    assert fresh.embed(TEXTS).shape == (3, 2)
    assert np.abs(fresh.projection.output_dense.kernel.numpy()).max() > 0
    other = bert_keras.load(directory, dense_units=2)
    assert other.report.new == [kernel, "projection/output/bias"]
    assert other.report.left_out == ["linear.bias", "linear.weight"]
    for arguments in ({"model_class": BertEncoder}, {"dense_units": None}):
        caplog.clear()
        bert_keras.load(directory, **arguments)
        assert "left out: linear.bias, linear.weight" in caplog.text


def test_the_command_that_converts_a_model_says_what_became_of_the_dense_layer(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = output(capsys, "convert", directory, tmp_path / "m.keras", "--to", "keras")
    assert "linear.weight" in text
    assert "left behind" not in text


def test_the_identity_of_a_model_has_its_dense_layer(directory: Path) -> None:
    before = fingerprint(directory)
    write_weights(directory, {"linear.weight": KERNEL + 1, "linear.bias": BIAS})
    assert fingerprint(directory) != before


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"in_features": 9}, "in_features must be the encoder's hidden_size 4. Received: 9"),
        ({"out_features": 0}, "out_features must be a whole number of at least 1"),
        ({"bias": 1}, "bias must be true or false"),
        ({"activation_function": "mine.Swish"}, "activation_function must be one of torch.nn"),
        ({"activation_function": [1]}, "activation_function must be one of torch.nn"),
        ({"use_residual": True}, "use_residual is not supported"),
        ({"module_input_name": "token_embeddings"}, "module_input_name must be"),
        ({"novelty": 1}, "not understood: novelty"),
        ({"out_features": 5}, "model.safetensors: the weights must be those of its config.json"),
        ({"bias": False}, "model.safetensors: the weights must be those of its config.json"),
    ],
)
def test_what_is_not_understood_is_refused_by_file_and_key(
    changes: Any, word: str, directory: Path
) -> None:
    edit_json(directory / "2_Dense" / "config.json", **changes)
    message = refusal(directory)
    assert word in message
    assert "2_Dense" in message


@pytest.mark.parametrize("value", [0, "many", 1.5])
def test_a_number_of_dimensions_that_is_none_is_refused(value: Any, directory: Path) -> None:
    edit_json(directory / SETTINGS, truncate_dim=value)
    assert f"{SETTINGS}: truncate_dim must be a whole number" in refusal(directory)


def test_weights_that_are_a_pickle_or_lost_are_refused_with_what_to_do(directory: Path) -> None:
    (directory / "2_Dense" / "model.safetensors").unlink()
    assert "2_Dense lacks model.safetensors, the weights of the module" in refusal(directory)
    (directory / "2_Dense" / "pytorch_model.bin").touch()
    message = refusal(directory)
    assert "2_Dense lacks model.safetensors, and pytorch_model.bin is a pickle" in message
    assert "SentenceTransformer as M; M(" in message
