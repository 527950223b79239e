"""``bert-keras embed``, as a user gives it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForSentenceEmbedding, BertTokenizer
from bert_keras.cli.embed import PRECISIONS
from bert_keras.retrieval import precision
from tests.support.commands import output, refused, run
from tests.support.models import pieces_of, small_config

VOCAB = pieces_of("abcdefgh")
TEXTS = ["a bad bee", "he had a cab", "feed the bag"]


def save_model(path: Path, **arguments) -> Path:
    """A sentence encoder of random weights."""
    config = small_config(len(VOCAB), initializer_range=0.3)
    bert_keras.save(BertForSentenceEmbedding(config, **arguments), path, BertTokenizer(VOCAB))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "model"
    return save_model(folder, prompts={"query": "a a ", "document": "b "})


def test_the_precisions_are_those_that_there_are():
    assert precision.PRECISIONS == PRECISIONS


def test_arguments_files_and_pipes_give_the_same_vectors(model, tmp_path, monkeypatch):
    lines = "".join(f"{text}\n" for text in TEXTS)
    (tmp_path / "texts.txt").write_text(lines)
    rows = [json.dumps({"_id": text, "text": text}) for text in TEXTS]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    table = "".join(f"x,{text}\n" for text in TEXTS)
    (tmp_path / "table.csv").write_text(f"id,body\n{table}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    ways = {
        "arguments": TEXTS,
        "lines": ["--input", tmp_path / "texts.txt"],
        "pipe": ["--input", "-"],
        "beir": ["--input", tmp_path / "corpus.jsonl"],
        "table": ["--input", tmp_path / "table.csv", "--text-column", "body"],
    }
    expected = bert_keras.load(model).embed(TEXTS)
    for name, way in ways.items():
        run("embed", model, *way, "--out", tmp_path / f"{name}.npy")
        vectors = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(vectors, expected, atol=1e-6, err_msg=name)


def test_prompts_by_name_by_text_and_by_default(model, tmp_path):
    by_default = save_model(tmp_path / "m", prompts={"query": "a a "}, default_prompt_name="query")
    encoder = bert_keras.load(model)
    for name, path, way, prompt in (
        ("none", model, [], ""),
        ("name", model, ["--prompt-name", "document"], "b "),
        ("text", model, ["--prompt", "bee "], "bee "),
        ("default", by_default, [], "a a "),
        ("empty", by_default, ["--prompt", ""], ""),
    ):
        run("embed", path, *TEXTS, *way, "--out", tmp_path / f"{name}.npy")
        expected = encoder.embed(TEXTS, prompt=prompt)
        vectors = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(vectors, expected, atol=1e-6, err_msg=name)


def test_json_is_one_object_and_says_what_was_written(model, tmp_path, capsys):
    path = tmp_path / "v.npy"
    text = output(capsys, "embed", model, *TEXTS, "--out", path, "--precision", "int8", "--json")
    values = {"texts": 3, "dimensions": 32, "precision": "int8"}
    assert json.loads(text) == {"vectors": str(path)} | values
    assert np.load(path).dtype == np.int8
    assert np.load(tmp_path / "v.ranges.npy").shape == (2, 32)


def test_the_first_dimensions_are_those_of_the_whole_vectors(model, tmp_path):
    run("embed", model, *TEXTS, "--out", tmp_path / "v.npy", "--dimensions", "5")
    expected = bert_keras.load(model).embed(TEXTS)[:, :5]
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), expected, atol=1e-6)


def test_an_empty_row_keeps_its_place_and_is_named(model, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("bee\n\ncab\n")
    run("embed", model, "--input", tmp_path / "texts.txt", "--out", tmp_path / "v.npy")
    assert "row 2: the text is empty" in capsys.readouterr().err
    assert np.load(tmp_path / "v.npy").shape == (3, 32)


def test_what_cannot_be_embedded_is_one_line(model, tmp_path, capsys):
    def line(*arguments):
        return refused(capsys, "embed", *arguments)

    out = ["--out", tmp_path / "v.npy"]
    assert "give one of the two" in line(model, *out)
    assert "give one of the two" in line(model, "a", "--input", "x.txt", *out)
    assert "not both" in line(model, "a", "--prompt", "b", "--prompt-name", "query", *out)
    assert "has no prompt 'answer'" in line(model, "a", "--prompt-name", "answer", *out)
    assert "text 2 is blank" in line(model, "a", " ", *out)
    assert "dimensions must be from 1 to 32" in line(model, "a", "--dimensions", "33", *out)
    assert "written as .npy" in line(model, "a", "--out", tmp_path / "v.txt")
    assert "no such model directory" in line(tmp_path / "none", "a", *out)
    assert "nowhere.txt" in line(model, "--input", "nowhere.txt", *out)
    config = small_config(len(VOCAB))
    bert_keras.save(bert_keras.BertEncoder(config), tmp_path / "bert", BertTokenizer(VOCAB))
    assert "a BertEncoder gives no vectors" in line(tmp_path / "bert", "a", *out)
    (tmp_path / "v.npy").write_text("mine")
    # Told before a model is opened.
    assert "v.npy already exists" in line(tmp_path / "bert", "a", *out)
    assert (tmp_path / "v.npy").read_text() == "mine"


@pytest.mark.system
def test_a_command_that_was_killed_goes_on_to_the_same_bytes(model, tmp_path):
    lines = "".join(f"{text} {'abcdefgh'[n % 8]}\n" for n in range(4000) for text in TEXTS)
    (tmp_path / "texts.txt").write_text(lines)

    def command(name, *more):
        words = [model, "--input", tmp_path / "texts.txt", "--out", tmp_path / name, *more]
        return [sys.executable, "-m", "bert_keras", "embed", *map(str, words)]

    subprocess.run(command("whole.npy"), check=True)
    for number in (signal.SIGKILL, signal.SIGTERM):
        rows = tmp_path / "v.npy.unfinished" / "rows"
        before = rows.stat().st_size if rows.exists() else 0
        with subprocess.Popen(command("v.npy"), stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not rows.exists() or rows.stat().st_size <= before):
                time.sleep(0.001)
            process.send_signal(number)
        assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGTERM)
        assert not (tmp_path / "v.npy").exists()
    other = subprocess.run(command("v.npy", "--batch-size", "8"), capture_output=True, text=True)
    assert other.returncode == 1
    assert "another batch_size (32 there, 8 here)" in other.stderr
    done = subprocess.run(command("v.npy"), capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "is continued at text" in done.stderr
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not (tmp_path / "v.npy.unfinished").exists()
