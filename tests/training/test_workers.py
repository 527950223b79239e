"""What the workers of a run agree on before they begin."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tensorflow as tf

from bert_keras.config import dump_toml
from bert_keras.errors import InputError
from bert_keras.saving.run_state import read_state, state_file, write_state
from bert_keras.training import pretrain, workers
from bert_keras.training.strategy import is_chief
from bert_keras.training.workers import (
    agreement,
    check_same_step,
    contents_of,
    disagreement,
    lost_workers_named,
    writable_workdir,
)
from tests.training.processes import start


def refusals(commands, folder):
    """The last line of each worker, all of which must end with exit code 1 and without a trace."""
    lines = []
    for worker in start(commands, folder):
        _, messages = worker.communicate(timeout=300)
        assert worker.returncode == 1, messages
        assert "Traceback" not in messages
        lines.append(messages.splitlines()[-1].removeprefix("bert-keras: "))
    return lines


def test_a_single_process_is_the_chief_and_agrees_with_itself(tmp_path):
    strategy = tf.distribute.get_strategy()
    assert is_chief(strategy)
    check_same_step(strategy, 7, "hash")
    with writable_workdir(strategy, tmp_path / "run") as own:
        assert own == tmp_path / "run"
        with (
            pytest.raises(InputError, match="another process is training"),
            writable_workdir(strategy, own),
        ):
            pass


def test_a_worker_copies_what_a_run_reads_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "is_chief", lambda strategy: False)
    read = {
        "run.json", "config.toml", "metrics.jsonl", "best_step", "filled_masks.json", "curves.png",
    }  # fmt: skip
    (tmp_path / "checkpoints").mkdir()
    for name in (*read, "archive.tar", ".metrics.jsonl.01234567.bert_keras.tmp", ".lock"):
        (tmp_path / name).write_text(name)
    copied = []

    def copy(source, target):
        copied.append(source.name)
        if source.name == "best_step":
            source.unlink()  # as another process may
        return shutil.copyfile(source, target)

    monkeypatch.setattr(workers, "shutil", SimpleNamespace(copyfile=copy))
    with writable_workdir(tf.distribute.get_strategy(), tmp_path) as own:
        assert {path.name for path in own.iterdir()} == read - {"best_step"} | {"checkpoints"}
        assert (own / "run.json").read_text() == "run.json"
        assert (own / "checkpoints").resolve() == (tmp_path / "checkpoints").resolve()
    assert set(copied) == read


def test_what_tensorflow_says_of_one_process_is_left_as_it_is():
    strategy = tf.distribute.get_strategy()
    with pytest.raises(tf.errors.InternalError), lost_workers_named(strategy):
        raise tf.errors.InternalError(None, None, "of this process")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("optimizer.learning_rate=0.002", "optimizer.learning_rate = 0.002, worker 0 has 0.001"),
        ("train.seed=3", "train.seed = 3, worker 0 has 0"),
        ("model.hidden_dropout_prob=0.5", "model.hidden_dropout_prob = 0.5, worker 0 has unset"),
        ("model.num_hidden_layers=1", "model.num_hidden_layers = 1, worker 0 has unset"),
        ("checkpoint.every_steps=5", "checkpoint.every_steps = 5, worker 0 has 4"),
    ],
)
def test_workers_with_other_settings_all_end_with_the_difference(
    change, difference, recipe, corpus_path, tmp_path
):
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run"]
    command += ["--corpus", corpus_path]
    one, two = refusals([command, [*command, "--set", change]], tmp_path)
    assert one == two
    assert one.startswith(f"worker 1 has {difference}; give all workers the same command")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_on_another_corpus_or_a_damaged_one_all_end(
    recipe, corpus_path, other_corpus_path, tmp_path
):
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run", "--corpus"]
    one, two = refusals([[*command, corpus_path], [*command, other_corpus_path]], tmp_path)
    assert one == two
    assert "worker 1 has the data's " in one
    damaged = tmp_path / "damaged"
    shutil.copytree(corpus_path, damaged)
    data = bytearray((damaged / "tokens.npy").read_bytes())
    data[140] ^= 1
    (damaged / "tokens.npy").write_bytes(data)
    one, two = refusals([[*command, damaged], [*command, corpus_path]], tmp_path)
    assert one.startswith(f"{damaged / 'tokens.npy'} is damaged")
    assert two == f"worker 0 cannot begin: {one}"
    one, two = refusals([[*command, corpus_path], [*command, tmp_path / "none"]], tmp_path)
    assert two.startswith(f"{tmp_path / 'none'} is not a corpus")
    assert one == f"worker 1 cannot begin: {two}"


@pytest.mark.slow
def test_workers_whose_checkpoints_of_one_step_differ_all_end(recipe, corpus_path, tmp_path):
    """Each has a disk of its own, as on machines without a shared file system."""
    steps = replace(recipe.train, steps=8)
    (tmp_path / "recipe.toml").write_text(dump_toml(replace(recipe, train=steps)))
    command = ["pretrain", tmp_path / "recipe.toml", "--corpus", corpus_path, "--workdir"]
    pretrain(replace(recipe, train=steps), tmp_path / "run", corpus_path)
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    path = state_file(tmp_path / "other" / "checkpoints", 8)
    arrays, state, _ = read_state(path)
    name = min(name for name in arrays if name.endswith("/kernel"))
    write_state(path, arrays | {name: arrays[name] + 1}, state)
    for folder in ("run", "other"):
        shutil.rmtree(tmp_path / folder / "model")
    one, two = refusals([[*command, tmp_path / "run"], [*command, tmp_path / "other"]], tmp_path)
    assert one == two
    assert "worker 1 has the newest checkpoint's content = " in one
    assert "--workdir must lie on a file system that all of them share" in one


@pytest.mark.slow
def test_the_same_corpus_in_two_places_is_the_same(recipe, corpus_path, tmp_path):
    shutil.copytree(corpus_path, tmp_path / "copy")
    (tmp_path / "recipe.toml").write_text(dump_toml(recipe))
    command = ["pretrain", tmp_path / "recipe.toml", "--workdir", tmp_path / "run", "--corpus"]
    for worker in start([[*command, corpus_path], [*command, tmp_path / "copy"]], tmp_path):
        _, messages = worker.communicate(timeout=600)
        assert worker.returncode == 0, messages


def test_the_first_difference_is_named_with_both_values():
    found = {"train.seed": 0, "data.phases": [], "model.init": None}
    assert disagreement([found, dict(found)], "stop") == ""
    others = [found, dict(found), found | {"data.phases": [{"until": 0.5}], "model.init": "m"}]
    line = 'worker 2 has data.phases = [{"until": 0.5}], worker 0 has []; stop'
    assert disagreement(others, "stop") == line
    assert (
        disagreement([found, {}, {}], "stop") == "worker 1 has train.seed = unset, worker 0 "
        "has 0; stop"
    )
    hashes = [{"the data's hash": text * 64} for text in "ab"]
    line = disagreement(hashes, "stop")
    assert line == f"worker 1 has the data's hash = {'b' * 24}…, worker 0 has {'a' * 24}…; stop"


def test_what_a_run_is_made_from_leaves_out_where_its_data_lie():
    tables = {"data": {"corpus": "/c", "train": "a", "dev": "b"}, "train": {"seed": 1}}
    data = {"train": {"examples": 3, "sha256": "f"}, "labels": ["x"]}
    made = contents_of(tables, data, {"vocab.txt": "e"})
    assert made["tensorflow's version"] == tf.__version__
    assert {name: value for name, value in made.items() if "version" not in name} == {
        "train.seed": 1,
        "the data's train.examples": 3,
        "the data's train.sha256": "f",
        "the data's labels": ["x"],
        "the base model's vocab.txt": "e",
    }


def test_a_single_process_hears_of_its_own_failure():
    strategy = tf.distribute.get_strategy()
    with agreement(strategy) as found:
        found["train.seed"] = 1
    with pytest.raises(FileNotFoundError, match="no corpus"), agreement(strategy):
        raise FileNotFoundError("no corpus")
