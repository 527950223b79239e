"""Names of the hub in commands and recipes, and what a run records of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib

import pytest

import bert_keras
from bert_keras import BertForSentenceEmbedding, BertForSequenceClassification
from bert_keras.cli.arguments import existing_model
from bert_keras.saving.fingerprint import fingerprint
from tests.support.commands import finetune, output, refused, run, write_inputs
from tests.support.hub import files_of
from tests.support.models import make_model, small_config

FINETUNE = """
[data]
max_seq_length = 16
[train]
steps = 4
batch_size = 4
eval_every_steps = 2
[checkpoint]
every_steps = 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Rows, a corpus and a recipe, and in model/ a model of its vocabulary."""
    folder = write_inputs(tmp_path_factory.mktemp("made"), finetune=FINETUNE)
    config = small_config(len((folder / "vocab.txt").read_text().split()))
    bert_keras.save(make_model(config=config), folder / "model")
    shutil.copy(folder / "vocab.txt", folder / "model")
    return folder


def test_commands_take_a_name_and_one_commit_for_all_that_they_read(hub, made, tmp_path, capsys):
    repository = hub.add("org/tiny", made / "model")
    commit = repository.refs["main"]
    assert str(existing_model("hf://org/tiny")).endswith(f"org/tiny@{commit}")
    asked = ["the [MASK] cat ."]
    expected = output(capsys, "fill-mask", made / "model", *asked)
    assert output(capsys, "fill-mask", "hf://org/tiny", *asked) == expected
    run("convert", "hf://org/tiny", tmp_path / "copy")
    weights = "model.safetensors"
    assert fingerprint(tmp_path / "copy")[weights] == fingerprint("hf://org/tiny")[weights]
    line = refused(capsys, "convert", "org/tiny", tmp_path / "other")
    assert line.endswith("no such model directory: org/tiny; of the hub it would be hf://org/tiny")


def test_a_corpus_is_prepared_with_the_tokenizer_of_a_name_without_the_weights(hub, made, tmp_path):
    hub.add("org/tiny", made / "model")
    texts, by_name = made / "texts", tmp_path / "by-name"
    run("prepare", texts, "--vocab", "hf://org/tiny", "--out", by_name)
    assert hub.ranges == []
    assert files_of(by_name).keys() == files_of(made / "corpus").keys()
    assert (by_name / "tokens.npy").read_bytes() == (made / "corpus/tokens.npy").read_bytes()


@pytest.mark.system
def test_a_run_records_the_commit_and_resumes_from_it_when_the_name_has_moved(
    hub, made, tmp_path, capsys
):
    repository = hub.add("org/tiny", made / "model")
    name = f"hf://org/tiny@{repository.refs['main']}"
    workdir = tmp_path / "tuned"
    run(*finetune(made, workdir, "hf://org/tiny"))
    recorded = tomllib.loads((workdir / "config.toml").read_text())
    assert recorded["model"]["init"] == name
    card = (workdir / "model" / "README.md").read_text()
    assert 'base_model: "org/tiny"' in card
    assert f"`org/tiny`, commit `{repository.refs['main']}`, `model.safetensors` SHA-256" in card
    assert f'init = "{name}"' in card
    text = output(capsys, "push", workdir, "org/tuned", "--license", "mit", "--dry-run")
    sizes = dict(line.split() for line in text.splitlines()[2:] if line)
    sent = 'license: "mit"\n' + card.replace("From the folder that holds this one:", "By its name:")
    sent = sent.replace('load("model")', 'load("hf://org/tuned")')
    assert sizes["README.md"] == f"{len(sent.encode()):,}"

    bert_keras.save(
        make_model(config=bert_keras.load(made / "model").config, seed=5), tmp_path / "x"
    )
    repository.commit(files_of(made / "model") | files_of(tmp_path / "x"))
    mark = json.loads((workdir / "run.json").read_text())
    (workdir / "run.json").write_text(json.dumps(mark | {"model_files": None}))
    shutil.rmtree(workdir / "model")
    before = (workdir / "checkpoints/step-000000004.safetensors").read_bytes()
    (workdir / "checkpoints/step-000000004.safetensors").unlink()
    line = refused(capsys, *finetune(made, workdir, "hf://org/tiny@main"))
    assert f"give the model as it was: {name}" in line
    run(*finetune(made, workdir, "hf://org/tiny"))
    assert (workdir / "checkpoints/step-000000004.safetensors").read_bytes() == before


@pytest.mark.system
def test_a_teacher_by_name_is_recorded_with_its_commit(hub, made, tmp_path):
    config = bert_keras.load(made / "model").config
    teacher = make_model(BertForSentenceEmbedding, config=config)
    teacher.tokenizer = bert_keras.load(made / "model").tokenizer
    bert_keras.save(teacher, tmp_path / "teacher")
    commit = hub.add("org/teacher", tmp_path / "teacher").refs["main"]
    (tmp_path / "texts.txt").write_text((made / "texts/00.txt").read_text())
    recipe = FINETUNE.replace(
        "[data]", '[data]\ntask = "distillation"\nteacher = "hf://org/teacher"'
    )
    (tmp_path / "distil.toml").write_text(recipe)
    text = tmp_path / "texts.txt"
    start = ["finetune", tmp_path / "distil.toml", "--model", made / "model", "--train", text]
    for _ in range(2):  # the second finds it finished
        run(*start, "--dev", text, "--workdir", tmp_path / "run")
    recorded = tomllib.loads((tmp_path / "run/config.toml").read_text())
    assert recorded["data"]["teacher"] == f"hf://org/teacher@{commit}"
    assert f"commit `{commit}`" in (tmp_path / "run/model/README.md").read_text()


@pytest.mark.system
def test_a_ranker_by_name_orders_what_an_encoder_by_name_has_found(hub, made, tmp_path, capsys):
    config, tokenizer = (
        getattr(bert_keras.load(made / "model"), n) for n in ("config", "tokenizer")
    )
    for name, kind in (("encoder", BertForSentenceEmbedding), ("ranker", None)):
        arguments = {} if kind else {"labels": 1}
        model = make_model(kind or BertForSequenceClassification, config=config, **arguments)
        model.tokenizer = tokenizer
        bert_keras.save(model, tmp_path / name)
        hub.add(f"org/{name}", tmp_path / name)
    text = made / "texts/00.txt"
    asked = ["--documents", text, "--query", "a cat", "--rerank"]
    found = output(capsys, "search", "hf://org/encoder", *asked, "hf://org/ranker", "--json")
    assert found == output(
        capsys, "search", tmp_path / "encoder", *asked, tmp_path / "ranker", "--json"
    )


def start(hub, home, *arguments, **more):
    """A command in a process of its own, whose client reads its variables."""
    return subprocess.Popen(
        [sys.executable, "-m", "bert_keras", *map(str, arguments)],
        env=os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.system
def test_the_variables_of_the_client_hold_and_no_bar_is_drawn_into_a_file(hub, made, tmp_path):
    hub.add("org/tiny", made / "model")
    command = ["fill-mask", "hf://org/tiny", "the [MASK] cat ."]
    process = start(hub, tmp_path / "home", *command)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "\r" not in err
    assert "B/s" not in err
    assert list((tmp_path / "home/hub").glob("models--org--tiny/snapshots/*/model.safetensors"))
    asked = len(hub.requests)
    process = start(hub, tmp_path / "home", *command, HF_HUB_OFFLINE="1")
    again, err = process.communicate()
    assert again == out
    assert "HF_HUB_OFFLINE is set" in err
    assert len(hub.requests) == asked


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_download_at_once_and_leaves_no_part_of_a_file(hub, made, tmp_path, number):
    hub.add("org/tiny", made / "model")
    hub.stalls = True
    process = start(hub, tmp_path / "home", "convert", "hf://org/tiny", tmp_path / "copy")
    until = time.monotonic() + 120
    while not hub.ranges and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == "bert-keras: interrupted"
    assert not (tmp_path / "copy").exists()
    assert not list((tmp_path / "home").rglob("*.incomplete"))
