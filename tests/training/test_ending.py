"""The end of a run: what is taken for its model, and what is not."""

import shutil
from dataclasses import replace

import pytest

from bert_keras.config import (
    FinetuneConfig,
    FinetuneTrainConfig,
    PretrainConfig,
    TrainConfig,
    to_tables,
)
from bert_keras.errors import InputError
from bert_keras.saving import save
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.training.ending import is_finished, model_written
from tests.support.files import content
from tests.support.models import make_model
from tests.support.runs import touch_checkpoint


@pytest.fixture
def begun(tmp_path):
    """A work directory with a checkpoint."""
    config = to_tables(PretrainConfig(train=TrainConfig(steps=10)))
    RunMark(command="pretrain", config=config, data={}).write(tmp_path)
    touch_checkpoint(tmp_path)
    return tmp_path


class TestTheModelOfARun:
    def test_is_done_when_it_is_as_it_was_written(self, begun):
        assert not is_finished(begun)
        with model_written(begun) as model:
            (model / "1_Pooling").mkdir(parents=True)
            (model / "weights").write_text("1 2 3")
            (model / "1_Pooling" / "config.json").write_text("{}")
        assert is_finished(begun)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda model: (model / "weights").write_text("1 2"), "weights differs"),
            (lambda model: (model / "weights").unlink(), "weights is gone"),
            (lambda model: (model / "more").touch(), "more is new"),
        ],
    )
    def test_is_named_when_it_is_not(self, begun, damage, message):
        with model_written(begun) as model:
            model.mkdir()
            for name in ("weights", "config"):
                (model / name).write_text("1 2 3")
        damage(model)
        says = rf"not as the run wrote it \({message}\); put it back, or move it away, and the same"
        with pytest.raises(InputError, match=says):
            is_finished(begun)

    def test_is_not_said_to_be_made_again_where_the_best_steps_checkpoint_is_gone(self, begun):
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        (begun / "best_step").write_text("1000\n")
        (model / "weights").write_text("1 2")
        with pytest.raises(InputError, match=r"put it back, or move it away$"):
            is_finished(begun)

    def test_that_is_a_link_to_nowhere_stays(self, begun):
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        (model / "weights").unlink()
        (model / "link").symlink_to("nowhere")
        with pytest.raises(InputError, match="weights is gone"):
            is_finished(begun)
        assert (model / "link").is_symlink()

    def test_is_made_again_when_it_was_removed_or_emptied(self, begun):
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        (model / "weights").unlink()
        assert not is_finished(begun)
        model.rmdir()
        assert not is_finished(begun)

    def test_is_not_taken_for_the_runs_that_has_none(self, begun):
        (begun / "model").mkdir()
        (begun / "model" / "weights").write_text("mine")
        with pytest.raises(InputError, match=r"is not of the run in .*; move it"):
            is_finished(begun)
        assert (begun / "model" / "weights").read_text() == "mine"

    def test_is_known_as_its_own_after_a_kill_just_before_it_was_done(self, begun):
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        replace(read_mark(begun), is_finishing=True, model_files=None).write(begun)
        assert not is_finished(begun)  # it is made again, which gives the same

    @pytest.mark.parametrize("was_finished", [False, True])
    def test_that_came_while_it_trained_is_neither_replaced_nor_taken(self, was_finished, begun):
        if was_finished:  # and resumed, once its model/ was removed
            with model_written(begun) as model:
                model.mkdir()
                (model / "config.json").write_text("{}")
            shutil.rmtree(model)
            assert not is_finished(begun)
        save(make_model(), begun / "model")  # by our own save, which would replace it
        before, mark = content(begun / "model"), (begun / "run.json").read_bytes()
        says = r"is not of the run in .*; move it, and the same command ends the run$"
        with pytest.raises(InputError, match=says), model_written(begun):
            pytest.fail("it may write its model")
        assert content(begun / "model") == before
        assert (begun / "run.json").read_bytes() == mark

    def test_that_was_put_back_while_it_trained_is_its_own(self, begun):
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        with model_written(begun) as model:
            (model / "weights").write_text("1 2")
        assert is_finished(begun)

    def test_leaves_the_mark_as_it_was_when_it_cannot_be_written(self, begun):
        before = (begun / "run.json").read_bytes()
        with pytest.raises(OSError, match="full"), model_written(begun):
            raise OSError("full")
        assert (begun / "run.json").read_bytes() == before


class TestWhatIsSaidOfAnEnd:
    """Whether the run was ended before its last step."""

    @pytest.fixture(params=[0, 3])
    def stopped(self, request, begun):
        """A run of 10 steps with this patience and a checkpoint of step 1."""
        train = FinetuneTrainConfig(steps=10, patience=request.param)
        config = to_tables(FinetuneConfig(train=train))
        RunMark(command="finetune", config=config, data={}).write(begun)
        return begun

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_by_finish(self, is_kept, stopped, caplog):
        with model_written(stopped, ended_at=1) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        if not is_kept:
            shutil.rmtree(stopped / "checkpoints")
        assert is_finished(stopped)
        assert f"ended at step 1 of 10; to resume it remove {model}" in caplog.text

    def test_of_its_own(self, stopped, caplog):
        """It may have been ended by ``finish`` before, and resumed."""
        caplog.set_level("INFO", "bert_keras")
        (stopped / "checkpoints" / "step-000000010.safetensors").touch()
        for ended_at in (1, None):
            with model_written(stopped, ended_at=ended_at) as model:
                model.mkdir(exist_ok=True)
                (model / "weights").write_text("1 2 3")
        assert is_finished(stopped)
        assert "has finished: nothing is trained" in caplog.text
        assert "ended at step" not in caplog.text

    def test_by_patience(self, begun, caplog):
        train = FinetuneTrainConfig(steps=10, patience=3)
        config = to_tables(FinetuneConfig(train=train))
        RunMark(command="finetune", config=config, data={}).write(begun)
        caplog.set_level("INFO", "bert_keras")
        with model_written(begun) as model:
            model.mkdir()
            (model / "weights").write_text("1 2 3")
        assert is_finished(begun)
        assert "has finished: nothing is trained" in caplog.text
