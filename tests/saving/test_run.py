import logging
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

import bert_keras
from bert_keras.config import PretrainConfig, TrainConfig, to_tables
from bert_keras.contents import hash_files
from bert_keras.optimizers import AdamW
from bert_keras.saving import files, load, save
from bert_keras.saving.fingerprint import fingerprint
from bert_keras.saving.mark import RunMark, read_mark
from bert_keras.saving.run import write_description
from bert_keras.tokenization import BertTokenizer
from bert_keras.training import finish
from bert_keras.training.checkpoint import Checkpoints
from bert_keras.training.state import RunState
from tests.support.models import pieces_of, refusal

VOCABULARY = pieces_of("abcdefghijklmnopqrstuvwxyz.")
KINDS = {
    "BertForPreTraining": {},
    "BertForMaskedLM": {},
    "BertForSequenceClassification": {
        "labels": ["calm", "loud", "old"],
        "problem_type": "multi_label_classification",
        "classifier_dropout": 0.3,
    },
    "BertForTokenClassification": {"labels": ["O", "B-PER", "I-PER"]},
    "BertForQuestionAnswering": {},
}


def make_model(kind="BertForPreTraining", seed=0, **arguments):
    config = bert_keras.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.2,
    )
    model = getattr(bert_keras, kind)(config, seed=seed, **(KINDS[kind] | arguments))
    model.tokenizer = BertTokenizer(VOCABULARY)
    return model


class Run:
    """A work directory with checkpoints that hold other weights at every step, and no model/."""

    def __init__(self, path, kind="BertForPreTraining", steps=(2, 4), total=10, keep=3, **more):
        self.path, self.model = path, make_model(kind, **more)
        config = to_tables(PretrainConfig(train=TrainConfig(steps=total)))
        path.mkdir()
        mark = RunMark(command="pretrain", config=config, data={})
        self.run_id = mark.content_id()
        replace(mark, run_id=self.run_id).write(path)
        self.optimizer = AdamW(1e-3)
        self.optimizer.build(self.model.trainable_variables)
        self.checkpoints = Checkpoints(path / "checkpoints", keep)
        write_description(self.model, path)
        for step in steps:
            self.save(step)

    def save(self, step):
        """The weights of this step, which follow from it."""
        for number, variable in enumerate(self.model.trainable_variables):
            draws = np.random.default_rng([step, number]).normal(size=variable.shape)
            variable.assign(draws.astype(np.float32))
        state = RunState(step=step, run_id=self.run_id)
        self.checkpoints.save(state, self.model, self.optimizer)
        self.checkpoints.wait()

    def file(self, step):
        return self.path / "checkpoints" / f"step-{step:09d}.safetensors"

    def weights(self, step):
        """The arrays in a checkpoint's file, by the variables' paths."""
        arrays = load_file(self.file(step))
        paths = (variable.path for variable in self.model.trainable_variables)
        return {path: arrays[f"model/{path}"] for path in paths}


def assert_weights(model, expected):
    found = {variable.path: variable.numpy() for variable in model.trainable_variables}
    assert found.keys() == expected.keys()
    for path, array in found.items():
        np.testing.assert_array_equal(array, expected[path], path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_checkpoint_opens_with_the_very_weights_of_its_step(kind, tmp_path, caplog):
    run = Run(tmp_path / "run", kind)
    with caplog.at_level(logging.INFO, "bert_keras"):
        model = load(run.path)
    assert type(model).__name__ == kind
    assert_weights(model, run.weights(4))
    (line,) = caplog.messages
    assert "has not finished: its newest checkpoint is used, of step 4 of 10" in line


def test_what_the_model_is_beside_its_weights_comes_from_the_run(tmp_path):
    kind = "BertForSequenceClassification"
    run = Run(tmp_path / "run", kind)
    run.model.other_config = {"multi_label_task": {"max_seq_length": 24}}
    write_description(run.model, run.path)
    model = load(run.path, packed=True)
    assert (model.labels, model.problem_type) == (("calm", "loud", "old"), run.model.problem_type)
    assert model.classifier_dropout == 0.3
    assert model.other_config["multi_label_task"] == {"max_seq_length": 24}
    assert (model.config, model.packed) == (run.model.config, True)
    assert model.tokenizer.vocab == VOCABULARY
    assert model.tokenizer.casing == run.model.tokenizer.casing


def test_a_step_behind_an_at_sign_is_that_checkpoint_and_says_which_there_are(tmp_path, caplog):
    run = Run(tmp_path / "run")
    with caplog.at_level(logging.INFO, "bert_keras"):
        assert_weights(load(f"{run.path}@2"), run.weights(2))
    assert caplog.messages == [f"{run.path}: the checkpoint of step 2 of 10"]
    line = refusal(f"{run.path}@3")
    assert "no checkpoint of step 3; there are those of steps 2 and 4" in line
    assert "there must be a step; there are those of steps 2 and 4" in refusal(f"{run.path}@last")


def test_a_finished_run_is_its_model_and_its_checkpoints_stay_open(tmp_path):
    run = Run(tmp_path / "run")
    final = make_model(seed=5)
    save(final, run.path / "model")
    assert_weights(load(run.path), run.weights(4))  # somebody else's, as far as the run knows
    mark = replace(read_mark(run.path), model_files=hash_files(run.path / "model"))
    mark.write(run.path)
    assert_weights(load(run.path), {v.path: v.numpy() for v in final.trainable_variables})
    assert_weights(load(f"{run.path}@4"), run.weights(4))


@pytest.mark.parametrize("what", ["a model", "a file"])
def test_a_config_of_another_program_does_not_hide_the_run_in_whose_folder_it_lies(what, tmp_path):
    run = Run(tmp_path / "run")
    if what == "a model":
        save(make_model(seed=5), tmp_path / "other")
        shutil.copytree(tmp_path / "other", run.path, dirs_exist_ok=True)
    else:
        (run.path / "config.json").write_text('{"model_type": "gpt2"}')
    assert_weights(load(run.path), run.weights(4))
    assert fingerprint(run.path) == fingerprint(f"{run.path}@4")
    assert_weights(load(finish(run.path)), run.weights(4))
    assert read_mark(run.path).ended_at == 4
    assert_weights(load(run.path), run.weights(4))


def test_a_folder_without_a_mark_is_no_run_whatever_lies_in_it(tmp_path):
    run = Run(tmp_path / "run")
    save(run.model, run.path / "model")
    (run.path / "config.toml").write_text("[train]\nsteps = 10\n")
    for mark in ("{}", "[1]", '{"name": "run"}', "", "not JSON"):
        (run.path / "run.json").write_text(mark)
        assert "is not a model" in refusal(run.path)
    (run.path / "run.json").write_text('{"bert_keras_run": 99}')
    assert "of another version of bert_keras" in refusal(run.path)


def test_the_best_model_so_far_is_preferred_to_the_newest_checkpoint(tmp_path, caplog):
    run = Run(tmp_path / "run", "BertForTokenClassification")
    best = make_model("BertForTokenClassification", seed=5)
    save(best, run.path / "best")
    (run.path / "best_step").write_text("3\n")
    model = load(run.path)
    assert_weights(model, {v.path: v.numpy() for v in best.trainable_variables})
    assert "its best model so far is used, of step 3 of 10" in caplog.text


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before_and_stays(tmp_path, caplog):
    run = Run(tmp_path / "run")
    for damage in (lambda b: b[:-9], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""):
        caplog.clear()
        whole = run.file(4).read_bytes()
        run.file(4).write_bytes(damage(whole))
        before = sorted(run.path.rglob("*"))
        assert_weights(load(run.path), run.weights(2))
        assert f"{run.file(4)} is passed over" in caplog.messages[0]
        assert "step 2 of 10" in caplog.messages[1]
        assert sorted(run.path.rglob("*")) == before  # only a run itself sets one aside
        assert "is damaged" in refusal(f"{run.path}@4")
        run.file(4).write_bytes(whole)
    run.file(2).write_bytes(b"")
    run.file(4).write_bytes(b"")
    assert "all its checkpoints are damaged" in refusal(run.path)


def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path):
    run, other = (Run(tmp_path / name, total=total) for name, total in (("a", 10), ("b", 20)))
    other.save(6)
    shutil.copy(other.file(6), run.file(6))
    for path in (run.path, f"{run.path}@6"):
        assert f"{run.file(6)} is not of the run that {run.path / 'run.json'}" in refusal(path)
    assert_weights(load(f"{run.path}@4"), run.weights(4))


def test_a_best_model_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path, monkeypatch, caplog
):
    """Else a model has the weights of one and the thresholds of the next."""
    caplog.set_level(logging.INFO, "bert_keras")
    run, real_build = Run(tmp_path / "run", "BertForTokenClassification"), files.build
    first, second = (make_model("BertForTokenClassification", seed=seed) for seed in (5, 6))
    for path in (run.path, run.path / "best"):
        save(first, run.path / "best")
        (run.path / "best_step").write_text("3\n")
        builds = []

        def build(stored, *args, builds=builds, **kwargs):
            if not builds:
                save(second, run.path / "best")
            builds.append(real_build(stored, *args, **kwargs))
            return builds[-1]

        monkeypatch.setattr(files, "build", build)
        model = load(path)
        assert_weights(model, {v.path: v.numpy() for v in second.trainable_variables})
        assert len(builds) == 2
        assert "its best model was replaced while it was read" in caplog.text
        caplog.clear()


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    line = refusal(Run(tmp_path / "run", steps=()).path)
    assert "has not finished and has no checkpoint yet" in line
    assert "checkpoint.every_steps" in line


def test_a_finished_run_that_lost_its_model_is_told_as_finished(tmp_path, caplog):
    run = Run(tmp_path / "run", steps=(10,))
    ended = replace(read_mark(run.path), model_files={"config.json": "0" * 64})
    ended.write(run.path)
    assert_weights(load(run.path), run.weights(10))
    assert caplog.messages == [
        f"the run in {run.path} has finished, but its model/ is gone or not whole: its newest "
        "checkpoint is used, of step 10 of 10; the command that trained it makes the model again"
    ]
    way_out = f"; put {run.path / 'model'} back, or train the run again"
    run.file(10).write_bytes(b"")
    lost = "its model/ is gone or not whole, and all its checkpoints are damaged"
    assert refusal(run.path).endswith(f"has finished, but {lost}{way_out}")
    shutil.rmtree(run.path / "checkpoints")
    lost = "its model/ is gone or not whole, and it has no checkpoint either"
    assert refusal(run.path).endswith(f"has finished, but {lost}{way_out}")


def test_a_run_that_was_ended_and_goes_on_without_its_model_has_not_finished(tmp_path, caplog):
    run = Run(tmp_path / "run")
    mark = read_mark(run.path)
    replace(mark, model_files={"config.json": "0" * 64}, ended_at=2).write(run.path)
    assert_weights(load(run.path), run.weights(4))
    assert "has not finished: its newest checkpoint is used, of step 4 of 10" in caplog.text


def test_another_class_takes_the_encoder_of_a_checkpoint_under_a_new_head(tmp_path):
    run = Run(tmp_path / "run")
    model = load(run.path, bert_keras.BertForSequenceClassification, labels=["no", "yes"])
    assert {path.partition("/")[0] for path in model.report.new} == {"classifier"}
    expected = run.weights(4)
    for variable in model.encoder.trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), expected[variable.path])


def test_a_checkpoint_in_mixed_precision_has_the_same_weights(tmp_path):
    run = Run(tmp_path / "run", dtype="mixed_bfloat16")
    assert_weights(load(run.path), run.weights(4))


def test_what_is_saved_of_a_checkpoint_opens_as_what_it_was(tmp_path):
    run = Run(tmp_path / "run")
    for layout in ("huggingface", "google", "keras"):
        out = tmp_path / ("model.keras" if layout == "keras" else layout)
        save(load(run.path), out, format=layout)
        model = load(out)
        assert_weights(model, run.weights(4))
        assert model.tokenizer.vocab == VOCABULARY


def test_a_run_that_goes_on_meanwhile_can_be_opened_at_any_moment(tmp_path):
    run = Run(tmp_path / "run", steps=(1,), keep=1)
    sums = {1: run.weights(1)["pooler/output/kernel"].tobytes()}
    stop = threading.Event()

    def train():
        step = 1
        while not stop.is_set():
            step += 1
            run.save(step)
            sums[step] = run.model.encoder.pooler.output_dense.kernel.numpy().tobytes()

    thread = threading.Thread(target=train)
    thread.start()
    try:
        kernels = [load(run.path).encoder.pooler.output_dense.kernel.numpy() for _ in range(20)]
    finally:
        stop.set()
        thread.join()
    known = set(sums.values())
    assert all(kernel.tobytes() in known for kernel in kernels)
    assert len({kernel.tobytes() for kernel in kernels}) > 1


def test_an_at_sign_in_the_name_of_a_model_means_nothing(tmp_path):
    model = make_model()
    save(model, tmp_path / "a@7")
    assert_weights(load(tmp_path / "a@7"), {v.path: v.numpy() for v in model.trainable_variables})
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "b@7")


def test_a_weight_of_another_shape_than_the_runs_config_says_is_named(tmp_path):
    run = Run(tmp_path / "run")
    path = run.path / "checkpoints" / "config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 24', '"intermediate_size": 32'))
    line = refusal(run.path)
    assert "feed_forward/intermediate" in line
    assert "wrong shape" in line
