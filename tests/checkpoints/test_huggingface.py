import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertTokenizer,
)
from bert_keras.errors import InputError

MODELS = (BertEncoder, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction)
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c"]
CONFIG = BertConfig(
    vocab_size=8,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)


def _random(model_class: Any = BertForPreTraining, seed: int = 0) -> Any:
    """A model none of whose weights is 0 or 1."""
    model, draw = model_class(CONFIG), np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bert_keras.save(_random(), tmp_path / "model")
    return tmp_path / "model"


def _rewrite_weights(path: Path, change: Any) -> None:
    file = path / "model.safetensors"
    tensors = safetensors.numpy.load_file(file)
    change(tensors)
    safetensors.numpy.save_file(tensors, file)


def _rewrite_config(path: Path, **changes: Any) -> None:
    values = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps(values))


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        bert_keras.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_loaded_model_is_the_saved_one_bit_for_bit(model_class: Any, tmp_path: Path) -> None:
    model = _random(model_class)
    bert_keras.save(model, tmp_path / "model")
    loaded = bert_keras.load(tmp_path / "model")
    assert type(loaded) is model_class
    assert loaded.config == CONFIG
    assert len(model.trainable_weights) == len(loaded.trainable_weights)
    for ours, theirs in zip(model.trainable_weights, loaded.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)
    batch = {"input_ids": tf.constant([[2, 5, 4, 3]])}
    for name, output in model(batch).items():
        np.testing.assert_array_equal(output, loaded(batch)[name])


def test_file_holds_each_weight_once_in_float32_under_the_known_names(saved: Path) -> None:
    tensors = safetensors.numpy.load_file(saved / "model.safetensors")
    assert {array.dtype for array in tensors.values()} == {np.dtype("float32")}
    assert {
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.1.attention.self.query.weight",
        "bert.encoder.layer.0.output.LayerNorm.bias",
        "bert.pooler.dense.weight",
        "cls.predictions.bias",
        "cls.seq_relationship.weight",
    } < set(tensors)
    assert tensors["bert.encoder.layer.0.intermediate.dense.weight"].shape == (6, 4)


SAVE_AGAIN = """
import sys, bert_keras
bert_keras.save(bert_keras.load(sys.argv[1]), sys.argv[2])
"""


def test_bytes_of_the_weights_depend_on_the_weights_alone(saved: Path, tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "again")
    subprocess.run(
        [sys.executable, "-c", SAVE_AGAIN, saved, tmp_path / "elsewhere"], check=True, timeout=120
    )
    first = (saved / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == first
    assert (tmp_path / "elsewhere" / "model.safetensors").read_bytes() == first


def test_tokenizer_travels_with_the_model(tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "first", BertTokenizer(VOCAB))
    loaded = bert_keras.load(tmp_path / "first")
    bert_keras.save(loaded, tmp_path / "second")
    assert bert_keras.load(tmp_path / "second").tokenizer.vocab == VOCAB
    assert (tmp_path / "second" / "vocab.txt").read_text().split() == VOCAB


def test_model_without_vocabulary_has_no_tokenizer(saved: Path) -> None:
    assert bert_keras.load(saved).tokenizer is None


def test_foreign_config_keys_are_kept_and_written_back(saved: Path, tmp_path: Path) -> None:
    foreign = {"id2label": {"0": "no"}, "use_cache": True, "_name_or_path": "x"}
    _rewrite_config(saved, **foreign, torch_dtype="float16")
    bert_keras.save(bert_keras.load(saved), tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert foreign.items() <= written.items()
    # The new file is float32; the old word would make transformers round it.
    assert "torch_dtype" not in written
    assert CONFIG.to_dict().items() <= written.items()
    assert written["architectures"] == ["BertForPreTraining"]


def test_tied_decoder_and_position_ids_are_passed_over(saved: Path) -> None:
    def add(tensors: dict[str, np.ndarray]) -> None:
        tensors["cls.predictions.decoder.weight"] = np.zeros((8, 4), "float32")
        tensors["cls.predictions.decoder.bias"] = np.zeros(8, "float32")
        tensors["bert.embeddings.position_ids"] = np.arange(5)[None]

    before = bert_keras.load(saved)
    _rewrite_weights(saved, add)
    after = bert_keras.load(saved)
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_files_as_google_published_them_open_whole(saved: Path) -> None:
    """They say BertForMaskedLM, hold both heads and the pooler, and gamma and beta."""

    def rename(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)

    before = bert_keras.load(saved)
    _rewrite_weights(saved, rename)
    _rewrite_config(saved, architectures=["BertForMaskedLM"])
    after = bert_keras.load(saved)
    assert type(after) is BertForPreTraining
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_half_precision_files_are_read_into_float32(saved: Path) -> None:
    def halve(tensors: dict[str, np.ndarray]) -> None:
        for name, array in tensors.items():
            tensors[name] = array.astype("float16")

    before = bert_keras.load(saved)
    _rewrite_weights(saved, halve)
    after = bert_keras.load(saved)
    assert {weight.dtype for weight in after.trainable_weights} == {"float32"}
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def test_missing_weight_is_named(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.pop("bert.pooler.dense.bias"))
    assert "lacks the weight bert.pooler.dense.bias" in _refusal(saved)


def test_unused_weight_is_named(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update(stray=np.zeros(1)))
    assert "does not use: stray" in _refusal(saved)


@pytest.mark.parametrize(
    "name",
    ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.key.weight"],
)
def test_wrong_shape_is_told_with_both_shapes(name: str, saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update({name: np.zeros((3, 4), "float32")}))
    message = _refusal(saved)
    assert name in message
    assert "(3, 4)" in message


def test_config_of_another_size_is_refused(saved: Path) -> None:
    _rewrite_config(saved, intermediate_size=7)
    assert "intermediate.dense.weight has the wrong shape" in _refusal(saved)


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_truncated_weights_are_refused(size: int, saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert f"{file} is damaged" in _refusal(saved)


def test_config_that_is_no_json_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text("{")
    assert "config.json is not valid JSON" in _refusal(saved)


def test_unknown_architecture_is_refused(saved: Path) -> None:
    _rewrite_config(saved, architectures=["GPT2LMHeadModel"])
    assert "'GPT2LMHeadModel'" in _refusal(saved)


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/config\.json"):
        bert_keras.load(tmp_path / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        bert_keras.load(saved)


def test_pickled_weights_are_never_read(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        bert_keras.load(saved)


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot save a Sequential"):
        bert_keras.save(tf.keras.Sequential(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_saving_over_a_model_replaces_it(saved: Path) -> None:
    bert_keras.save(_random(seed=1), saved)
    first = bert_keras.load(saved).trainable_weights[0]
    np.testing.assert_array_equal(first, _random(seed=1).trainable_weights[0])
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@pytest.fixture
def no_file_beyond_1000_bytes() -> Iterator[None]:
    """What a full disk looks like: writing fails midway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("saved", "no_file_beyond_1000_bytes")
def test_save_that_runs_out_of_space_leaves_the_old_model(saved: Path) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(
        OSError, match=r"cannot write .*model\.safetensors.*File too large"
    ) as caught:
        bert_keras.save(_random(seed=1), saved)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]
