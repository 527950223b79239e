import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from bert_keras import files
from bert_keras.errors import InputError
from bert_keras.export.tf_serving import WARMUP_FILE, next_version


def write(path):
    with next_version(path) as (version, folder):
        (folder / "saved_model.pb").write_bytes(b"x")
    return version


def test_the_next_number_follows_the_highest(tmp_path):
    path = tmp_path / "deep" / "served"
    assert write(path) == path / "1"
    (path / "41").mkdir()
    (path / "notes").mkdir()
    assert write(path) == path / "42"
    assert (path / "42" / "saved_model.pb").exists()


def test_a_server_never_sees_half_a_version(tmp_path):
    """TF Serving takes up every folder whose name is a number."""
    with next_version(tmp_path / "served") as (_, folder):
        (folder / "saved_model.pb").write_bytes(b"x")
        assert not any(p.name.isdecimal() for p in (tmp_path / "served").iterdir())
    assert [p.name for p in (tmp_path / "served").iterdir()] == ["1"]


def test_what_fails_leaves_nothing_and_spares_what_was_there(tmp_path):
    for path in (tmp_path / "new", tmp_path / "old"):
        if path.name == "old":
            write(path)
        with pytest.raises(RuntimeError), next_version(path):
            raise RuntimeError
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == [
        "old",
        "old/1",
        "old/1/saved_model.pb",
    ]


def test_of_two_at_a_time_the_slower_says_so_and_changes_nothing(tmp_path):
    path = tmp_path / "served"
    slower = next_version(path)
    _, folder = slower.__enter__()
    (folder / "slow").write_bytes(b"x")
    write(path)
    with pytest.raises(InputError, match="appeared meanwhile"):
        slower.__exit__(None, None, None)
    assert [p.name for p in (path / "1").iterdir()] == ["saved_model.pb"]


def test_a_version_finished_while_ours_goes_to_the_disk_stays(tmp_path, monkeypatch):
    path, sync, begun = tmp_path / "served", files._sync, []

    def slow(file):
        if not begun:
            begun.append(file)
            write(path)
        sync(file)

    monkeypatch.setattr(files, "_sync", slow)
    with pytest.raises(InputError, match="appeared meanwhile"), next_version(path) as (_, folder):
        (folder / "ours").write_bytes(b"x")
    assert [str(p.relative_to(path)) for p in sorted(path.rglob("*"))] == ["1", "1/saved_model.pb"]


def test_a_version_or_a_file_is_no_folder_of_versions(tmp_path):
    path = tmp_path / "served"
    write(path)
    with pytest.raises(InputError, match="give the folder above it"), next_version(path / "1"):
        pass
    with (
        pytest.raises(InputError, match="is a file"),
        next_version(path / "1" / "saved_model.pb"),
    ):
        pass


def test_the_records_are_requests_that_the_model_answers(exported, session):
    """Read with tensorflow-serving-api, as TF Serving reads them."""
    folder = exported("classification")
    sizes, signatures = set(), set()
    for record in tf.data.TFRecordDataset(str(folder / WARMUP_FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "classification"
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        answers = session("classification").run(name, inputs)
        (rows,) = {len(array) for array in inputs.values()}
        assert all(len(array) == rows for array in answers.values())
        signatures.add(name)
        if name == "serving_default":
            lengths = session("classification").run("tokenize", inputs)["input_ids"].shape
            sizes.add(lengths)
    assert signatures == {"serving_default", "tokens", "tokenize"}
    assert {size[0] for size in sizes} == {1, 4, 32}
    assert {size[1] for size in sizes} == {8, 32, 64}
    assert max(np.prod(size) for size in sizes) <= 4096
