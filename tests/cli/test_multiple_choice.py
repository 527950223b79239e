"""Multiple choice by the commands, on examples that only the context answers."""

import csv
import json
import random

import pytest

from bert_keras.modeling import BertEncoder
from bert_keras.saving import save
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.commands import output, refused, run
from tests.support.models import NO_DROPOUT, small_config

SOUNDS = {"dog": "barks", "cat": "purrs", "cow": "moos"}
PLACES = ["in the garden", "by the road", "at home"]
RECIPE = """
[data]
task = "multiple_choice"
max_seq_length = 24
[optimizer]
learning_rate = 5e-3
[train]
epochs = 40
batch_size = 16
eval_every_steps = 60
"""


def examples(count, seed):
    """Rows of two choices or three, one of them the animal's; every choice is right at times."""
    draw = random.Random(seed)
    for _ in range(count):
        animal = draw.choice(list(SOUNDS))
        others = [sound for sound in SOUNDS.values() if sound != SOUNDS[animal]]
        choices = [SOUNDS[animal], *draw.sample(others, draw.randint(1, 2))]
        draw.shuffle(choices)
        context = f"There is a {animal} {draw.choice(PLACES)}."
        label = choices.index(SOUNDS[animal])
        yield {"context": context, "start": "It", "choices": choices, "label": label}


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, data and a recipe, and a run on them."""
    folder = tmp_path_factory.mktemp("made")
    write_lines(folder / "train.jsonl", examples(96, seed=1))
    write_lines(folder / "dev.jsonl", examples(32, seed=2))
    words = " ".join(["There is a It .", *SOUNDS, *SOUNDS.values(), *PLACES])
    tokenizer = BertTokenizer(learn_vocabulary([words] * 4, 100, Casing()))
    config = small_config(
        tokenizer.vocab_size, max_position_embeddings=32, initializer_range=0.2, **NO_DROPOUT
    )
    save(BertEncoder(config), folder / "encoder", tokenizer)
    (folder / "recipe.toml").write_text(RECIPE)
    arguments = ["--model", folder / "encoder", "--train", folder / "train.jsonl"]
    arguments += ["--dev", folder / "dev.jsonl", "--workdir", folder / "run"]
    run("finetune", folder / "recipe.toml", *arguments)
    return folder


@pytest.mark.system
def test_what_the_context_says_is_learned(made, capsys):
    """By the choice alone no more than about half are right."""
    text = output(capsys, "evaluate", made / "run", "--data", made / "dev.jsonl", "--json")
    metrics = json.loads(text)
    assert metrics.keys() == {"accuracy", "choice_loss"}
    assert metrics["accuracy"] > 0.9
    log = [json.loads(line) for line in (made / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["choice_loss"] for line in log if line["split"] == "train"]
    assert losses[-1] < losses[0] / 4


@pytest.mark.system
def test_arguments_and_files_are_answered_alike(made, tmp_path, capsys):
    rows = list(examples(5, seed=3))
    write_lines(tmp_path / "rows.jsonl", [row | {"id": f"q{n}"} for n, row in enumerate(rows)])
    names = [f"choice{n}" for n in range(3)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["context", "start", *names])
        for row in rows:
            choices = row["choices"] + [""] * (3 - len(row["choices"]))
            table.writerow([row["context"], row["start"], *choices])
    answers = []
    for name in ("rows.jsonl", "rows.csv"):
        text = output(capsys, "predict", made / "run", "--input", tmp_path / name, "--json")
        answers.append(json.loads(text)["predictions"])
    assert [a["scores"] for a in answers[0]] == [a["scores"] for a in answers[1]]
    assert [(a["row"], a["id"]) for a in answers[0]] == [(n + 1, f"q{n}") for n in range(5)]
    for row, answer in zip(rows, answers[0], strict=True):
        assert answer["text"] == row["choices"][answer["choice"]]
        asked = [row["context"], "--pair", row["start"]]
        asked += [part for choice in row["choices"] for part in ("--choice", choice)]
        text = output(capsys, "predict", made / "run", *asked, "--json")
        (one,) = json.loads(text)["predictions"]
        assert one["choice"] == answer["choice"]
        assert one["scores"] == pytest.approx(answer["scores"], abs=1e-5)


@pytest.mark.system
def test_tables_on_the_screen_and_in_files_show_the_choice(made, tmp_path, capsys):
    row = {"context": "There is a cow at home.", "start": "It", "choices": ["barks", "moos"]}
    write_lines(tmp_path / "rows.jsonl", [row, row | {"context": ""}])
    text = output(capsys, "predict", made / "run", "--input", tmp_path / "rows.jsonl")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert lines[0] == ["row", "text", "choice", "score"]
    assert lines[1][:-1] == ["1", "There", "is", "a", "cow", "at", "home.", "It", "1:", "moos"]
    assert lines[2] == ["2", "(no", "text)"]
    out = tmp_path / "answers.csv"
    output(capsys, "predict", made / "run", "--input", tmp_path / "rows.jsonl", "--out", out)
    with out.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["context"], first["choice"], first["text"]) == (row["context"], "1", "moos")
    assert json.loads(first["scores"])[1] == float(first["score"])
    assert second["choice"] == ""


@pytest.mark.system
def test_what_does_not_go_with_choices_is_refused_in_one_line(made, tmp_path, capsys):
    model = made / "run"
    line = refused(capsys, "predict", model, "a", "b", "--choice", "x", "--choice", "y")
    assert "--choice goes with one TEXT" in line
    assert "needs two choices or more" in refused(capsys, "predict", model, "a", "--choice", "x")
    row = {"context": "c", "choices": ["a", "b"], "label": 0, "mood": "x"}
    write_lines(tmp_path / "a.jsonl", [row])
    command = ["evaluate", model, "--data", tmp_path / "a.jsonl"]
    assert "has 'mood', which multiple choice does not know" in refused(capsys, *command)
    output(capsys, *command, "--ignore-column", "mood")
    line = refused(capsys, *command, "--text-column", "context")
    assert "multiple_choice has no text_column" in line
