import logging
import shutil
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import bert_keras
from bert_keras.contents import hash_files
from bert_keras.saving import load, save
from bert_keras.saving.fingerprint import fingerprint
from bert_keras.saving.mark import read_mark
from bert_keras.saving.run import write_description
from bert_keras.training import finish
from bert_keras.training.state import RunState
from tests.support.begun_run import KINDS, VOCABULARY, Run, assert_weights, make_model
from tests.support.models import refusal


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_checkpoint_opens_with_the_very_weights_of_its_step(kind, tmp_path, caplog):
    run = Run(tmp_path / "run", kind)
    with caplog.at_level(logging.INFO, "bert_keras"):
        model = load(run.path)
    assert type(model).__name__ == kind
    assert_weights(model, run.weights(4))
    (line,) = caplog.messages
    assert "has not finished: its newest checkpoint is used, of step 4 of 10" in line


def test_a_checkpoint_opens_without_the_layer_of_its_objective_whatever_its_name(tmp_path):
    run = Run(tmp_path / "run")
    expected = run.weights(4)
    head = run.model.objective.head = keras.layers.Dense(2, name="anything")
    head.build((None, 3))
    run.checkpoints.save(RunState(step=6, run_id=run.run_id), run.model, run.optimizer)
    run.checkpoints.wait()
    arrays = load_file(run.file(6))
    np.testing.assert_array_equal(arrays["objective/anything/kernel"], head.kernel.numpy())
    assert_weights(load(f"{run.path}@6"), expected)


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
