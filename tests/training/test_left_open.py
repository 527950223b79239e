"""Keys of a recipe that are 0 and so follow from its epochs and the data."""

import json
from dataclasses import replace

import pytest
import tensorflow as tf

from bert_keras.config import (
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneTrainConfig,
    to_tables,
)
from bert_keras.errors import InputError
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.training.workdir import check_owner, left_open, write_mark
from tests.support.runs import touch_checkpoint

BASE = {"config.json": "1", "vocab.txt": "2"}
HERE = tf.distribute.get_strategy()


class TestKeysThatFollowFromTheEpochsAndTheData:
    """Of 160 examples at 16 a step: 30 steps in all, and an evaluation every 10."""

    @staticmethod
    def start(workdir, is_finished=False, **train):
        """Starts a fine-tuning run as ``Run`` does; gives its mark."""
        train = FinetuneTrainConfig(batch_size=16, epochs=3, **train)
        config = FinetuneConfig(model=FinetuneModelConfig(init="somewhere"), train=train)
        resolved = config.replace(train=train.resolved(160))
        mark = RunMark(command="finetune", config=to_tables(config), data={}, base=BASE,
                       left_open=left_open(config))  # fmt: skip
        check_owner(workdir, mark, config, HERE)
        write_mark(workdir, replace(mark, config=to_tables(resolved)), resolved, HERE)
        touch_checkpoint(workdir)
        if is_finished:
            replace(read_mark(workdir), model_files={"config.json": "1"}).write(workdir)
        return read_mark(workdir)

    @pytest.mark.parametrize("name", ["steps", "eval_every_steps"])
    def test_are_no_other_value_that_a_finished_run_was_given(self, name, tmp_path):
        before = self.start(tmp_path, is_finished=True, **{name: 5})
        with pytest.raises(InputError, match=rf"train\.{name} = 5 there, 0 here"):
            self.start(tmp_path)
        assert self.start(tmp_path, **{name: 5}) == before

    def test_of_a_finished_run_may_be_left_open_again_or_given_as_they_were(self, tmp_path):
        mark = self.start(tmp_path, is_finished=True)
        assert mark.left_open == ["train.steps", "train.eval_every_steps"]
        self.start(tmp_path)
        self.start(tmp_path, steps=30, eval_every_steps=10)
        with pytest.raises(InputError, match=r"train\.steps = 30 there, 5 here"):
            self.start(tmp_path, steps=5)

    def test_may_be_left_open_once_they_were_when_an_unfinished_run_resumed(self, tmp_path):
        self.start(tmp_path, steps=30)
        with pytest.raises(InputError, match=r"train\.eval_every_steps = 10 there, 5 here"):
            self.start(tmp_path, eval_every_steps=5)
        self.start(tmp_path, is_finished=True)
        self.start(tmp_path)
        self.start(tmp_path, steps=30)

    def test_of_an_unfinished_run_are_compared_as_they_follow(self, tmp_path):
        self.start(tmp_path, steps=5)
        with pytest.raises(InputError, match=r"train\.steps = 5 there, 30 here"):
            self.start(tmp_path)

    def test_may_be_left_open_where_version_1_did_not_record_them(self, tmp_path):
        self.start(tmp_path, is_finished=True, steps=5)
        values = json.loads((tmp_path / "run.json").read_text())
        old = {name: value for name, value in values.items()
               if name not in ("left_open", "ended_at", "run_id")}  # fmt: skip
        (tmp_path / "run.json").write_text(json.dumps(old | {"bert_keras_run": 1}))
        assert read_mark(tmp_path).left_open is None
        assert read_mark(tmp_path).run_id == ""
        config = FinetuneConfig(
            model=FinetuneModelConfig(init="somewhere"),
            train=FinetuneTrainConfig(batch_size=16, epochs=3),
        )
        assert check_owner(tmp_path, replace(read_mark(tmp_path), left_open=[]), config, HERE)

    def test_a_run_that_version_2_began_has_no_id_and_gets_none(self, tmp_path):
        """Its checkpoints bear none."""
        mark = self.start(tmp_path)
        values = json.loads((tmp_path / "run.json").read_text())
        assert values.pop("run_id") == mark.run_id != ""
        (tmp_path / "run.json").write_text(json.dumps(values | {"bert_keras_run": 2}))
        assert read_mark(tmp_path) == replace(mark, run_id="")
        assert self.start(tmp_path).run_id == ""

    @pytest.mark.parametrize("bad", [{"left_open": "train.steps"}, {"ended_at": "5"}])
    def test_of_other_types_are_damage(self, bad, tmp_path):
        self.start(tmp_path)
        values = json.loads((tmp_path / "run.json").read_text())
        (tmp_path / "run.json").write_text(json.dumps(values | bad))
        with pytest.raises(InputError, match="of another version of bert_keras, or damaged"):
            read_mark(tmp_path)
