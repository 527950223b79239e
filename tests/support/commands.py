"""Commands given in this process, and the small inputs that they run on."""

from pathlib import Path
from typing import Any

from bert_keras.__main__ import run as main

SENTENCES = ("the cat sees the river .", "a dog likes a small house .", "the moon is green .")
ROWS = ["a small house\tgood", "the green moon\tgood", "the old river\tbad", "a dog\tbad"] * 4


def run(*arguments: Any) -> None:
    """Runs a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def output(capsys: Any, *arguments: Any) -> str:
    """What a command that must succeed writes to standard output."""
    capsys.readouterr()
    run(*arguments)
    return capsys.readouterr().out


def refused(capsys: Any, *arguments: Any) -> str:
    """The one line with which a command leaves that must fail."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    (line,) = [row for row in captured.err.splitlines() if row.startswith("bert-keras: ")]
    return line


def write_texts(folder: Path, count: int = 12) -> Path:
    """Documents of eight sentences, a file each."""
    folder.mkdir()
    for number in range(count):
        lines = (SENTENCES[(number + k) % len(SENTENCES)] for k in range(8))
        (folder / f"{number:02d}.txt").write_text("\n".join(lines))
    return folder


def write_inputs(folder: Path, **recipes: str) -> Path:
    """texts/, vocab.txt, corpus/, rows.tsv, and NAME.toml of each recipe."""
    write_texts(folder / "texts")
    (folder / "rows.tsv").write_text("\n".join(ROWS) + "\n")
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)
    run("vocab", folder / "texts", "--out", folder / "vocab.txt", "--size", "80")
    run("prepare", folder / "texts", "--vocab", folder / "vocab.txt", "--out", folder / "corpus")
    return folder


def pretrain(inputs: Path, workdir: Path, *more: Any) -> list[Any]:
    """The command that pre-trains on such inputs."""
    corpus = ["--corpus", inputs / "corpus"]
    return ["pretrain", inputs / "pretrain.toml", *corpus, "--workdir", workdir, *more]


def finetune(inputs: Path, workdir: Path, model: Path, *more: Any) -> list[Any]:
    """The command that fine-tunes a model on such inputs."""
    data = ["--train", inputs / "rows.tsv", "--dev", inputs / "rows.tsv"]
    start = ["finetune", inputs / "finetune.toml", "--model", model]
    return [*start, *data, "--workdir", workdir, *more]
