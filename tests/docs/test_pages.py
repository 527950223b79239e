"""The pages hold: their Python runs, their commands parse, their links lead somewhere."""

import re
import shlex
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import bert_keras
from bert_keras.__main__ import build_parser
from tests import test_examples
from tests.conftest import REPOSITORY
from tests.support.pages import Block, blocks, pages

made = test_examples.made  # its folder, and its names
PAGES = pages(REPOSITORY)
# What takes minutes on a page is made small here: a README trains a model of 4 layers.
SMALLER = {
    'from_preset("mini", vocab_size=': "from_preset('tiny', num_hidden_layers=1, vocab_size=",
    "batch_size=32, seed=0)\n": "batch_size=2, seed=0)\n",
    "max_seq_length=128": "max_seq_length=32",
    "steps_per_epoch=100": "steps_per_epoch=1",
    "steps_per_epoch=200": "steps_per_epoch=1",
    "steps_per_epoch=steps": "steps_per_epoch=2",
    "path/to/all-MiniLM-L6-v2": "sentences",
    "path/to/ms-marco-MiniLM-L6-v2": "ranker",
    "runs/sst2/model": "run/model",
    "runs/sentiment/model": "run/model",
}
SYSTEM_PAGES = (
    "docs/keras.md",
    "guides/python.md",
    "guides/rankers.md",
    "guides/search.md",
    "guides/sentence_encoders.md",
    "guides/from_transformers.md",
    "tutorials/fit.md",
    "tutorials/pretrain.md",
    "guides/phones.md",
    "tutorials/serve.md",
    "tutorials/phone.md",
    "zh/tutorial.md",
    "multiple_choice.md",
    "README.zh-CN.md",
)
RUN = [
    name
    for name in pages(REPOSITORY)
    if any(b.kind == "python" for b in blocks((REPOSITORY / name).read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.system] if name.endswith(SYSTEM_PAGES) else [])
        for name in RUN
    ],
)
def test_the_python_of_a_page_runs(name, made, tmp_path, monkeypatch):
    """Its blocks follow one another, in a folder with the files that it names."""
    folder, names = made
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    _add_names_of_pages()
    sequences = ("input_ids", "attention_mask", "token_type_ids")
    batch = {key: names["batch"][key].numpy() for key in sequences}
    names = names | {"bert_keras": bert_keras, "batch": batch, "model": bert_keras.load("model")}
    printed = ""
    for block in blocks((REPOSITORY / name).read_text(encoding="utf-8")):
        if block.kind == "python" and not block.note.startswith("not run: "):
            printed = _run_block(block, names, name)
        elif block.kind == "text" and block.follows and printed:
            assert _shape(printed, block.note) == _shape(block.code, block.note)
        else:
            printed = ""


@pytest.mark.parametrize("whole", SMALLER)
def test_what_is_made_small_stands_on_a_page(whole):
    assert any(whole in (REPOSITORY / name).read_text(encoding="utf-8") for name in RUN)


def _add_names_of_pages() -> None:
    """The files that pages name, besides those of the examples."""
    Path("quickstart").symlink_to(".")
    for name in ("train", "dev"):
        rows = Path(f"{name}.tsv").read_text().splitlines()
        cells = "\n".join(f'"{text}",{label}' for text, label in (r.split("\t") for r in rows))
        Path(f"{name}.csv").write_text(f"review,label\n{cells}\n")
    encoder = bert_keras.load("model", bert_keras.BertForSentenceEmbedding)
    bert_keras.save(encoder, "sentences")
    ranker = bert_keras.load("model", bert_keras.BertForSequenceClassification, labels=1)
    bert_keras.save(ranker, "ranker")


def _run_block(block: Block, names: dict[str, Any], name: str) -> str:
    """Run a block, a session or plain code; return what plain code printed."""
    if block.note.startswith("after: "):
        exec(block.note.removeprefix("after: "), names)  # noqa: S102
    code = block.code
    if code.startswith(">>>"):
        names.update(test_examples.run_session(code, names, name))
        return ""
    for whole, small in SMALLER.items():
        code = code.replace(whole, small)
    with redirect_stdout(StringIO()) as printed:
        exec(compile(code, name, "exec"), names)  # noqa: S102
    return printed.getvalue()


def _shape(output: str, note: str) -> str:
    """The part of an output that is compared: all of it, or what any training leaves as it is."""
    if note == "numbers differ":
        return re.sub(r"\d", "#", output)
    if note == "answers differ":
        return str([len(line.split()) for line in output.splitlines()])
    assert note == "", note
    return output


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_are_those_that_there_are(name):
    """The parser takes each; ``make`` knows its target; of other programs only these occur."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for block in blocks((REPOSITORY / name).read_text(encoding="utf-8")):
        for command in _commands(block.code) if block.kind == "sh" else []:
            program, *arguments = shlex.split(command, comments=True) or ["true"]
            if program == "bert-keras":
                build_parser().parse_args(arguments)
            elif program == "make":
                assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE), command
            else:
                known = ("pip", "hf", "docker", "curl", "cat", "true", "source", "cd", "python")
                assert program in known, command


def _commands(code: str) -> list[str]:
    """The commands of a block; of a pipe each."""
    lines = code.replace("\\\n", " ").splitlines()
    return [part for line in lines for part in re.split(r"\s\|\s", line)]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_to_a_file_leads_somewhere(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", text):
        there = REPOSITORY / Path(name).parent / target
        assert there.is_file(), f"{name}: {target}"


def test_every_command_is_shown_on_a_page():
    from bert_keras.cli import COMMANDS

    texts = [(REPOSITORY / name).read_text(encoding="utf-8") for name in PAGES]
    for command in COMMANDS:
        name = command.__name__.rsplit(".", 1)[-1].replace("_", "-")
        assert any(f"bert-keras {name}" in text for text in texts), name


def test_the_readmes_are_of_one_screen_and_a_half():
    for name in ("README.md", "README.zh-CN.md"):
        assert len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()) <= 150
