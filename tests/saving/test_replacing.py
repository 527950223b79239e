"""Saving where something is already: a model that was saved there gives way, all else stays."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import bert_keras
from bert_keras.contents import hash_files
from bert_keras.errors import InputError
from bert_keras.files import WRITTEN_FILE
from tests.support.models import make_model

FOLDERS = ["huggingface", "google"]


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(format: str, seed: int = 0, name: str = "model") -> Path:
        path = tmp_path / (f"{name}.keras" if format == "keras" else name)
        bert_keras.save(make_model(seed=seed), path, format=format)
        return path

    return write


def weights(path: Path) -> np.ndarray:
    return np.asarray(bert_keras.load(path).trainable_weights[0])


@pytest.mark.parametrize("format", [*FOLDERS, "keras"])
def test_a_model_that_was_saved_there_is_replaced_whole(
    save: Callable[..., Path], format: str
) -> None:
    path = save(format)
    before = weights(path)
    save(format, seed=1)
    assert not np.array_equal(weights(path), before)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_another_layout_of_ours_gives_way_too(save: Callable[..., Path]) -> None:
    path = save("google")
    save("huggingface")
    assert (path / "model.safetensors").exists()
    assert not (path / "bert_config.json").exists()


@pytest.mark.parametrize("format", FOLDERS)
@pytest.mark.parametrize("what", ["notes", "another program's model", "an edited config"])
def test_files_that_were_not_saved_there_stay(
    save: Callable[..., Path], format: str, what: str
) -> None:
    path = save(format)
    config = path / ("config.json" if format == "huggingface" else "bert_config.json")
    if what == "notes":
        (path / "README.md").write_text("how I trained it")
    elif what == "an edited config":
        config.write_text(config.read_text().replace("{", '{"comment": "mine",', 1))
    else:  # of the same names, without our list
        (path / WRITTEN_FILE).unlink()
    before = hash_files(path)
    with pytest.raises(InputError, match="is not what bert_keras wrote there and stays"):
        save(format, seed=1)
    assert hash_files(path) == before
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("what", ["text", "archive", "model of another package"])
def test_a_keras_file_of_anything_else_stays(
    save: Callable[..., Path], tmp_path: Path, what: str
) -> None:
    path = tmp_path / "model.keras"
    if what == "text":
        path.write_text("mine")
    elif what == "archive":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", "[1]")
    else:
        keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]).save(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="already exists; remove it or choose another name"):
        save("keras")
    assert path.read_bytes() == before


def test_the_list_of_what_was_saved_is_beside_the_model_and_changes_no_file_of_it(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    path = save("huggingface")
    again = shutil.copytree(path, tmp_path / "copy")
    (again / WRITTEN_FILE).unlink()
    np.testing.assert_array_equal(weights(again), weights(path))
    assert hash_files(path).keys() - hash_files(again).keys() == {WRITTEN_FILE}
