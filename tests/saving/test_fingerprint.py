"""Fingerprints of models as they are really saved, one change at a time."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

import bert_keras
from bert_keras import BertEncoder, BertTokenizer
from bert_keras.config import PretrainConfig, to_tables
from bert_keras.contents import hash_files
from bert_keras.errors import InputError
from bert_keras.optimizers import AdamW
from bert_keras.saving.fingerprint import fingerprint, first_difference
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.saving.run import write_description
from bert_keras.training.checkpoint import Checkpoints
from bert_keras.training.state import RunState
from tests.support.files import flip
from tests.support.models import VOCAB, make_model

TOKENIZER = {"vocab.txt", "tokenizer_config.json"}
# Of every format: the files that tell the model, by the names that a message gives them.
TOLD_BY = {
    "huggingface": {"config.json", "model.safetensors", *TOKENIZER},
    "sharded": {"config.json", "model.safetensors.index.json", "1.safetensors", "2.safetensors"}
    | TOKENIZER,
    "sentence": {"config.json", "model.safetensors", "modules.json", "1_Pooling/config.json"}
    | {"sentence_bert_config.json", *TOKENIZER},
    "google": {"bert_config.json", "*.index", "*.data-00000-of-00001", *TOKENIZER},
    "garden": {"params.yaml", "*.index", "*.data-00000-of-00001", "vocab.txt"},
    "keras": {"config.json", "model.weights.h5", *TOKENIZER},
    "keras-hub": {"config.json", "model.weights.h5", "assets/tokenizer/vocabulary.txt"},
    "weights.h5": {"config.json", "*.weights.h5"},
    "checkpoint": {"config.json", "checkpoint", *TOKENIZER},
}


def _shards(folder: Path) -> None:
    arrays = sorted(load_file(folder / "model.safetensors").items())
    halves = {"1.safetensors": dict(arrays[::2]), "2.safetensors": dict(arrays[1::2])}
    for name, half in halves.items():
        save_file(half, folder / name, {"format": "pt"})
    homes = {key: name for name, half in halves.items() for key in half}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": homes}))
    (folder / "model.safetensors").unlink()


def _checkpoint(folder: Path, model: Any, tokenizer: BertTokenizer) -> Path:
    folder.mkdir()
    RunMark(command="pretrain", config=to_tables(PretrainConfig()), data={}).write(folder)
    write_description(model, folder, tokenizer)
    optimizer = AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    checkpoints.save(RunState(step=3), model, optimizer)
    checkpoints.wait()
    return folder.with_name(f"{folder.name}@3")


@pytest.fixture
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, Path]:
    """The format, the folder that everything lies in, and the path that ``load`` takes."""
    kind, tokenizer = request.param, BertTokenizer(VOCAB)
    folder = path = tmp_path / "models" / "base"
    folder.parent.mkdir()
    if kind == "sentence":
        model = make_model(bert_keras.BertForSentenceEmbedding)
        bert_keras.save(model, folder, tokenizer)
    elif kind in ("huggingface", "sharded", "google"):
        format = "google" if kind == "google" else "huggingface"
        bert_keras.save(make_model(), folder, tokenizer, format)
    elif kind == "checkpoint":
        path = _checkpoint(folder, make_model(), tokenizer)
    else:
        folder.mkdir()
    if kind == "sharded":
        _shards(folder)
    elif kind == "keras":
        path = folder / "m.keras"
        bert_keras.save(make_model(BertEncoder), path, tokenizer, "keras")
    elif kind == "garden":
        tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(str(folder / "ckpt-1"))
        (folder / "params.yaml").write_text("task: {model: {encoder: {type: bert, bert: {}}}}\n")
        (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
    elif kind in ("keras-hub", "weights.h5"):
        path = folder if kind == "keras-hub" else folder / "mine.weights.h5"
        config = {"class_name": "BertBackbone", "registered_name": "keras_hub>BertBackbone"}
        (folder / "config.json").write_text(json.dumps(config | {"config": {"num_layers": 2}}))
        with h5py.File(path / "model.weights.h5" if kind == "keras-hub" else path, "w") as file:
            file["layers/a/vars/0"] = np.arange(3.0)
        if kind == "keras-hub":
            (folder / "assets/tokenizer").mkdir(parents=True)
            (folder / "assets/tokenizer/vocabulary.txt").write_text("\n".join(VOCAB))
    return kind, folder, path


each_format = pytest.mark.parametrize("written", TOLD_BY, indirect=True)


@each_format
def test_the_files_that_are_read_tell_it_wherever_it_lies(written, tmp_path):
    kind, folder, path = written
    before = fingerprint(path)
    assert before.keys() == TOLD_BY[kind]
    assert all(len(value) == 64 and int(value, 16) >= 0 for value in before.values())
    folder.rename(tmp_path / "elsewhere")
    moved = Path(str(path).replace(str(folder), str(tmp_path / "elsewhere"), 1))
    assert fingerprint(moved) == before
    folder.symlink_to(tmp_path / "elsewhere")
    assert fingerprint(path) == before
    assert first_difference(before, fingerprint(path)) == ""


@each_format
def test_what_lies_beside_it_does_not_count(written):
    _, folder, path = written
    before = fingerprint(path)
    for name in ("README.md", "curves.png", "pytorch_model.bin", "training_args.json"):
        (folder / name).write_bytes(b"of no interest")
    for name in ("onnx/config.json", "checkpoint-5/vocab.txt", "logs/events.out"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"nor this")
    assert fingerprint(path) == before


def _edit(file: Path, change: Callable[[dict[str, Any]], None], **layout: Any) -> None:
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values, **layout))


@pytest.mark.parametrize("written", sorted(set(TOLD_BY) - {"keras", "checkpoint"}), indirect=True)
def test_every_one_of_its_files_is_told_from_another(written):
    kind, folder, path = written
    before = fingerprint(path)
    prefix = {"google": "bert_model.ckpt", "garden": "ckpt-1"}.get(kind, "mine")
    for name in TOLD_BY[kind]:
        file = folder / name.replace("*", prefix)
        kept = file.read_bytes()
        if name.endswith("modules.json"):
            file.write_text(json.dumps([m | {"name": "x"} for m in json.loads(file.read_text())]))
        elif name.endswith(".index.json"):
            continue  # it says where the weights are, and they must be there
        elif name.endswith(".json"):
            _edit(file, lambda values: values.update(more=1))
        elif name.endswith(".yaml"):
            file.write_text(file.read_text().replace("bert: {}", "bert: {num_layers: 3}"))
        elif name.endswith(".txt"):
            file.write_text(file.read_text().replace("##c", "##d"))
        elif name == "*.index":
            file.write_bytes(b"")
            with pytest.raises(InputError, match="damaged or not a TensorFlow checkpoint"):
                fingerprint(path)
            file.write_bytes(kept)
            continue
        else:
            flip(file)
        assert first_difference(before, fingerprint(path)) == f"{name} differs"
        file.write_bytes(kept)
        assert fingerprint(path) == before


@pytest.mark.parametrize("written", ["huggingface"], indirect=True)
def test_the_same_said_in_another_way_is_the_same(written):
    _, folder, path = written
    before = fingerprint(path)
    for name in ("config.json", "tokenizer_config.json"):
        _edit(folder / name, lambda values: None, indent=7, sort_keys=True)
    vocabulary = (folder / "vocab.txt").read_bytes()
    (folder / "vocab.txt").write_bytes(b"\xef\xbb\xbf" + vocabulary.replace(b"\n", b"\r\n"))
    assert fingerprint(path) == before
    _edit(folder / "tokenizer_config.json", lambda values: values.update(do_lower_case=False))
    assert first_difference(before, fingerprint(path)) == "tokenizer_config.json differs"


@pytest.mark.parametrize("written", ["huggingface"], indirect=True)
def test_files_that_come_and_go_are_named(written):
    _, folder, path = written
    before = fingerprint(path)
    (folder / "added_tokens.json").write_text("{}")
    assert first_difference(before, fingerprint(path)) == "added_tokens.json is new"
    assert first_difference(fingerprint(path), before) == "added_tokens.json is gone"


@pytest.mark.parametrize("written", ["keras"], indirect=True)
def test_parts_of_a_keras_file_count_and_its_dates_do_not(written):
    path = written[2]
    before = fingerprint(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(parts: dict[str, bytes]) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)

    write(parts | {"metadata.json": b'{"date_saved": "another day"}'})
    assert fingerprint(path) == before
    vocabulary = parts["assets/vocab.txt"].replace(b"##c", b"##d")
    write(parts | {"assets/vocab.txt": vocabulary})
    assert first_difference(before, fingerprint(path)) == "vocab.txt differs"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"is damaged or not a \.keras file"):
        fingerprint(path)


@pytest.mark.parametrize("written", ["checkpoint"], indirect=True)
def test_a_checkpoint_is_told_by_its_model_and_not_by_optimizer_or_position(written):
    _, folder, path = written
    before = fingerprint(path)

    def save(model: Any, optimizer: Any, position: RunState) -> None:
        optimizer.build(model.trainable_variables)
        checkpoints = Checkpoints(folder / "checkpoints", keep=2)
        checkpoints.save(position, model, optimizer)
        checkpoints.wait()

    save(make_model(), AdamW(1e-3, beta_1=0.5), RunState(step=3, seed=7))
    assert fingerprint(path) == before
    save(make_model(seed=1), AdamW(1e-3), RunState(step=3))
    difference = "checkpoint differs"
    assert first_difference(before, fingerprint(path)) == difference
    (folder / "checkpoints/vocab.txt").write_text("\n".join([*VOCAB[:-1], "##d"]) + "\n")
    assert first_difference(before, fingerprint(path)) == difference
    shutil.copytree(folder, folder.parent / "b")
    assert fingerprint(folder.parent / "b@3") == fingerprint(path)


@pytest.mark.parametrize("written", ["checkpoint"], indirect=True)
def test_a_run_is_told_by_the_very_model_that_it_stands_for(written):
    _, folder, path = written
    assert fingerprint(folder) == fingerprint(path)
    bert_keras.save(make_model(), folder / "model", BertTokenizer(VOCAB))
    (folder / "metrics.jsonl").write_text("{}")
    assert fingerprint(folder) == fingerprint(path)  # a model/ that the run did not write
    replace(read_mark(folder), model_files=hash_files(folder / "model")).write(folder)
    assert fingerprint(folder) == fingerprint(folder / "model")


def test_nothing_that_load_would_not_open_has_one(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle/config.json").write_text("{}")
    (tmp_path / "pickle/pytorch_model.bin").write_bytes(b"")
    for name in ("empty", "pickle", "none", "none.keras"):
        with pytest.raises((InputError, FileNotFoundError)) as here:
            fingerprint(tmp_path / name)
        with pytest.raises((InputError, FileNotFoundError)) as there:
            bert_keras.load(tmp_path / name)
        assert str(here.value) == str(there.value)
