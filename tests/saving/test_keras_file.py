import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import BertTokenizer
from tests.support.models import (
    VOCAB,
    assert_same_weights,
    assert_told_of_progress,
    make_model,
    refusal,
)


def test_keys_of_a_foreign_config_go_through_a_keras_file(tmp_path: Path) -> None:
    labels = {"labels": ["no", "yes", "so"], "problem_type": "multi_label_classification"}
    bert_keras.save(make_model(BertForSequenceClassification, **labels), tmp_path / "first")
    file = tmp_path / "first" / "config.json"
    foreign = {"use_cache": True, "task_specific_params": {"x": [1, {"é": None}]}}
    file.write_text(json.dumps(json.loads(file.read_text()) | foreign))
    bert_keras.save(bert_keras.load(tmp_path / "first"), tmp_path / "m.keras", format="keras")
    bert_keras.save(bert_keras.load(tmp_path / "m.keras"), tmp_path / "second")
    written = json.loads((tmp_path / "second" / "config.json").read_text())
    assert written == json.loads(file.read_text())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"num_hidden_layers": 1}, "does not use: encoder/layers/transformer_layer_1/"),
        ({"num_hidden_layers": 3}, "num_hidden_layers=3"),
        ({"vocab_size": 10**12}, "encoder/embeddings/vars/0 has the wrong shape"),
        ({"hidden_size": 8}, "encoder/embeddings/vars/0 has the wrong shape"),
    ],
    ids=str,
)
def test_config_that_lies_about_its_sizes_is_refused(
    change: dict[str, Any], word: str, tmp_path: Path
) -> None:
    def lie(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        config["config"]["config"] |= change
        members["config.json"] = json.dumps(config).encode()

    bert_keras.save(make_model(), tmp_path / "m.keras", format="keras")
    _repack(tmp_path / "m.keras", lie)
    assert word in refusal(tmp_path / "m.keras")


def _missing(file: h5py.File) -> None:
    del file["layers/masked_lm_head/vars/0"]


def _stray(file: h5py.File) -> None:
    file["stray/vars/0"] = np.ones(3)


def _outside(file: h5py.File) -> None:
    del file["layers/masked_lm_head/vars/0"]
    shape, place = (8,), [("/etc/hostname", 0, 32)]
    file.create_dataset("layers/masked_lm_head/vars/0", shape, "float32", external=place)


def _never_written(file: h5py.File) -> None:
    del file["encoder/embeddings/vars/0"]
    file.create_dataset("encoder/embeddings/vars/0", (8, 4), "float32")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_missing, "lacks the weight layers/masked_lm_head/vars/0"),
        (_stray, "does not use: stray/vars/0"),
        (_outside, "layers/masked_lm_head/vars/0 lies in another file"),
        (_never_written, "encoder/embeddings/vars/0 holds less than its shape says"),
    ],
    ids=["missing", "unused", "outside", "never written"],
)
def test_wrong_weights_are_named(
    change: Callable[[h5py.File], None], word: str, tmp_path: Path
) -> None:
    def tamper(members: dict[str, bytes]) -> None:
        file = tmp_path / "weights.h5"
        file.write_bytes(members["model.weights.h5"])
        with h5py.File(file, "a") as handle:
            change(handle)
        members["model.weights.h5"] = file.read_bytes()

    bert_keras.save(make_model(), tmp_path / "m.keras", format="keras")
    _repack(tmp_path / "m.keras", tamper)
    assert word in refusal(tmp_path / "m.keras")


def _repack(
    path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_keras_file_opens_for_a_task(tmp_path: Path) -> None:
    model = make_model()
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    tagger = bert_keras.load(tmp_path / "m.keras", BertForTokenClassification, labels=["O", "B"])
    assert tagger.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    np.testing.assert_array_equal(
        tagger.encoder.embeddings.word_embeddings, model.encoder.embeddings.word_embeddings
    )


def test_progress_is_told(tmp_path: Path) -> None:
    for name, layout in ("m.keras", "keras"), ("m", "huggingface"), ("google", "google"):
        bert_keras.save(make_model(), tmp_path / name, format=layout)
        assert_told_of_progress(tmp_path / name)


@pytest.mark.system
def test_compiled_model_that_keras_saved_opens(tmp_path: Path) -> None:
    model = make_model(dtype="mixed_bfloat16", packed=True)
    model.compile()
    batch = {"input_ids": np.array([[2, 5, 4]]), "masked_lm_positions": np.array([[2]])}
    labels = {"masked_lm_ids": np.array([[5]]), "masked_lm_weights": np.ones((1, 1), "float32")}
    model.fit(tf.data.Dataset.from_tensors(batch | labels), verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = bert_keras.load(tmp_path / "m.keras")
    assert_same_weights(loaded, model)
    assert loaded.dtype_policy == model.dtype_policy
    assert (loaded.packed, loaded.seed) == (True, 0)


def test_code_in_a_keras_file_is_not_run(tmp_path: Path) -> None:
    inputs = keras.Input((2,))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    assert "m.keras holds a Functional" in refusal(tmp_path / "m.keras")


def test_other_models_are_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    assert "holds a Sequential" in refusal(tmp_path / "m.keras")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    bert_keras.save(make_model(), file, format="keras")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert "m.keras" in refusal(file)


def _set(entry: bytearray, **numbers: int) -> None:
    """Changes numbers of a member's entry in the directory of a zip file."""
    for name, number in numbers.items():
        place, size = {"flags": (8, 2), "method": (10, 2), "packed": (20, 4), "size": (24, 4)}[name]
        entry[place : place + size] = number.to_bytes(size, "little")


@pytest.mark.parametrize(
    "numbers",
    [{"flags": 1}, {"method": 99}, {"packed": 2**20, "size": 2**20}],
    ids=["encrypted", "unknown method", "short"],
)
def test_member_that_cannot_be_unpacked_is_refused(numbers: dict[str, int], tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    bert_keras.save(make_model(), file, format="keras")
    _repack(file, lambda members: None)
    with zipfile.ZipFile(file) as archive:
        start = archive.start_dir
    data = file.read_bytes()
    entry = bytearray(data[start:])
    _set(entry, **numbers)
    file.write_bytes(data[:start] + entry)
    assert "m.keras is damaged" in refusal(file)


def test_compressed_file_with_a_wrong_byte_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    bert_keras.save(make_model(), file, format="keras")
    _repack(file, lambda members: None, zipfile.ZIP_DEFLATED)
    bert_keras.load(file)
    with zipfile.ZipFile(file) as archive:
        first = archive.infolist()[0].filename
    data = bytearray(file.read_bytes())
    data[30 + len(first)] = 0b111  # where the stream begins: a last block of a kind there is not
    file.write_bytes(data)
    assert "invalid block type" in refusal(file)


def test_file_that_unpacks_to_many_times_its_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(name, " " * 2**23)
    assert "would unpack to 25,165,824 bytes" in refusal(tmp_path / "m.keras")


def test_file_without_weights_is_refused(tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "whole.keras", format="keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as part,
    ):
        for name in ("config.json", "metadata.json"):
            part.writestr(name, whole.read(name))
    assert "it lacks model.weights.h5" in refusal(tmp_path / "m.keras")


def test_wrong_uses_are_refused(tmp_path: Path) -> None:
    model = make_model()
    with pytest.raises(InputError, match=r"must end in \.keras"):
        bert_keras.save(model, tmp_path / "model", format="keras")
    with pytest.raises(InputError, match="no format 'onnx'"):
        bert_keras.save(model, tmp_path / "model", format="onnx")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        bert_keras.load(tmp_path / "none.keras")
    np.testing.assert_equal(len(list(tmp_path.iterdir())), 0)


def test_keras_saves_and_opens_a_model_with_its_tokenizer_and_other_files(tmp_path: Path) -> None:
    model = make_model()
    model.tokenizer = BertTokenizer(VOCAB)
    model.other_config, model.other_files = {"a": 1}, {"b.json": {"c": 2}}
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.tokenizer.vocab == VOCAB
    assert (loaded.other_config, loaded.other_files) == ({"a": 1}, {"b.json": {"c": 2}})


def test_nothing_of_a_model_is_left_out_where_nobody_knows_how_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    model.other_config = {"a": 1}
    model.save(tmp_path / "whole.keras")
    monkeypatch.setattr(BertModel, "assets", None)
    with pytest.raises(InputError, match=r"bert_keras\.saving writes and reads; import it"):
        model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"bert_keras\.saving writes and reads; import it"):
        keras.saving.load_model(tmp_path / "whole.keras")
