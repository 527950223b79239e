"""Pre-training as a TPU asks for it: static shapes, no call of the host, all compiled by XLA."""

from dataclasses import replace

import pytest
import tensorflow as tf

from bert_keras.training import pretrain, read_metrics
from tests.support.tpu import BelievedTPU, assert_for_a_tpu, believed_tpu

SIZES = tf.TensorSpec([4, 3], tf.int32)


@pytest.mark.parametrize(
    ("program", "specs", "refusal"),
    [
        (tf.reduce_sum, tf.TensorSpec([None, 3], tf.int32), "not static: given"),
        (lambda x: tf.where(x > 0), SIZES, "not static: returned"),
        (lambda x: tf.numpy_function(abs, [x], tf.int32), SIZES, "not static: returned"),
        (
            lambda x: tf.ensure_shape(tf.numpy_function(abs, [x], tf.int32), [4, 3]),
            SIZES,
            r"of the host: \['PyFunc'\]",
        ),
        (lambda x: [tf.print(x), x][1], SIZES, r"of the host: \['PrintV2'\]"),
    ],
)
def test_what_a_tpu_would_not_run_is_refused_here(program, specs, refusal):
    strategy = BelievedTPU()
    run = tf.function(lambda x: strategy.run(program, args=(x,)))
    with pytest.raises(AssertionError, match=refusal):
        run.get_concrete_function(specs)


def test_a_size_that_follows_from_values_is_seen_in_the_program():
    """A sum over the places of some values is static; the places are not."""
    strategy = BelievedTPU()
    ids = tf.reshape(tf.range(12), [4, 3])
    count = lambda x: tf.reduce_sum(tf.where(x["ids"] > 5))  # noqa: E731
    tf.function(lambda x: strategy.run(count, args=(x,)))({"ids": ids})
    (program,) = strategy.lowered()
    with pytest.raises(AssertionError):
        assert_for_a_tpu(program)


def test_what_xla_cannot_compile_fails():
    strategy = BelievedTPU()
    text = lambda x: tf.strings.length(tf.strings.as_string(x["ids"]))  # noqa: E731
    run = tf.function(lambda x: strategy.run(text, args=(x,)))
    with pytest.raises(tf.errors.OpError, match="unsupported operations"):
        run({"ids": tf.range(3)})


@pytest.fixture
def chip(monkeypatch):
    return believed_tpu(monkeypatch)


@pytest.mark.system
def test_a_run_of_two_lengths_has_two_programs_and_two_of_evaluation(
    chip, recipe, corpus_path, tmp_path
):
    """Calls of one step and of two, which share a program."""
    train = replace(recipe.train, steps=6, steps_per_call=2, log_every_steps=3, eval_every_steps=3)
    model = replace(recipe.model, num_hidden_layers=1)
    pretrain(replace(recipe, model=model, train=train), tmp_path / "run", corpus_path)
    shapes = [program.shapes["input_ids"] for program in chip.programs]
    assert sorted(shapes) == [[8, 32], [8, 32], [12, 16], [12, 16]]
    for program in chip.lowered():
        assert_for_a_tpu(program)
    evaluated = [line["step"] for line in read_metrics(tmp_path / "run") if line["split"] == "eval"]
    assert evaluated == [3, 6]
