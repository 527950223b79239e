import json
import math
from dataclasses import replace

import pytest
import tensorflow as tf

from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    ModelConfig,
    PretrainConfig,
    TaskDataConfig,
    TrainConfig,
    WatchConfig,
    dump_toml,
    load_toml,
    to_tables,
)
from bert_keras.errors import InputError
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.training.workdir import check_folder, locked, write_mark
from tests.support.commands import refused
from tests.support.runs import touch_checkpoint
from tests.support.tpu import BelievedTPU

BASE = {"config.json": "1", "vocab.txt": "2"}
HERE = tf.distribute.get_strategy()


def take(workdir, config, data=None, command="pretrain", base=BASE, strategy=HERE):
    """Claims a work directory for a run that is made from these."""
    data = data or {"arrays_hash": "0"}
    mark = RunMark(command=command, config=to_tables(config), data=data, base=base)
    write_mark(workdir, mark, config, strategy)


def run_config(**train):
    return PretrainConfig(model=ModelConfig(init="somewhere"), train=TrainConfig(**train))


@pytest.fixture
def begun(tmp_path):
    """A work directory with a checkpoint."""
    take(tmp_path, run_config())
    touch_checkpoint(tmp_path)
    return tmp_path


def test_how_a_run_is_kept_and_watched_may_change_when_it_goes_on(begun):
    changed = replace(
        run_config(),
        checkpoint=CheckpointConfig(every_minutes=10, keep=5),
        watch=WatchConfig(on_divergence="roll_back"),
    )
    take(begun, changed)
    assert load_toml(PretrainConfig, begun / "config.toml") == changed
    assert read_mark(begun).config == to_tables(changed)


def test_what_it_is_made_from_may_not_and_is_named(begun):
    before = (begun / "run.json").read_bytes()
    for message, change in (
        (r"train.seed = 0 there, 1 here", {"config": run_config(seed=1)}),
        (r"on other data \(arrays_hash differs\)", {"data": {"arrays_hash": "1"}}),
        (r"from another model .*\(vocab.txt differs\)", {"base": BASE | {"vocab.txt": "3"}}),
        (r"from another model .*\(added_tokens.json is new\)",
         {"base": BASE | {"added_tokens.json": "3"}}),
        (r"began from the model somewhere", {"config": PretrainConfig(), "base": {}}),
        (r"a run of pretrain, not of finetune", {"command": "finetune"}),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            take(begun, **({"config": run_config()} | change))
    assert (begun / "run.json").read_bytes() == before


def test_a_model_that_moved_or_is_gone_is_no_other_one(begun):
    moved = replace(run_config(), model=ModelConfig(init="elsewhere"))
    take(begun, moved)
    assert read_mark(begun).config["model"]["init"] == "elsewhere"
    take(begun, moved, base={})
    assert read_mark(begun).base == BASE


def test_a_run_without_a_checkpoint_gives_way_to_another(tmp_path):
    take(tmp_path, run_config())
    other = run_config(seed=1)
    take(tmp_path, other, data={"arrays_hash": "1"}, base={})
    mark = read_mark(tmp_path)
    assert (mark.data, mark.base) == ({"arrays_hash": "1"}, {})
    assert load_toml(PretrainConfig, tmp_path / "config.toml") == other


@pytest.mark.parametrize(
    "name",
    ["model/config.json", "best/x", "best_step", "checkpoints/step-000000001.safetensors",
     "metrics.jsonl", "logs/train/x", "curves.png", "run.json", ".lock"],
)  # fmt: skip
def test_files_by_a_runs_names_are_somebody_elses_without_its_mark(name, tmp_path):
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(InputError, match=r"is not of a run that began in .*another --workdir"):
        check_folder(tmp_path / "run")
    assert [p for p in (tmp_path / "run").rglob("*") if p.is_file()] == [path]


def test_a_link_in_a_circle_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "recipe.toml").write_text(dump_toml(PretrainConfig()))
    (tmp_path / "task.toml").write_text("[data]\ntask = 'classification'\n")
    pretraining, tuning = ["pretrain", "recipe.toml"], ["finetune", "task.toml"]
    for command, words in (
        ([*pretraining, "--corpus", "loop", "--workdir", "run"], "loop is not a corpus"),
        ([*pretraining, "--corpus", "none", "--workdir", "loop"], "none is not a corpus"),
        ([*tuning, "--model", "none", "--train", "loop", "--workdir", "run"], "none"),
    ):
        assert words in refused(capsys, *command)
    check_folder(tmp_path / "run", tmp_path / "loop")
    with pytest.raises(InputError, match="is what the run reads"):
        check_folder(tmp_path / "loop", tmp_path / "loop")
    (tmp_path / "link").symlink_to("data")
    with pytest.raises(InputError, match="is what the run reads"):
        check_folder(tmp_path / "link", tmp_path / "data")


@pytest.mark.parametrize("name", ["model", "checkpoints", "metrics.jsonl", "run.json", ".lock"])
def test_a_link_to_nowhere_by_a_runs_name_is_somebody_elses(name, tmp_path):
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is not of a run that began in"):
        check_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_recipes_name_that_links_to_nowhere_is_not_written_through(begun):
    (begun / "config.toml").unlink()
    (begun / "config.toml").symlink_to("elsewhere")
    take(begun, run_config())
    assert not (begun / "elsewhere").exists()


def test_a_mark_of_other_types_is_damaged(begun):
    values = json.loads((begun / "run.json").read_text())
    (begun / "run.json").write_text(json.dumps(values | {"config": None}))
    with pytest.raises(InputError, match="of another version of bert_keras, or damaged"):
        read_mark(begun)


def test_files_of_other_names_are_no_hindrance(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "corpus").mkdir()
    check_folder(tmp_path, tmp_path / "corpus")
    with pytest.raises(InputError, match="is what the run reads"):
        check_folder(tmp_path / "corpus", None, tmp_path / "corpus" / ".." / "corpus")
    for here in ("", "."):
        with pytest.raises(InputError, match="a folder of its own"):
            check_folder(type(tmp_path)(here))


@pytest.mark.parametrize(
    "names",
    [("config.json", "model.safetensors"), ("config.json", "model-00001-of-00002.safetensors"),
     ("config.json", "pytorch_model.bin"), ("config.json", "model.weights.h5"),
     ("bert_model.ckpt.index",)],
)  # fmt: skip
def test_the_folder_of_a_model_is_no_work_directory_but_that_of_a_run_is(names, tmp_path):
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"holds a model already \({names[-1]}\).*--workdir$"):
        check_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    take(tmp_path, run_config())  # a run that an earlier version began there resumes
    check_folder(tmp_path)


def test_data_beside_a_config_are_no_model(tmp_path):
    for name in ("config.json", "data.bin", "rows.h5", "weights.safetensors.index.json"):
        (tmp_path / name).touch()
    check_folder(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "other.json")
    (tmp_path / "model.safetensors").touch()
    check_folder(tmp_path)


def test_somebodys_recipe_in_the_folder_stays_and_the_mark_has_the_config(tmp_path, caplog):
    recipe = "# mine\n[train]\nsteps = 1000000\n"
    (tmp_path / "config.toml").write_text(recipe)
    caplog.set_level("INFO", "bert_keras")
    for _ in range(2):
        take(tmp_path, run_config())
    assert (tmp_path / "config.toml").read_text() == recipe
    assert "was not written by the run, and stays" in caplog.text
    assert read_mark(tmp_path).config == to_tables(run_config())


def test_comments_added_to_the_runs_own_config_stay(begun):
    path = begun / "config.toml"
    commented = "# as in the paper\n" + path.read_text()
    path.write_text(commented)
    take(begun, replace(run_config(), checkpoint=CheckpointConfig(keep=7)))
    assert path.read_text() == commented
    assert read_mark(begun).config["checkpoint"]["keep"] == 7


def test_keys_of_other_tasks_that_an_earlier_version_recorded_are_no_difference(begun):
    model = FinetuneModelConfig(init="somewhere")
    now = FinetuneConfig(
        model=model, data=TaskDataConfig(task="regression", max_seq_length=128, header=None)
    )
    tables = to_tables(now)
    tables["data"] |= {"doc_stride": 128, "tag_scheme": "", "no_answer_threshold": math.inf}
    data = {"arrays_hash": "0"}
    RunMark(command="finetune", config=tables, data=data, base=BASE).write(begun)
    take(begun, now, data, "finetune")
    for key, value, said in (
        ("max_seq_length", 64, "data.max_seq_length = 128 there, 64 here"),
        ("header", True, "data.header = None there, True here"),
    ):
        keys = {"max_seq_length": 128, "header": None, key: value}
        other = FinetuneConfig(model=model, data=TaskDataConfig(task="regression", **keys))
        with pytest.raises(InputError, match=said):
            take(begun, other, data, "finetune")


class TestWhatXlaCompiles:
    """``train.jit_compile``, recorded by an earlier start of a run, and as it is given now."""

    @staticmethod
    def go_on(folder, before, now, strategy=HERE):
        take(folder, run_config(jit_compile=before), strategy=strategy)
        touch_checkpoint(folder)
        take(folder, run_config(jit_compile=now), strategy=strategy)
        assert read_mark(folder).config["train"]["jit_compile"] == now

    @pytest.mark.parametrize(("before", "now"), [(False, "auto"), ("auto", False)])
    def test_is_nothing_on_a_cpu_by_auto_and_by_false(self, before, now, tmp_path):
        self.go_on(tmp_path, before, now)

    @pytest.mark.parametrize(("before", "now"), [(True, "auto"), ("auto", True), (False, True)])
    def test_is_the_step_on_a_cpu_by_true_alone(self, before, now, tmp_path):
        here = now is True
        said = rf"train\.jit_compile = {not here} there, {here} here"
        with pytest.raises(InputError, match=said):
            self.go_on(tmp_path, before, now)

    def test_is_the_step_on_a_gpu_by_auto_and_by_true(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
        for number, before in enumerate((True, "auto", False)):
            (folder := tmp_path / str(number)).mkdir()
            if before is False:  # the default of earlier versions
                with pytest.raises(InputError, match=r"jit_compile = False there, True here"):
                    self.go_on(folder, before, "auto")
            else:
                self.go_on(folder, before, "auto")

    @pytest.mark.parametrize("before", [True, False])
    def test_is_everything_on_a_tpu(self, before, tmp_path):
        self.go_on(tmp_path, before, "auto", BelievedTPU())

    def test_follows_the_run_to_other_devices_by_auto(self, begun, monkeypatch):
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
        take(begun, run_config())


def test_a_refusal_leaves_no_folder_that_was_not_there(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        with pytest.raises(InputError, match="refused"), locked(tmp_path / name):
            raise InputError("refused")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    with locked(tmp_path / "used"):
        (tmp_path / "used" / "run.json").touch()
    assert (tmp_path / "used" / "run.json").exists()
