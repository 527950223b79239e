import io
import json
import shutil
import subprocess
import sys
import time

import numpy
import pytest
import tensorflow

from bert_keras.__main__ import build_parser, run as main
from bert_keras.cli import COMMANDS, plot
from bert_keras.config import PretrainConfig, to_tables
from bert_keras.saving.mark import RunMark
from tests.support.commands import pretrain, refused, run, write_inputs

RECIPE = """
[model]
preset = "tiny"
[data]
max_seq_length = 32
max_predictions_per_seq = 5
eval_fraction = 0.2
[train]
steps = 4
batch_size = 4
log_every_steps = 2
eval_batches = 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What vocab, prepare and pretrain make, run one after another as a user would."""
    folder = write_inputs(tmp_path_factory.mktemp("made"), pretrain=RECIPE)
    run(*pretrain(folder, folder / "run"))
    return folder


@pytest.fixture(scope="module")
def texts(made):
    return made / "texts"


def test_beam_says_how_it_is_installed(texts, made, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)  # as where it is not installed
    arguments = [texts, "--vocab", made / "vocab.txt", "--out", tmp_path / "out"]
    line = refused(capsys, "prepare", *arguments, "--beam", "DirectRunner")
    assert line.endswith("pip install 'apache-beam>=2.70'")
    assert not (tmp_path / "out").exists()


def test_beam_options_with_an_open_quote_are_one_clear_line(texts, made, tmp_path, capsys):
    arguments = [texts, "--vocab", made / "vocab.txt", "--out", tmp_path / "out"]
    options = ["--beam", "DirectRunner", "--beam-options=--project='mine"]
    line = refused(capsys, "prepare", *arguments, *options)
    assert "--beam-options: No closing quotation. Received: --project='mine" in line


# TensorFlow tries again for ten seconds.
@pytest.mark.parametrize("what", ["numpy", pytest.param("tensorflow", marks=pytest.mark.system)])
def test_out_of_memory_is_one_line_that_says_what_takes_less(what, texts, capsys, monkeypatch):
    def too_large(_):
        if what == "numpy":
            numpy.ones(1 << 48)
        tensorflow.ones(1 << 48)

    monkeypatch.setattr(plot, "run", too_large)
    assert "out of memory; take fewer sequences" in refused(capsys, "plot", texts)


def test_help_answers_at_once_and_without_tensorflow():
    code = (
        "import sys; from bert_keras.__main__ import run as main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & sys.modules.keys(), 'heavy imports'"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout
    # The aim is 0.3 s on a quiet machine; ten times that shows a heavy import all the same.
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize("command", [c.__name__.rsplit(".", 1)[-1] for c in COMMANDS])
def test_every_command_has_help_with_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([command.replace("_", "-"), "--help"])
    assert stop.value.code == 0
    assert f"examples:\n  bert-keras {command.replace('_', '-')}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["pretrian"], ["fill-mask"], ["vocab", "x", "--out", "y", "--size", "many"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (["fill-mask", "run", "a [MASK]", "--tpo", "3"], "fill-mask", "arguments: --tpo 3"),
        (["fill-mask", "run", "a", "b"], "fill-mask", "unrecognized arguments: b"),
        (["fill-mask", "run"], "fill-mask", "are required: text"),
        (["vocab", "x", "--out", "y", "--size", "many"], "vocab", "argument --size: invalid whole"),
        (["export", "saved-model", "a", "b", "--pairs"], "export saved-model", ": --pairs"),
        (["export", "--pairs", "saved-model", "a", "b"], "export", "arguments: --pairs"),
        (["--pairs", "vocab", "x", "--out", "y"], "", "unrecognized arguments: --pairs"),
    ],
)
def test_wrong_usage_shows_the_usage_of_the_command(arguments, usage, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    error = capsys.readouterr().err
    assert error.startswith(f"usage: bert-keras {usage} [-h]".replace("  ", " "))
    assert message in error


def test_fill_mask_prints_a_table(made, capsys):
    assert main(["fill-mask", str(made / "run"), "The cat [MASK] the river.", "--top", "3"]) == 0
    assert "probability" in capsys.readouterr().out


def test_brackets_in_a_text_are_no_markup(made, capsys):
    assert (
        main(["fill-mask", str(made / "run"), "the [b]cat[/b] [/i] [MASK] [bold]x", "--top", "1"])
        == 0
    )
    assert "the [b]cat[/b] [/i] [MASK] [bold]x" in " ".join(capsys.readouterr().out.split())


def test_bytes_of_a_text_that_are_not_utf8_are_replaced(made, capsys):
    assert main(["fill-mask", str(made / "run"), "caf\udce9 [MASK]", "--top", "1"]) == 0
    assert "caf\ufffd [MASK]" in capsys.readouterr().out


def test_what_the_terminal_has_no_character_for_is_escaped(made, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["fill-mask", str(made / "run"), "née [MASK]", "--top", "1"]) == 0
    terminal.flush()
    assert rb"n\xe9e [MASK]" in terminal.buffer.getvalue()


def test_fill_mask_json_is_one_object_and_nothing_else(made, capsys):
    text = "The [MASK] sees the [MASK]."
    assert main(["fill-mask", str(made / "run" / "model"), text, "--top", "2", "--json"]) == 0
    masks = json.loads(capsys.readouterr().out)["masks"]
    assert [len(mask) for mask in masks] == [2, 2]
    assert masks[0][0].keys() == {"token", "score"}


def test_the_same_pretrain_command_again_is_done_at_once(made, capsys):
    arguments = ["pretrain", str(made / "pretrain.toml"), "--corpus", str(made / "corpus")]
    assert main([*arguments, "--workdir", str(made / "run")]) == 0
    assert str(made / "run" / "model") in capsys.readouterr().out


@pytest.mark.system
def test_training_without_held_out_text_says_so(made, texts, tmp_path, capsys):
    one = [str(texts / "00.txt"), "--vocab", str(made / "vocab.txt"), "--out", str(tmp_path / "c")]
    assert main(["prepare", *one]) == 0
    arguments = ["--corpus", str(tmp_path / "c"), "--workdir", str(tmp_path / "run")]
    assert main(["pretrain", str(made / "pretrain.toml"), *arguments]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: no t")]
    assert len(notes) == 1


@pytest.mark.parametrize("module", ["bert_keras.cli.vocab", "keras"])
def test_ctrl_c_is_one_line_even_during_the_imports(made, module):
    """It comes just when the module is imported."""
    script = f"""
import os, signal, sys
from bert_keras.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.exit(main())
"""
    command = [sys.executable, "-c", script, "fill-mask", str(made / "run"), "a [MASK]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "bert-keras: interrupted\n")


def test_plot_draws_the_curves(made, capsys):
    assert main(["plot", str(made / "run")]) == 0
    assert capsys.readouterr().out.strip().endswith("curves.png")


class TestBadInput:
    def test_no_such_file(self, made, tmp_path, capsys):
        arguments = ["--vocab", made / "vocab.txt", "--out", tmp_path / "corpus"]
        line = refused(capsys, "prepare", "nowhere.txt", *arguments)
        assert "nowhere.txt" in line
        line = refused(capsys, "vocab", "nowhere.txt", "--out", tmp_path / "v")
        assert "nowhere.txt" in line
        line = refused(capsys, "pretrain", "no.toml", "--workdir", tmp_path / "w")
        assert "no.toml" in line
        line = refused(capsys, "fill-mask", tmp_path / "none", "a [MASK]")
        assert "no such model directory" in line

    def test_a_vocabulary_that_is_there_already(self, made, texts, capsys):
        before = (made / "vocab.txt").read_bytes()
        line = refused(capsys, "vocab", texts, "--out", made / "vocab.txt", "--size", "90")
        assert "vocab.txt already exists" in line
        assert (made / "vocab.txt").read_bytes() == before

    def test_an_empty_corpus(self, made, tmp_path, capsys):
        (tmp_path / "empty.txt").write_text("\n\n")
        arguments = ["--vocab", made / "vocab.txt", "--out", tmp_path / "corpus"]
        assert "empty" in refused(capsys, "prepare", tmp_path / "empty.txt", *arguments)
        assert not (tmp_path / "corpus").exists()

    def test_a_vocabulary_without_mask(self, made, texts, tmp_path, capsys):
        pieces = (made / "vocab.txt").read_text().splitlines()
        (tmp_path / "vocab.txt").write_text("\n".join(p for p in pieces if p != "[MASK]"))
        arguments = ["--vocab", tmp_path / "vocab.txt", "--out", tmp_path / "corpus"]
        assert "[MASK]" in refused(capsys, "prepare", texts, *arguments)

    def test_a_corpus_prepared_with_another_vocabulary(self, made, texts, tmp_path, capsys):
        run("vocab", texts, "--out", tmp_path / "vocab.txt", "--size", "50")
        arguments = ["--vocab", str(tmp_path / "vocab.txt"), "--out", str(tmp_path / "corpus")]
        main(["prepare", str(texts), *arguments])
        recipe, workdir = made / "pretrain.toml", made / "run"
        line = refused(
            capsys, "pretrain", recipe, "--workdir", workdir, "--corpus", tmp_path / "corpus"
        )
        assert "other data" in line

    def test_init_with_another_casing_than_the_corpus(self, made, texts, tmp_path, capsys):
        arguments = ["--vocab", str(made / "vocab.txt"), "--out", str(tmp_path / "corpus")]
        main(["prepare", str(texts), "--cased", *arguments])
        line = refused(
            capsys, "pretrain", made / "pretrain.toml", "--workdir", tmp_path / "run",
            "--corpus", tmp_path / "corpus", "--init", made / "run" / "model",
        )  # fmt: skip
        assert "casing" in line

    def test_a_length_beyond_the_position_table(self, made, tmp_path, capsys):
        line = refused(
            capsys, "pretrain", made / "pretrain.toml", "--workdir", tmp_path / "run",
            "--corpus", made / "corpus", "--set", "model.max_position_embeddings=16",
        )  # fmt: skip
        assert "max_position_embeddings" in line

    def test_a_work_directory_of_another_config(self, made, capsys):
        line = refused(
            capsys, "pretrain", made / "pretrain.toml", "--workdir", made / "run",
            "--corpus", made / "corpus", "--set", "train.steps=5",
        )  # fmt: skip
        assert "train.steps = 4 there, 5 here" in line

    def test_a_misspelled_key(self, made, tmp_path, capsys):
        line = refused(
            capsys, "pretrain", made / "pretrain.toml", "--workdir", tmp_path / "run",
            "--corpus", made / "corpus", "--set", "train.step=5",
        )  # fmt: skip
        assert "did you mean 'steps'" in line

    def test_a_run_that_has_not_finished_has_no_model(self, tmp_path, capsys):
        RunMark(command="pretrain", config=to_tables(PretrainConfig()), data={}).write(tmp_path)
        assert "has not finished" in refused(capsys, "fill-mask", tmp_path, "a [MASK]")

    @pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "many"])
    def test_minutes_that_are_no_time(self, minutes, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["quickstart", "--minutes", minutes])
        assert stop.value.code == 2

    def test_ids_that_are_not_in_the_vocabulary(self, made, tmp_path, capsys):
        shutil.copytree(made / "corpus", tmp_path / "corpus")
        file = tmp_path / "corpus" / "tokens.npy"
        file.write_bytes(file.read_bytes()[:-4] + b"\xff" * 4)
        line = refused(
            capsys, "pretrain", made / "pretrain.toml", "--workdir", tmp_path / "run",
            "--corpus", tmp_path / "corpus",
        )  # fmt: skip
        assert "not in the vocabulary" in line

    def test_an_empty_name(self, made, tmp_path, capsys):
        arguments = ["--vocab", made / "vocab.txt", "--out", tmp_path / "c"]
        assert "empty name" in refused(capsys, "prepare", "", *arguments)

    def test_plot_of_a_folder_that_is_no_run(self, tmp_path, capsys):
        assert "metrics.jsonl" in refused(capsys, "plot", tmp_path)
