import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

import bert_keras
from tests.support.models import assert_same_weights, make_model, refusal

INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(saved: Path) -> Path:
    """The saved model in three files with an index, as transformers splits large ones."""
    tensors = safetensors.numpy.load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map = {}
    for number in range(3):
        home = f"model-{number + 1:05d}-of-00003.safetensors"
        part = {name: tensors[name] for name in names[number::3]}
        safetensors.numpy.save_file(part, saved / home)
        weight_map |= dict.fromkeys(part, home)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (saved / INDEX).write_text(json.dumps(index))
    return saved


def _rewrite_index(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    index = json.loads((path / INDEX).read_text())
    change(index["weight_map"])
    (path / INDEX).write_text(json.dumps(index))


WORDS = "bert.embeddings.word_embeddings.weight"


def test_several_files_are_one_model(sharded: Path) -> None:
    assert_same_weights(bert_keras.load(sharded), make_model())


@pytest.mark.parametrize(
    "home", ["../model.safetensors", "/etc/passwd", "sub/a", "..", "", "a\0b", 7]
)
def test_index_never_leads_out_of_the_folder(home: Any, sharded: Path) -> None:
    _rewrite_index(sharded, lambda homes: homes.update({WORDS: home}))
    message = refusal(sharded)
    assert "plain name in the same folder" in message
    assert repr(home) in message


def test_link_out_of_the_folder_is_not_followed(sharded: Path, tmp_path: Path) -> None:
    home = sharded / "model-00002-of-00003.safetensors"
    home.rename(tmp_path / "elsewhere")
    home.symlink_to(tmp_path / "elsewhere")
    assert "a link out of the folder" in refusal(sharded)


def test_of_the_hubs_cache_the_blobs_count_as_inside_and_no_link_out_of_them(
    sharded: Path, tmp_path: Path
) -> None:
    shared, model = tmp_path / "blobs" / "ab" / "hash", tmp_path / "models--org--tiny"
    folder = model / "snapshots" / "commit"
    folder.parent.mkdir(parents=True)
    sharded.rename(folder)
    home, blob = folder / "model-00002-of-00003.safetensors", model / "blobs" / "etag"
    blob.parent.mkdir()
    shared.parent.mkdir(parents=True)
    home.rename(shared)
    home.symlink_to("../../blobs/etag")
    blob.symlink_to("../../blobs/ab/hash")  # as the client does from version 2 on
    assert_same_weights(bert_keras.load(folder), make_model())
    shared.rename(tmp_path / "secret")
    blob.unlink()
    blob.symlink_to(tmp_path / "secret")
    assert f"a link out of the folder to {tmp_path / 'secret'}" in refusal(folder)


def test_links_in_a_ring_are_an_error_that_names_them(sharded: Path) -> None:
    home = sharded / "model-00002-of-00003.safetensors"
    home.unlink()
    home.symlink_to(home)
    with pytest.raises(OSError, match=home.name):
        bert_keras.load(sharded)


def test_index_that_disagrees_with_a_file_is_refused(sharded: Path) -> None:
    _rewrite_index(sharded, lambda homes: homes.pop(WORDS))
    message = refusal(sharded)
    assert "disagree on where these are" in message
    assert WORDS in message


def test_missing_part_is_named(sharded: Path) -> None:
    (sharded / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model-00002-of-00003"):
        bert_keras.load(sharded)


def test_truncated_part_is_refused(sharded: Path) -> None:
    part = sharded / "model-00003-of-00003.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    assert f"{part} is damaged" in refusal(sharded)


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": {}}', '{"weight_map": 3}', "{"])
def test_damaged_index_is_refused(text: str, sharded: Path) -> None:
    (sharded / INDEX).write_text(text)
    assert INDEX in refusal(sharded)
