from dataclasses import replace

import numpy as np
import pytest

import bert_keras
from bert_keras.arithmetic import FewPasses
from bert_keras.config import FinetuneConfig, FinetuneModelConfig
from bert_keras.tasks.registry import make_task
from bert_keras.tasks.start import layer_rates, start_model


def start(path, kind="classification", **settings):
    config = FinetuneConfig(model=FinetuneModelConfig(init=str(path), **settings))
    data = replace(config.data, task=kind, settings={"max_seq_length": 40})
    return start_model(config, make_task(data).with_labels(["bad", "good"]))


def kernel_of(model):
    return model.classifier.output_dense.kernel.numpy()


@pytest.mark.parametrize("stddev", [0.02, 0.2])
def test_a_new_head_is_drawn_with_the_range_that_is_asked_for(encoder_path, stddev):
    kernel = kernel_of(start(encoder_path, head_initializer_range=stddev))
    # A normal distribution cut at two standard deviations has 0.88 of them.
    assert np.std(kernel) == pytest.approx(0.88 * stddev, rel=0.2)
    assert np.abs(kernel).max() <= 2 * stddev


def test_a_head_that_the_file_has_is_kept(encoder_path, tmp_path):
    trained = start(encoder_path)
    bert_keras.save(trained, tmp_path / "model")
    again = start(tmp_path / "model", head_initializer_range=0.2)
    np.testing.assert_array_equal(kernel_of(again), kernel_of(trained))


def test_what_is_not_new_is_not_drawn(encoder_path):
    plain, drawn = start(encoder_path), start(encoder_path, head_initializer_range=0.2)
    for one, other in zip(plain.trainable_variables, drawn.trainable_variables, strict=True):
        if not one.path.startswith(("classifier", "pooler")):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_another_dropout_leaves_all_else_as_the_file_says(encoder_path, tmp_path):
    trained = start(encoder_path, classifier_dropout=0.3)
    bert_keras.save(trained, tmp_path / "model")
    again = start(tmp_path / "model", hidden_dropout_prob=0.2)
    assert (again.config.hidden_dropout_prob, again.classifier_dropout) == (0.2, 0.3)
    assert again.arithmetic == FewPasses()
    for one, other in zip(again.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_weights_leave_all_else_as_the_file_says(encoder_path, tmp_path):
    trained = start(encoder_path, "tagging", classifier_dropout=0.3)
    trained.other_files = {"notes.json": {"a": 1}}
    for weight in trained.weights:
        weight.assign(np.full(weight.shape, 5.0))
    bert_keras.save(trained, tmp_path / "model.keras", format="keras")
    again = start(tmp_path / "model.keras", "tagging", random_weights=True, hidden_dropout_prob=0.2)
    assert (again.config.hidden_dropout_prob, again.classifier_dropout) == (0.2, 0.3)
    assert again.other_files == {"notes.json": {"a": 1}}
    assert again.other_config["tagging_task"]["max_seq_length"] == 40
    assert again.tokenizer.vocab == trained.tokenizer.vocab
    assert again.arithmetic == FewPasses()
    for weight in again.weights:
        assert np.abs(weight).max() <= 1
        assert weight.path.endswith(("kernel", "embeddings")) == (0.05 < np.std(weight) < 0.2)


def test_the_head_has_the_full_rate_and_every_layer_below_a_share_of_the_one_above():
    assert layer_rates(3, decay=0.5) == {
        "layer_2/": 1 / 2,
        "layer_1/": 1 / 4,
        "layer_0/": 1 / 8,
        "embeddings/": 1 / 16,
        "position_bias/": 1 / 16,  # of MPNet, which all layers share
    }
    assert layer_rates(3, decay=1.0) == {}
