"""Models by name, by the hub's own client from a server that speaks its protocol."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForSentenceEmbedding
from bert_keras.errors import InputError
from bert_keras.hub import download, pinned, tokenizer_folder
from bert_keras.saving.families import family
from bert_keras.saving.files import read as read_stored
from bert_keras.saving.fingerprint import fingerprint
from tests.support.hub import TOKEN, files_of
from tests.support.models import assert_same_weights, make_model, refusal

NAME = "hf://org/tiny"


@pytest.fixture(autouse=True)
def model(hub, folder):
    """The model of that name."""
    return hub.add("org/tiny", folder)


def test_a_name_opens_the_model_and_downloads_only_what_is_read(hub, folder):
    model = bert_keras.load(NAME)
    assert_same_weights(model, bert_keras.load(folder))
    assert model.tokenizer.vocab_size == model.config.vocab_size
    wanted = {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"}
    assert hub.downloaded() == wanted
    assert fingerprint(NAME) == fingerprint(folder)
    assert hub.ranges == [""]  # the weights once


def test_a_path_object_makes_one_slash_of_two_and_a_renamed_model_is_followed(hub, folder):
    hub.moved["tiny"] = "org/tiny"
    for name in (Path(NAME), "hf://tiny"):
        assert_same_weights(bert_keras.load(name), bert_keras.load(folder))


def test_a_revision_is_opened_by_its_name_and_by_its_commit(hub, model, folder):
    other = make_model(seed=1)
    bert_keras.save(other, folder.parent / "other")
    first = model.refs["main"]
    model.commit(files_of(folder.parent / "other"), "refs/pr/2")
    assert_same_weights(bert_keras.load(f"{NAME}@refs/pr/2"), other)
    assert_same_weights(bert_keras.load(f"{NAME}@{first}"), bert_keras.load(folder))
    shutil.rmtree(folder.parent / "other")


def test_a_moved_revision_is_followed_unless_the_commit_is_named(hub, model, folder):
    before = pinned(NAME)
    assert before == f"{NAME}@{model.refs['main']}"
    config = json.loads((folder / "config.json").read_bytes()) | {"note": "moved"}
    model.commit(files_of(folder) | {"config.json": json.dumps(config).encode()})
    assert bert_keras.load(NAME).other_config["note"] == "moved"
    assert "note" not in bert_keras.load(before).other_config
    assert pinned(NAME, before) == before
    assert pinned(f"{NAME}@main", before) == f"{NAME}@{model.refs['main']}" != before
    assert len(hub.ranges) == 1  # the weights are the same file


def test_a_cut_connection_is_resumed_where_it_was_cut(hub, folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    hub.cut_after = 1000
    try:
        model = bert_keras.load(NAME)
    except InputError:  # before version 1.31 the client resumes in the next call
        model = bert_keras.load(NAME)
    assert_same_weights(model, bert_keras.load(folder))
    assert hub.ranges == ["", "bytes=1000-"]


def test_a_download_that_fails_says_so_and_is_done_again_for_what_is_missing(hub, folder):
    hub.failures["/cdn/"] = 502
    line = refusal(NAME)
    assert "fails (502): try again later; files that are whole stay in the cache" in line
    hub.failures.clear()
    hub.requests.clear()
    assert_same_weights(bert_keras.load(NAME), bert_keras.load(folder))
    assert hub.downloaded() == {"model.safetensors"}


def test_the_cache_does_without_a_network_and_says_so(hub, folder, monkeypatch, offline, caplog):
    from huggingface_hub import constants

    commit = pinned(NAME)
    bert_keras.load(NAME)
    hub.failures["."] = 503
    with caplog.at_level("INFO", "bert_keras"):
        assert_same_weights(bert_keras.load(NAME), bert_keras.load(folder))
    assert f"{commit}: {hub.endpoint} fails (503)" in caplog.text
    assert "model.safetensors" in caplog.text
    with caplog.at_level("INFO", "bert_keras"):
        pinned(NAME)
    assert caplog.text.count("fails (503)") == 1, "a line once"
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    assert_same_weights(bert_keras.load(NAME), bert_keras.load(folder))
    asked = len(hub.requests)
    offline()
    assert_same_weights(bert_keras.load(NAME), bert_keras.load(folder))
    assert pinned(NAME) == commit
    assert len(hub.requests) == asked


def test_a_part_of_a_model_in_the_cache_does_not_pass_for_the_whole(hub, offline, tmp_path):
    from huggingface_hub import constants, hf_hub_download

    model = make_model(BertForSentenceEmbedding, dense_units=3)
    bert_keras.save(model, tmp_path / "encoder")
    files = files_of(tmp_path / "encoder") | {".gitattributes": b""}
    for name in ("org/part", "org/whole", "org/ours"):
        hub.add(name, files)
    for file in ("config.json", "model.safetensors"):  # as transformers' AutoModel leaves it
        path = Path(hf_hub_download("org/part", file, cache_dir=constants.HF_HUB_CACHE))
    for file in files:
        hf_hub_download("org/whole", file, cache_dir=constants.HF_HUB_CACHE)
    bert_keras.load("hf://org/ours")
    download._known.clear()
    offline()
    line = refusal("hf://org/part")
    assert "without 'modules.json', 'tokenizer_config.json', 'tokenizer.json', which the" in line
    assert "HF_HUB_OFFLINE is set: unset it to download" in line
    assert_same_weights(bert_keras.load("hf://org/ours"), model)
    assert_same_weights(bert_keras.load("hf://org/whole"), model)
    assert bert_keras.load(path.parent) is not None  # the folder as it is


def test_offline_without_a_cache_the_line_says_what_to_do(hub, offline, tmp_path):
    offline()
    assert refusal(NAME) == (
        f"{NAME} is not in the cache {tmp_path / 'cache'}, and HF_HUB_OFFLINE is set: unset it to "
        "download"
    )


def test_without_an_answer_and_a_cache_the_line_says_what_to_do(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 is not reached" in refusal(NAME)
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    hub.failures["."] = 200
    assert "does not answer as the hub does (JSONDecodeError): log in" in refusal(NAME)
    hub.failures["."] = 429
    line = refusal(NAME)
    assert "takes no more requests now (429): wait 7 seconds or log in" in line


def test_a_cache_without_the_weights_is_told_from_a_model_without_them(hub, offline):
    tokenizer_folder(NAME, ["vocab.txt"])
    assert hub.ranges == []  # a tokenizer needs no weights
    offline()
    assert "the cache lacks the weights of hf://org/tiny@" in refusal(NAME)


def test_what_is_not_there_or_not_for_everybody_is_refused_in_a_line(hub, folder, monkeypatch):
    assert "there is no such model at http" in refusal("hf://org/none")
    assert "there is no such revision" in refusal(f"{NAME}@v9")
    hub.add("org/private", folder, "private")
    hub.add("org/gated", folder, "gated")
    line = refusal("hf://org/private")
    assert "or it is private" in line
    assert "HF_TOKEN" in line
    line = refusal("hf://org/gated")
    assert f"needs access: ask for it at {hub.endpoint}/org/gated, then log in" in line
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "refuses the token (401)" in refusal("hf://org/private")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name in ("private", "gated"):
        assert_same_weights(bert_keras.load(f"hf://org/{name}"), bert_keras.load(folder))


@pytest.mark.parametrize("name", ["hf://", "hf://a/b/c", "hf://org/na me", "hf://org/x@"])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_asked(hub, name):
    assert "hf://org/name" in refusal(name)
    assert hub.requests == []


def test_kaggle_and_a_name_without_its_scheme_are_named(hub):
    assert "kagglehub" in refusal("kaggle://keras/bert/keras/bert_tiny_en_uncased")
    with pytest.raises(FileNotFoundError, match="of the hub it would be hf://org/tiny"):
        bert_keras.load("org/tiny")
    assert hub.requests == []


def test_pickles_alone_are_never_downloaded_and_the_revision_without_is_named(hub, folder):
    files = files_of(folder)
    safe = {"model.safetensors": files.pop("model.safetensors")}
    repository = hub.add("org/pickle", files)
    line = refusal("hf://org/pickle")
    assert "a pickle can run any code" in line
    assert "https://huggingface.co/spaces/safetensors/convert converts it" in line
    repository.commit(files, "refs/pr/1")
    repository.commit(files | safe, "refs/pr/3")
    line = refusal("hf://org/pickle")
    assert "its revision refs/pr/3 has safetensors" in line
    assert line.endswith("hf://org/pickle@refs/pr/3")
    assert_same_weights(bert_keras.load(line.split()[-1]), bert_keras.load(folder))
    assert not any(name.endswith(".bin") for name in hub.downloaded())


def test_another_kind_of_model_is_refused_before_its_weights_are_downloaded(hub, folder):
    config = json.dumps({"model_type": "llama"}).encode()
    hub.add("org/llama", files_of(folder) | {"config.json": config})
    assert "model_type 'llama'" in refusal("hf://org/llama")
    assert hub.ranges == []
    hub.add("org/data", {"README.md": b"", "data.csv": b""})
    line = refusal("hf://org/data")
    assert "has no config.json" in line
    assert "'README.md', 'data.csv'" in line
    hub.add("org/onnx", {"config.json": (folder / "config.json").read_bytes(), "x.onnx": b""})
    assert "has no weights that are read" in refusal("hf://org/onnx")


def test_a_sentence_encoder_comes_with_its_modules(hub, tmp_path):
    model = make_model(BertForSentenceEmbedding, dense_units=3)
    bert_keras.save(model, tmp_path / "encoder")
    hub.add("org/encoder", tmp_path / "encoder")
    opened = bert_keras.load("hf://org/encoder")
    assert_same_weights(opened, model)
    assert opened.dimensions == 3
    assert "2_Dense/model.safetensors" in hub.downloaded()


def test_a_dense_layer_that_is_a_pickle_alone_is_refused_and_not_left_out(hub, tmp_path):
    bert_keras.save(make_model(BertForSentenceEmbedding, dense_units=3), tmp_path / "encoder")
    (weights,) = (tmp_path / "encoder").glob("*_Dense/model.safetensors")
    weights.rename(weights.with_name("pytorch_model.bin"))
    hub.add("org/encoder", tmp_path / "encoder")
    line = refusal("hf://org/encoder")
    assert f"has {weights.parent.name}/pytorch_model.bin and no safetensors" in line
    assert not any(name.endswith((".bin", ".safetensors")) for name in hub.downloaded())


def test_weights_in_several_files_are_opened_from_the_links_of_the_cache(hub, folder):
    import safetensors.numpy

    files = files_of(folder)
    tensors = safetensors.numpy.load(files.pop("model.safetensors"))
    homes = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(tensors)}
    for home in sorted(set(homes.values())):
        part = {name: np.ascontiguousarray(tensors[name]) for name in homes if homes[name] == home}
        files[home] = safetensors.numpy.save(part)
    index = {"metadata": {}, "weight_map": homes}
    hub.add("org/parts", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    assert_same_weights(bert_keras.load("hf://org/parts"), bert_keras.load(folder))


def test_a_family_registered_from_python_opens_by_name_with_its_tokenizer(hub, folder, monkeypatch):
    monkeypatch.setattr(family, "_families", dict(family._families))
    read = lambda path, casing: (path / "toy.vocabulary").exists() and "its own"  # noqa: E731
    bert = family.family_of_config(Path("x"), {"model_type": "bert"})
    toy = replace(bert, model_type="toy", tokenizer_files=("toy.vocabulary",), read_tokenizer=read)
    family.register_family(toy)
    config = json.loads((folder / "config.json").read_bytes()) | {"model_type": "toy"}
    more = {"config.json": json.dumps(config).encode(), "toy.vocabulary": b"a"}
    hub.add("org/toy", files_of(folder) | more)
    with read_stored("hf://org/toy") as stored:
        assert stored.read_tokenizer(None) == "its own"
    assert "vocab.txt" not in hub.downloaded()


def test_the_command_that_installs_the_client_is_named_where_it_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"need huggingface_hub: pip install .*hub"):
        pinned("hf://org/another")
