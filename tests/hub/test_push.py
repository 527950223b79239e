"""A model to the hub: its files, its card, and what is refused."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi, constants

import bert_keras
from bert_keras import BertForSentenceEmbedding, push
from bert_keras.errors import InputError
from bert_keras.hub import HubName, repository_now, upload
from bert_keras.saving import to_hub
from tests.support.commands import output, refused
from tests.support.files import content
from tests.support.hub import TOKEN, files_of
from tests.support.models import assert_same_weights, make_model

NAME = "org/films"


@pytest.fixture
def client(hub, monkeypatch):
    """The hub, for a client that is logged in; xet needs the real one."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return hub


def test_what_was_pushed_opens_by_its_name_and_is_private(client, folder, capsys):
    before = content(folder)
    text = output(capsys, "push", folder, NAME, "--license", "apache-2.0")
    repository = client.repositories[NAME]
    sent = repository.commits[repository.refs["main"]]
    wanted = {"README.md", "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"}
    assert sent.keys() - {".gitattributes"} == wanted
    assert repository.access == "private"
    assert text.splitlines()[-1] == f"{client.endpoint}/{NAME}/commit/{repository.refs['main']}"
    assert_same_weights(bert_keras.load(f"hf://{NAME}"), bert_keras.load(folder))
    assert content(folder) == before
    push(folder, "org/open", "mit", public=True)
    assert client.repositories["org/open"].access == "open"


def test_a_second_push_is_a_second_commit_and_leaves_other_files(client, folder, tmp_path):
    push(folder, NAME, "mit")
    repository = client.repositories[NAME]
    repository.commit(repository.commits[repository.refs["main"]] | {"notes.txt": b"mine"})
    bert_keras.save(other := make_model(seed=3), tmp_path / "other")
    push(tmp_path / "other", NAME, "mit")
    assert len(repository.commits) == 4  # with that of its making
    assert repository.commits[repository.refs["main"]]["notes.txt"] == b"mine"
    assert_same_weights(bert_keras.load(f"hf://{NAME}"), other)


def test_files_of_the_model_before_are_deleted_in_the_same_commit_and_named(
    client, folder, tmp_path, capsys
):
    encoder = make_model(BertForSentenceEmbedding, dense_units=3)
    bert_keras.save(encoder, tmp_path / "encoder")
    before = files_of(tmp_path / "encoder") | {
        "spiece.model": b"", "notes.txt": b"mine", "onnx/model.onnx": b"", "pytorch_model.bin": b"",
        "2_Dense/pytorch_model.bin": b"", "model-00001-of-00001.safetensors": b"",
        "model.safetensors.index.json": b"{}", "task.json": b"{}",
    }  # fmt: skip
    repository = client.add(NAME, before)
    start = ("push", folder, NAME, "--license", "mit")
    planned = output(capsys, *start, "--dry-run")
    assert len(repository.commits) == 1
    text = output(capsys, *start)
    (after,) = [files for files in repository.commits.values() if files != before]
    gone = sorted(before.keys() - after.keys())
    assert gone == [
        "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
        "2_Dense/pytorch_model.bin", "model-00001-of-00001.safetensors",
        "model.safetensors.index.json", "modules.json", "sentence_bert_config.json",
        "spiece.model", "task.json",
    ]  # fmt: skip
    assert planned.partition("would be deleted there")[2].split() == ["file", *gone]
    assert text.partition("\ndeleted there")[2].split()[1:-1] == gone
    assert_same_weights(bert_keras.load(f"hf://{NAME}"), bert_keras.load(folder))
    assert type(bert_keras.load(f"hf://{NAME}")) is type(bert_keras.load(folder))


def test_a_commit_that_somebody_makes_meanwhile_is_not_overwritten(client, folder, monkeypatch):
    repository = client.add(NAME, folder)

    def listed(name):
        now = repository_now(name)
        repository.commit({"config.json": b"{}", "modules.json": b"[]"})
        return now

    monkeypatch.setattr(upload, "repository_now", listed)
    with pytest.raises(InputError, match="412"):
        push(folder, NAME, "mit")
    assert repository.commits[repository.refs["main"]].keys() == {"config.json", "modules.json"}


def test_public_is_refused_of_a_repository_that_is_private(client, folder):
    client.add(NAME, {"README.md": b""}, "private")
    with pytest.raises(InputError, match="is there already and private, which --public does not"):
        push(folder, NAME, "mit", public=True)
    assert len(client.repositories[NAME].commits) == 1


def test_a_dry_run_needs_no_answer_and_says_what_is_then_not_known(hub, folder, caplog):
    hub.failures["."] = 503
    pushed = push(folder, NAME, "mit", dry_run=True)
    assert "config.json" in pushed.files
    assert f"which files a push would delete at hf://{NAME} is not known: {hub.endpoint} fails" in (
        caplog.text
    )


def test_a_dry_run_lists_the_files_and_sends_nothing(client, folder, capsys):
    text = output(capsys, "push", folder, NAME, "--license", "mit", "--dry-run")
    size = (folder / "model.safetensors").stat().st_size
    assert f"model.safetensors       {size:,}".split() in [
        line.split() for line in text.splitlines()
    ]
    assert "pytorch_model.bin" not in text
    assert client.requests == [f"GET /api/models/{NAME}"]


def test_the_card_gets_license_and_name_and_keeps_the_rest(client, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    front = 'library_name: "transformers"\nlicense: "other"\n'
    use = 'From the folder that holds this one:\n\nmodel = bert_keras.load("model")\n'
    (tmp_path / "model" / "README.md").write_text(f"---\n{front}---\n\n# Films\n\n{use}")
    push(tmp_path / "model", NAME)
    push(tmp_path / "model", "org/mit", "mit")
    cards = [
        client.repositories[name].commits[client.repositories[name].refs["main"]]["README.md"]
        for name in (NAME, "org/mit")
    ]
    opened = f'By its name:\n\nmodel = bert_keras.load("hf://{NAME}")\n'
    assert cards[0].decode() == f"---\n{front}---\n\n# Films\n\n{opened}"
    assert cards[1].decode().startswith('---\nlicense: "mit"\nlibrary_name: "transformers"\n---\n')


@pytest.mark.parametrize("value", [" mit", "\n  - mit\n  - other", "\n- mit", " >\n  mit"])
def test_the_license_is_replaced_with_all_lines_of_its_value(tmp_path, value):
    card = tmp_path / "README.md"
    card.write_text(f"---\ntags:\n- films\nlicense:{value}\nlanguage: en\n---\n# Films\n")
    text = to_hub._card(card, HubName(NAME), "apache-2.0")
    assert yaml.safe_load(text.split("---\n")[1]) == {
        "license": "apache-2.0", "tags": ["films"], "language": "en"
    }  # fmt: skip


def test_a_card_that_is_not_utf_8_is_refused_in_a_line(hub, folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model/README.md").write_bytes("# Größe\n".encode("latin-1"))
    line = refused(capsys, "push", tmp_path / "model", NAME, "--license", "mit", "--dry-run")
    assert line.endswith("README.md is not UTF-8, as the hub wants cards: save it so")


def test_what_cannot_be_pushed_is_refused_before_anything_is_sent(
    client, folder, tmp_path, capsys, monkeypatch
):
    assert "no license: give one" in refused(capsys, "push", folder, NAME)
    assert "pushed to org/name" in refused(capsys, "push", folder, "films", "--license", "mit")
    assert "Received: 'My own'" in refused(capsys, "push", folder, NAME, "--license", "My own")
    bert_keras.save(make_model(), tmp_path / "google", format="google")
    line = refused(capsys, "push", tmp_path / "google", NAME, "--license", "mit")
    assert f"bert-keras convert {tmp_path / 'google'} OUT" in line
    config = json.loads((folder / "config.json").read_bytes()) | {"model_type": "llama"}
    shutil.copytree(folder, tmp_path / "llama")
    (tmp_path / "llama" / "config.json").write_text(json.dumps(config))
    assert "'llama'" in refused(capsys, "push", tmp_path / "llama", NAME, "--license", "mit")
    monkeypatch.delenv("HF_TOKEN")
    line = refused(capsys, "push", folder, NAME, "--license", "mit")
    assert "log in to push (hf auth login, or HF_TOKEN)" in line
    line = refused(capsys, "push", f"hf://{NAME}", "org/copy", "--license", "mit")
    assert f"hf://{NAME} is on the hub already" in line
    assert client.requests == []
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    line = refused(capsys, "push", folder, NAME, "--license", "mit")
    assert "refuses the token (403)" in line
    assert NAME not in client.repositories


@pytest.mark.parametrize("name", ["vocab.txt", "README.md", "1_Pooling"])
def test_a_file_out_of_the_folder_is_never_sent(hub, folder, tmp_path, capsys, name):
    kind = BertForSentenceEmbedding if name == "1_Pooling" else None
    model = make_model(kind) if kind else make_model()
    bert_keras.save(model, tmp_path / "model")
    shutil.copy(folder / "vocab.txt", tmp_path / "model")
    (tmp_path / "model/README.md").write_text("# Films\n")
    (tmp_path / "model" / name).rename(tmp_path / "secret")
    (tmp_path / "model" / name).symlink_to(tmp_path / "secret")
    line = refused(capsys, "push", tmp_path / "model", NAME, "--license", "mit", "--dry-run")
    assert f"model/{name}" in line
    assert f"leads out of the folder, to {tmp_path / 'secret'}" in line
    assert hub.requests == []


def test_a_folder_of_the_cache_is_sent_though_its_files_are_links_to_blobs(client, folder):
    client.add("org/source", files_of(folder))
    bert_keras.load("hf://org/source")
    (config,) = Path(constants.HF_HUB_CACHE).glob("models--org--source/snapshots/*/config.json")
    assert config.is_symlink()
    push(config.parent, NAME, "mit")
    assert_same_weights(bert_keras.load(f"hf://{NAME}"), bert_keras.load(folder))


def test_a_license_that_the_hub_does_not_know_is_refused_in_its_words(client, folder, capsys):
    line = refused(capsys, "push", folder, NAME, "--license", "none")
    assert line.endswith(
        f'hf://{NAME}: the hub refuses the card: Invalid metadata in README.md. - "license" must '
        "be one of a list"
    )
    (files,) = client.repositories[NAME].commits.values()
    assert files.keys() == {".gitattributes"}


@pytest.mark.parametrize("error", [ValueError("of a path"), KeyError("of our own")])
def test_another_error_of_the_client_is_told_as_it_is(client, folder, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(HfApi, "create_commit", fail)
    with pytest.raises(type(error), match="of "):
        push(folder, NAME, "mit")


def test_a_large_file_that_is_not_sent_is_one_line(client, folder):
    sha = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    client.failures[f"/lfs/{sha}"] = 403
    with pytest.raises(
        InputError, match=r"a large file was not sent \(.*403.*\); nothing was comm"
    ):
        push(folder, NAME, "mit")
    (files,) = client.repositories[NAME].commits.values()
    assert files.keys() == {".gitattributes"}


def test_an_error_of_the_xet_backend_is_one_line(client, folder, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Data processing error:\n CAS service error")  # as hf_xet raises it

    monkeypatch.setattr(HfApi, "create_commit", fail)
    with pytest.raises(InputError, match=r"not sent \(Data processing error: CAS service error\)"):
        push(folder, NAME, "mit")


def test_a_hub_that_fails_has_no_part_of_a_model(client, folder):
    client.failures["/commit/"] = 503
    with pytest.raises(InputError, match=r"fails \(503\): try again later; it may not have been"):
        push(folder, NAME, "mit")
    (files,) = client.repositories[NAME].commits.values()
    assert files.keys() == {".gitattributes"}
    client.failures = {"/api/models/": 503}
    with pytest.raises(InputError, match=r"fails \(503\): try again later; nothing was committed"):
        push(folder, NAME, "mit")
    client.failures.clear()
    push(folder, NAME, "mit")
    sent = client.repositories[NAME].commits[client.repositories[NAME].refs["main"]]
    assert sent["model.safetensors"] == files_of(folder)["model.safetensors"]
