"""Directories that are refused: damaged, of other models, or not what their config says."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import (
    BertForTokenClassification,
    BertTokenizer,
)
from tests.support.files import edit_json, edit_weights
from tests.support.models import VOCAB, make_model, refusal


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("cls.predictions.decoder.weight", np.ones((8, 4), "float32")),
        ("cls.predictions.decoder.bias", np.ones(8, "float32")),
    ],
)
def test_decoder_that_is_not_tied_is_refused(name: str, copy: np.ndarray, saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.update({name: copy}))
    assert f"{name} differs from" in refusal(saved)


@pytest.mark.parametrize(
    "names",
    [
        {"0": "a", "2": "b"},
        {"a": 0, "b": 1},
        ["a", "b"],
        {},
        {"0": "a", "01": "b"},
        {"0": "a", "1": None},
        {"0": 0, "1": 1},
    ],
    ids=str,
)
def test_labels_that_do_not_count_from_0_are_refused(names: Any, tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    edit_json(tmp_path / "model" / "config.json", id2label=names)
    assert "id2label" in refusal(tmp_path / "model")


def test_config_that_lies_about_the_labels_is_refused(tmp_path: Path) -> None:
    bert_keras.save(make_model(BertForTokenClassification), tmp_path / "model")
    edit_json(tmp_path / "model" / "config.json", id2label={"0": "a", "1": "b", "2": "c"})
    assert "classifier.weight has the wrong shape" in refusal(tmp_path / "model")


def test_missing_weight_is_named(saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.pop("bert.pooler.dense.bias"))
    assert "lacks the weight bert.pooler.dense.bias" in refusal(saved)


def test_name_that_would_write_on_the_terminal_is_shown_as_escapes(saved: Path) -> None:
    name = "stray\n\x1b[2J名"
    edit_weights(saved, lambda tensors: tensors.update({name: np.zeros(1)}))
    assert r"does not use: stray\n\x1b[2J名" in refusal(saved)


def test_command_against_a_pickle_takes_no_code_from_the_config(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    edit_json(saved / "config.json", architectures=["os; import os; os.mkdir('x')"])
    assert "import AutoModel as M;" in refusal(saved)


@pytest.mark.parametrize("missing", ["nothing", "weights", "weights and config"])
def test_adapter_is_refused_with_the_way_to_merge_it(missing: str, saved: Path) -> None:
    (saved / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    if "weights" in missing:
        (saved / "model.safetensors").rename(saved / "adapter_model.safetensors")
    if "config" in missing:
        (saved / "config.json").unlink()
    message = refusal(saved)
    assert "merge_and_unload()" in message
    assert ("remove the file" in message) == (missing == "nothing")  # else nothing would be left


def test_unused_weight_is_named(saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.update(stray=np.zeros(1)))
    assert "does not use: stray" in refusal(saved)


@pytest.mark.parametrize(
    "other", ["embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma"]
)
def test_weight_that_is_there_by_two_names_is_refused(other: str, saved: Path) -> None:
    edit_weights(saved, lambda tensors: tensors.update({other: np.ones(4, "float32")}))
    message = refusal(saved)
    assert "holds one weight twice" in message
    assert other in message


@pytest.mark.parametrize(
    "name",
    ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.key.weight"],
)
def test_wrong_shape_is_told_with_both_shapes(name: str, saved: Path) -> None:
    edit_weights(
        saved,
        lambda tensors: tensors.update({name: np.zeros((3, 4), "float32")}),
    )
    message = refusal(saved)
    assert name in message
    assert "(3, 4)" in message


def test_config_of_another_size_is_refused(saved: Path) -> None:
    edit_json(saved / "config.json", intermediate_size=7)
    assert "intermediate.dense.weight has the wrong shape" in refusal(saved)


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_truncated_weights_are_refused(size: int, saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert f"{file} is damaged" in refusal(saved)


@pytest.mark.parametrize(
    "lie", [{"vocab_size": 10**12}, {"num_hidden_layers": 10**9}, {"hidden_size": 2 * 10**9}]
)
def test_config_that_lies_about_its_sizes_costs_no_memory(lie: Any, saved: Path) -> None:
    edit_json(saved / "config.json", **lie)
    assert str(saved) in refusal(saved)


def test_fewer_layers_than_the_file_has_are_refused(saved: Path) -> None:
    edit_json(saved / "config.json", num_hidden_layers=1)
    assert "does not use: bert.encoder.layer.1." in refusal(saved)


def test_vocabulary_of_more_tokens_than_the_table_has_rows_is_refused(tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "model", BertTokenizer([*VOCAB, "zebra"]))
    message = refusal(tmp_path / "model")
    assert f"has {len(VOCAB) + 1} tokens" in message
    assert f"vocab_size={len(VOCAB)}" in message


@pytest.mark.parametrize(
    ("name", "word"), [("tf_model.h5", "from_tf=True"), ("flax_model.msgpack", "from_flax=True")]
)
def test_weights_of_other_frameworks_are_refused_with_the_command(
    name: str, word: str, saved: Path
) -> None:
    (saved / "model.safetensors").rename(saved / name)
    assert word in refusal(saved)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "albert"}, "its layers share one set of weights"),
        ({"model_type": "deberta"}, "bert-keras opens BERT, DistilBERT"),
        ({"architectures": "BertModel"}, "architectures must be a list"),
    ],
    ids=str,
)
def test_other_models_are_refused_with_the_reason(
    change: dict[str, Any], word: str, saved: Path
) -> None:
    edit_json(saved / "config.json", **change)
    assert word in refusal(saved)


def test_path_without_a_model_says_what_would_be_one(tmp_path: Path) -> None:
    assert "is not a model: it has neither config.json" in refusal(tmp_path)
    (tmp_path / "text.txt").touch()
    assert "is not a model" in refusal(tmp_path / "text.txt")


@pytest.mark.parametrize(
    "key",
    [
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"pruned_heads": {"0": [1]}},
    ],
    ids=str,
)
def test_berts_that_compute_otherwise_are_refused(key: dict[str, Any], saved: Path) -> None:
    edit_json(saved / "config.json", **key)
    assert next(iter(key)) in refusal(saved)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, ""], ids=["open", "deep", "empty"])
def test_config_that_is_no_json_is_refused(text: str, saved: Path) -> None:
    (saved / "config.json").write_text(text)
    assert "config.json is not valid JSON" in refusal(saved)


def test_a_key_that_comes_twice_is_named_with_its_file(saved: Path) -> None:
    text = (saved / "config.json").read_text()
    (saved / "config.json").write_text(text.replace("{", '{"hidden_size": 4,', 1))
    assert refusal(saved).startswith(
        f"{saved / 'config.json'} is not clear: the key 'hidden_size' comes twice in an object"
    )


def test_unknown_architecture_is_refused(saved: Path) -> None:
    edit_json(saved / "config.json", architectures=["GPT2LMHeadModel"])
    assert "'GPT2LMHeadModel'" in refusal(saved)


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such model: .*nowhere"):
        bert_keras.load(tmp_path / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        bert_keras.load(saved)


def test_pickled_weights_are_never_read_and_the_way_out_is_named(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    message = refusal(saved)
    assert "pytorch_model.bin is a pickle" in message
    code = message[message.index("python -c ") :]
    assert "from transformers import BertForPreTraining as M; " in shlex.split(code)[2]
    compile(shlex.split(code)[2], "command", "exec")
