"""A run from its sources to its model, without the training in between."""

import json

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig, BertForMaskedLM, save
from bert_keras.config import (
    CheckpointConfig,
    DistributionConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    load_toml,
    to_tables,
)
from bert_keras.errors import InputError
from bert_keras.optimizers import LAMB, AdamW
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.saving.run_state import state_file, write_state
from bert_keras.training import Run, make_optimizer
from bert_keras.training.metrics import MetricsLog
from bert_keras.training.workdir import write_mark

DATA = {"arrays_hash": "0"}
HERE = tf.distribute.get_strategy()
CONFIG = BertConfig(
    vocab_size=20,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
)


@pytest.fixture(scope="module")
def model():
    return BertForMaskedLM(CONFIG)


def write(folder, step, arrays):
    """Writes a checkpoint of the run that has begun in a folder."""
    state = json.dumps({"run_id": read_mark(folder).run_id})
    write_state(state_file(folder / "checkpoints", step), arrays, state)


def begun(folder, model=None, init=""):
    """A run that has read its sources and, with a model, begun and written a checkpoint."""
    run = Run("pretrain", folder, DistributionConfig(strategy="one_device"))
    config = PretrainConfig(model=ModelConfig(init=str(init)))
    with run.agreement():
        config = run.with_start(config, None)
        run.set_sources(config, DATA)
    if model:
        with run.locked():
            run.begin(config, model)
            write(folder, 4, {"x": np.zeros(1)})
            MetricsLog(folder).write(4, "train", {"mlm_loss": 1.0})
    return run


def test_a_run_finishes_once_its_model_is_written(model, tmp_path):
    run = begun(tmp_path / "run", model)
    with run.locked():
        assert not run.is_finished()
        with run.finishing() as path:
            save(model, path)
        assert run.is_finished()
    assert path == run.model_path == tmp_path / "run" / "model"
    assert (tmp_path / "run" / "curves.png").exists()


def test_a_run_that_fails_as_it_writes_its_model_has_not_finished(model, tmp_path):
    run = begun(tmp_path / "run", model)
    with run.locked(), pytest.raises(OSError, match="full"), run.finishing():
        raise OSError("the disk is full")
    assert not run.is_finished()
    assert not run.model_path.exists()


def test_a_run_records_its_config_and_its_sources(model, tmp_path):
    begun(tmp_path / "run", model)
    config, mark = PretrainConfig(), read_mark(tmp_path / "run")
    assert load_toml(PretrainConfig, tmp_path / "run" / "config.toml") == config
    assert (mark.command, mark.config, mark.data) == ("pretrain", to_tables(config), DATA)
    assert "cores" in mark.circumstances
    assert (tmp_path / "run" / "checkpoints" / "config.json").exists()


def test_a_run_says_on_what_it_trains_and_whether_xla_compiles_its_steps(
    model, tmp_path, caplog, monkeypatch
):
    caplog.set_level("INFO", "bert_keras")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    begun(tmp_path / "run", model)
    assert 'training on 1 x CPU, not compiled by XLA (train.jit_compile = "auto")' in caplog.text


def test_another_run_is_refused_before_the_lock_and_within(model, tmp_path):
    early = begun(tmp_path / "run")  # both have read when there was no run yet
    late = Run("pretrain", tmp_path / "run", DistributionConfig())
    late.set_sources(PretrainConfig(), {"arrays_hash": "1"})
    begun(tmp_path / "run", model)
    with early.locked():
        pass
    with pytest.raises(InputError, match="a run on other data"), late.locked():
        pytest.fail("it has the work directory of another run")
    with pytest.raises(InputError, match="a run on other data"):
        late.set_sources(PretrainConfig(), {"arrays_hash": "1"})


def test_a_run_resumes_without_the_model_that_it_began_from(model, tmp_path, caplog):
    """Its newest checkpoint has architecture and tokenizer."""
    base = tmp_path / "base"
    save(model, base)
    assert begun(tmp_path / "run", init=base).start() == str(base)
    begun(tmp_path / "run", model, base)
    base.rename(tmp_path / "moved")
    caplog.set_level("INFO", "bert_keras")
    run = begun(tmp_path / "run", init=base)
    assert run.start() == f"{tmp_path / 'run'}@4"
    assert run.mark.base == {}
    assert "resumes from its own checkpoint" in caplog.text
    with pytest.raises(FileNotFoundError, match="no such model"):
        begun(tmp_path / "other", init=base)


def test_a_run_from_another_keeps_the_model_that_was_found_first(model, tmp_path):
    """The other goes on meanwhile: its newest model is not the one that this began from."""
    other = tmp_path / "other"
    begun(other, model)
    run = begun(tmp_path / "run", init=other)
    assert run.config.model.init == f"{other}@4"
    RunMark(command="pretrain", config=to_tables(run.config), data=DATA, base=run.mark.base).write(
        tmp_path / "run"
    )
    write(tmp_path / "run", 1, {"x": np.zeros(1)})
    write(other, 8, {"x": np.ones(1)})
    assert begun(tmp_path / "run", init=other).config.model.init == f"{other}@4"
    assert begun(tmp_path / "third", init=other).config.model.init == f"{other}@8"


def test_a_run_from_the_best_model_of_another_resumes_when_that_has_a_better_one(
    model, tmp_path, caplog, monkeypatch
):
    other = tmp_path / "other"
    begun(other, model)
    save(model, other / "best")
    (other / "best_step").write_text("4\n")
    run = begun(tmp_path / "run", model, init=other)
    assert run.start() == str(other / "best")
    earlier = read_mark(tmp_path / "run")
    save(BertForMaskedLM(CONFIG, seed=1), other / "best")
    caplog.set_level("INFO", "bert_keras")
    monkeypatch.chdir(tmp_path)
    run = begun(tmp_path / "run", model, init="other")  # the same one by another name
    assert run.start() == f"{tmp_path / 'run'}@4"
    assert f"{other / 'best'} has been replaced by a better model" in caplog.text
    assert read_mark(tmp_path / "run") == earlier
    assert begun(tmp_path / "new", init=other).mark.base != earlier.base


def test_runs_of_the_same_content_have_the_same_id(model, tmp_path):
    """Wherever their files lie, and however often they save."""

    def run_id(name, data="0", base="0", command="pretrain", **changes):
        tables = to_tables(PretrainConfig(**changes))
        mark = RunMark(command=command, config=tables, data={"hash": data}, base={"file": base})
        write_mark(tmp_path / name, mark, PretrainConfig(**changes), HERE)
        return read_mark(tmp_path / name).run_id

    same = {
        run_id("a"),
        run_id("b", model=ModelConfig(init="elsewhere")),
        run_id("c", checkpoint=CheckpointConfig(every_steps=7)),
    }
    assert len(same) == 1
    others = {
        run_id("d", data="1"),
        run_id("e", base="1"),
        run_id("f", command="finetune"),
        run_id("g", optimizer=OptimizerConfig(learning_rate=0.5)),
    }
    assert len(others | same) == 5


@pytest.mark.parametrize(("name", "kind"), [("adamw", AdamW), ("lamb", LAMB)])
def test_the_optimizer_is_what_the_recipe_describes(name, kind):
    settings = OptimizerConfig(
        name=name,
        learning_rate=0.5,
        warmup_ratio=0.1,
        weight_decay=0.2,
        beta_1=0.8,
        beta_2=0.7,
        epsilon=1e-3,
        clip_norm=2.0,
        bias_correction=True,
    )
    optimizer = make_optimizer(settings, 40, {"embeddings/": 0.5})
    assert type(optimizer) is kind
    read = {
        field: getattr(optimizer, field) for field in vars(settings) if hasattr(optimizer, field)
    }
    del read["name"], read["learning_rate"]
    assert len(read) == 6
    assert read == {field: getattr(settings, field) for field in read}
    rates = [float(optimizer._learning_rate(step)) for step in (0, 2, 4, 40)]
    np.testing.assert_allclose(rates, [0, 0.25, 0.45, 0])
    assert optimizer.rate_factors == {"embeddings/": 0.5}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_loss_is_scaled_in_float16_alone(precision):
    optimizer = make_optimizer(OptimizerConfig(), 10, precision=precision)
    assert optimizer.loss_scaling == (precision == "mixed_float16")
