"""Hugging Face's directory: what is written, and what comes back of it."""

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertEncoder,
    BertForPreTraining,
    BertForSequenceClassification,
    BertTokenizer,
)
from bert_keras.errors import InputError
from tests.support.files import edit_json, edit_weights
from tests.support.models import TINY, VOCAB, assert_same_weights, make_model


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


def test_file_holds_queries_keys_and_values_apart_each_as_torchs_linear_lies(
    tmp_path: Path,
) -> None:
    """``torch.nn.Linear`` has a weight [out, in]; so it is not seen from square kernels' shapes."""
    model = make_model()
    bert_keras.save(model, tmp_path / "model")
    theirs = safetensors.numpy.load_file(tmp_path / "model" / "model.safetensors")
    ours = {variable.path: variable.numpy() for variable in model.weights}
    size = model.config.hidden_size
    for number in range(model.config.num_hidden_layers):
        attention = f"bert.encoder.layer.{number}.attention"
        kernel, bias = (
            ours[f"layer_{number}/attention/query_key_value/{kind}"] for kind in ("kernel", "bias")
        )
        for place, name in enumerate(("query", "key", "value")):
            columns = slice(place * size, (place + 1) * size)
            weight = theirs[f"{attention}.self.{name}.weight"]
            np.testing.assert_array_equal(weight, kernel[:, columns].T)
            np.testing.assert_array_equal(theirs[f"{attention}.self.{name}.bias"], bias[columns])
        output = ours[f"layer_{number}/attention/output/kernel"]
        np.testing.assert_array_equal(theirs[f"{attention}.output.dense.weight"], output.T)


def test_files_may_be_read_by_whom_the_umask_lets(saved: Path) -> None:
    modes = {file.stat().st_mode for file in saved.iterdir()}
    assert len(modes) == 1


SAVE_AGAIN = """
import sys, bert_keras
bert_keras.save(bert_keras.load(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.system
def test_bytes_of_the_weights_depend_on_the_weights_alone(saved: Path, tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "again")
    subprocess.run(
        [sys.executable, "-c", SAVE_AGAIN, saved, tmp_path / "elsewhere"], check=True, timeout=120
    )
    first = (saved / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == first
    assert (tmp_path / "elsewhere" / "model.safetensors").read_bytes() == first


def test_model_that_a_killed_save_left_under_another_name_opens(saved: Path) -> None:
    saved.rename(saved.with_name(".model.abcdefgh.bert_keras.old"))
    assert isinstance(bert_keras.load(saved), BertForPreTraining)


def test_tokenizer_travels_with_the_model(tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "first", BertTokenizer(VOCAB))
    loaded = bert_keras.load(tmp_path / "first")
    bert_keras.save(loaded, tmp_path / "second")
    assert bert_keras.load(tmp_path / "second").tokenizer.vocab == VOCAB
    assert (tmp_path / "second" / "vocab.txt").read_text().split() == VOCAB


def test_model_without_vocabulary_has_no_tokenizer(saved: Path) -> None:
    assert bert_keras.load(saved).tokenizer is None


def test_foreign_config_keys_are_kept_and_written_back(saved: Path, tmp_path: Path) -> None:
    foreign = {"id2label": {"0": "no"}, "use_cache": True, "_name_or_path": "x"}
    edit_json(saved / "config.json", **foreign, torch_dtype="float16")
    bert_keras.save(bert_keras.load(saved), tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert foreign.items() <= written.items()
    # The new file is float32; the old word would make transformers round it.
    assert "torch_dtype" not in written
    assert TINY.to_dict().items() <= written.items()
    assert written["architectures"] == ["BertForPreTraining"]


@pytest.mark.parametrize("model_class", [None, BertEncoder], ids=["own", "encoder"])
def test_quantization_that_the_weights_do_not_have_is_named_and_not_written_back(
    model_class: Any, saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_json(saved / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    model = bert_keras.load(saved, model_class)
    assert f"{saved}: its quantization_config is left out, as its weights are floats" in caplog.text
    bert_keras.save(model, tmp_path / "again")
    assert "quantization_config" not in (tmp_path / "again" / "config.json").read_text()


def test_tied_decoder_and_position_ids_are_passed_over(saved: Path) -> None:
    def add(tensors: dict[str, np.ndarray]) -> None:
        words = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["cls.predictions.decoder.weight"] = words.copy()
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].copy()
        tensors["bert.embeddings.position_ids"] = np.arange(5)[None]

    before = bert_keras.load(saved)
    edit_weights(saved, add)
    after = bert_keras.load(saved)
    assert_same_weights(before, after)


def test_files_as_google_published_them_open_whole(saved: Path) -> None:
    """They say BertForMaskedLM, hold both heads and the pooler, and gamma and beta."""

    def rename(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)

    before = bert_keras.load(saved)
    edit_weights(saved, rename)
    edit_json(saved / "config.json", architectures=["BertForMaskedLM"])
    after = bert_keras.load(saved)
    assert type(after) is BertForPreTraining
    assert_same_weights(before, after)


def test_half_precision_files_are_read_into_float32(saved: Path) -> None:
    def halve(tensors: dict[str, np.ndarray]) -> None:
        for name, array in tensors.items():
            tensors[name] = array.astype("float16")

    before = bert_keras.load(saved)
    edit_weights(saved, halve)
    after = bert_keras.load(saved)
    assert {weight.dtype for weight in after.trainable_weights} == {"float32"}
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def test_tied_bias_may_go_by_its_other_name_alone(saved: Path) -> None:
    def rename(tensors: dict[str, np.ndarray]) -> None:
        tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")

    before = bert_keras.load(saved)
    edit_weights(saved, rename)
    after = bert_keras.load(saved)
    np.testing.assert_array_equal(
        before.masked_lm_head.output_bias, after.masked_lm_head.output_bias
    )


def test_labels_and_problem_type_travel_with_the_model(tmp_path: Path) -> None:
    model = make_model(
        BertForSequenceClassification,
        labels=["no", "maybe", "yes"],
        problem_type="multi_label_classification",
        classifier_dropout=0.25,
    )
    bert_keras.save(model, tmp_path / "model")
    written = json.loads((tmp_path / "model" / "config.json").read_text())
    assert written["id2label"] == {"0": "no", "1": "maybe", "2": "yes"}
    assert written["label2id"] == {"no": 0, "maybe": 1, "yes": 2}
    loaded = bert_keras.load(tmp_path / "model")
    assert loaded.labels == ("no", "maybe", "yes")
    assert loaded.problem_type == "multi_label_classification"
    assert loaded.classifier_dropout == 0.25


def test_table_with_spare_rows_opens(tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "model", BertTokenizer(VOCAB[:-1]))
    assert bert_keras.load(tmp_path / "model").tokenizer.vocab_size == 7


def test_untied_config_is_written_back_as_tied(saved: Path, tmp_path: Path) -> None:
    """Or transformers would make up the decoder that the file does not have."""
    edit_json(saved / "config.json", tie_word_embeddings=False)
    bert_keras.save(bert_keras.load(saved), tmp_path / "again")
    assert "tie_word_embeddings" not in (tmp_path / "again" / "config.json").read_text()


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot save a Sequential"):
        bert_keras.save(tf.keras.Sequential(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@contextmanager
def no_file_beyond_1000_bytes() -> Iterator[None]:
    """What a full disk looks like: writing fails midway. Not for longer: pytest writes too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_save_that_runs_out_of_space_leaves_the_old_model(saved: Path) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    other = make_model(seed=1)
    with (
        pytest.raises(OSError, match=rf"File too large: '{re.escape(str(saved))}'") as caught,
        no_file_beyond_1000_bytes(),
    ):
        bert_keras.save(other, saved)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]
