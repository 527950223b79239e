"""The pre-training models on a batch, and under ``compile`` and ``fit``."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    BertConfig,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)
from tests.support.batches import pretraining_batch

Batch = dict[str, Any]
MEASURES = {
    BertForPreTraining: {"mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"},
    BertForMaskedLM: {"mlm_loss", "mlm_accuracy"},
    BertForNextSentencePrediction: {"nsp_loss", "nsp_accuracy"},
}


def _dataset(batch: Batch, steps: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def _stack(batches: list[Batch]) -> tf.data.Dataset:
    """A data set of different batches."""
    return tf.data.Dataset.from_tensor_slices(
        {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    )


def _loss_and_gradients(model: Any, batch: Batch) -> tuple[float, list[np.ndarray]]:
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, y_pred=model(batch, training=True))
    return float(loss), [g.numpy() for g in tape.gradient(loss, model.trainable_weights)]


@pytest.mark.system
def test_a_batch_without_next_sentence_labels_trains_as_the_masked_lm_model_does(
    plain_config: BertConfig, batch: Batch
) -> None:
    both, masked_lm = BertForPreTraining(plain_config), BertForMaskedLM(plain_config)
    before = {weight.path: weight.numpy() for weight in both.trainable_weights}
    unlabeled = {name: batch[name] for name in batch if name != "next_sentence_labels"}
    histories = []
    for model in (both, masked_lm):
        model.compile()
        histories.append(model.fit(_dataset(unlabeled, 3), epochs=2, verbose=0).history)
    assert histories[0].keys() == {"loss", "mlm_loss", "mlm_accuracy"}
    np.testing.assert_allclose(histories[0]["mlm_loss"], histories[1]["mlm_loss"], rtol=1e-6)
    for weight in both.trainable_weights:
        is_idle = "pooler" in weight.path or "next_sentence_head" in weight.path
        assert np.array_equal(weight, before[weight.path]) == is_idle, weight.path
    # The labels back, so are the measures and the training of the head.
    history = both.fit(_dataset(batch, 1), verbose=0).history
    assert history.keys() == MEASURES[BertForPreTraining] | {"loss"}
    for weight in both.trainable_weights:
        assert not np.array_equal(weight, before[weight.path])


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_masked_lm_reads_the_masked_positions_only(
    packed: bool, config: BertConfig, batch: Batch
) -> None:
    model = BertForMaskedLM(config, packed=packed)
    at_masks = model(batch)["masked_lm_logits"]
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    everywhere = model(inputs)["masked_lm_logits"]
    assert at_masks.shape == (4, 3, 50)
    assert everywhere.shape == (4, 12, 50)
    expected = tf.gather(everywhere, batch["masked_lm_positions"], batch_dims=1)
    np.testing.assert_allclose(at_masks, expected, atol=1e-6)


def test_loss_is_the_papers_sum_of_both_tasks(plain_config: BertConfig, batch: Batch) -> None:
    """Mean negative log-likelihood of the weighted masks plus that of the pairs."""
    model = BertForPreTraining(plain_config, seed=1)
    outputs = model(batch)
    masked = tf.nn.log_softmax(outputs["masked_lm_logits"]).numpy()
    pairs = tf.nn.log_softmax(outputs["next_sentence_logits"]).numpy()
    chosen = np.take_along_axis(masked, batch["masked_lm_ids"][..., None], -1)[..., 0]
    weights = batch["masked_lm_weights"]
    expected = -(chosen * weights).sum() / weights.sum()
    expected -= pairs[np.arange(4), batch["next_sentence_labels"]].mean()
    assert float(model.compute_loss(batch, y_pred=outputs)) == pytest.approx(expected, rel=1e-5)


def test_weightless_predictions_have_no_part_in_the_gradient(
    plain_config: BertConfig, batch: Batch
) -> None:
    ids = batch["masked_lm_ids"]
    others = np.where(batch["masked_lm_weights"] == 1, ids, (ids + 1) % 50)
    model = BertForPreTraining(plain_config)
    (_, first), (_, second) = (
        _loss_and_gradients(model, batch | {"masked_lm_ids": labels}) for labels in (ids, others)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_word_embeddings_are_tied_to_the_scores(plain_config: BertConfig, batch: Batch) -> None:
    model = BertForMaskedLM(plain_config)
    table = model.encoder.embeddings.word_embeddings
    before = model(batch)["masked_lm_logits"].numpy()
    unused = sorted(set(range(50)) - set(batch["input_ids"].ravel()))[0]
    table.assign(table.numpy() + np.eye(50, 1, -unused, dtype="float32"))
    changed = np.abs(model(batch)["masked_lm_logits"].numpy() - before).max((0, 1))
    assert changed[unused] > 0
    assert np.delete(changed, unused).max() == 0
    # The scores train the table too: a word that is never read still has a gradient.
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, y_pred=model(batch))
    assert np.abs(tape.gradient(loss, table.value)[unused]).max() > 0


@pytest.mark.parametrize(
    "model_class",
    [
        BertForPreTraining,
        pytest.param(BertForMaskedLM, marks=pytest.mark.slow),
        pytest.param(BertForNextSentencePrediction, marks=pytest.mark.slow),
    ],
)
def test_plain_compile_and_fit_lower_the_loss(
    model_class: Any, plain_config: BertConfig, batch: Batch
) -> None:
    model = model_class(plain_config)
    model.compile()
    unknown = {"guid": np.arange(4)}
    history = model.fit(_dataset(batch | unknown, 8), epochs=2, verbose=0).history
    assert set(history) == MEASURES[model_class] | {"loss"}
    assert history["loss"][1] < history["loss"][0]
    losses = sum(np.array(history[name]) for name in history if name.endswith("_loss"))
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)


@pytest.mark.system
def test_fit_on_packed_tokens_trains_as_on_padded_ones(plain_config: BertConfig) -> None:
    """Two batches, of 25 and of 20 tokens."""
    batches = _stack([pretraining_batch((12, 1, 5, 7), 1), pretraining_batch((3, 3, 2, 12), 2)])
    histories = []
    for packed in (False, True):
        model = BertForPreTraining(plain_config, packed=packed)
        model.compile(run_eagerly=not packed)
        histories.append(model.fit(batches, verbose=0).history)
    assert histories[0].keys() == histories[1].keys()
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-5)


def test_metrics_weigh_each_masked_word_the_same(plain_config: BertConfig) -> None:
    """The batches have 12 masks and fewer: the mean is over words, not over batches."""
    model = BertForMaskedLM(plain_config)
    model.compile(run_eagerly=True)
    batches = [pretraining_batch((12, 12, 12, 12), 1), pretraining_batch((2, 2, 2, 12), 2)]
    evaluated = model.evaluate(_stack(batches), verbose=0, return_dict=True)
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    means = model.objective(model, whole, training=False)
    for name, mean in means.items():
        assert evaluated[name] == pytest.approx(float(mean.value()), rel=1e-5)


@pytest.mark.system
def test_runs_of_one_seed_are_equal_bit_for_bit(config: BertConfig, batch: Batch) -> None:
    """Dropout is on: the masks are a part of the run."""
    config = replace(config, num_hidden_layers=1)
    weights = {}
    for run, seed in (("first", 3), ("second", 3), ("other", 4)):
        model = BertForPreTraining(config, seed=seed)
        model.compile(run_eagerly=True)
        model.fit(_dataset(batch, 3), verbose=0)
        weights[run] = [weight.numpy() for weight in model.weights]
    for first, second in zip(weights["first"], weights["second"], strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(weights["first"][0], weights["other"][0])


def test_compiled_model_loads_with_its_optimizer_and_goes_on_bit_for_bit(
    config: BertConfig, batch: Batch, tmp_path: Path
) -> None:
    model = BertForPreTraining(replace(config, num_hidden_layers=1))
    model.compile(run_eagerly=True)
    model.fit(_dataset(batch, 3), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert int(loaded.optimizer.iterations) == 3
    for resumed in (model, loaded):
        resumed.fit(_dataset(batch, 2), verbose=0)
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_predict_scores_without_labels(plain_config: BertConfig, batch: Batch) -> None:
    model = BertForMaskedLM(plain_config)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "masked_lm_positions")}
    predicted = model.predict(inputs, verbose=0)["masked_lm_logits"]
    np.testing.assert_allclose(predicted, model(inputs)["masked_lm_logits"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_training_step_compiled_with_xla_equals_the_plain_one(
    dtype: str, plain_config: BertConfig, batch: Batch
) -> None:
    values = []
    for jit_compile in (False, True):
        model = BertForPreTraining(plain_config, seed=1, dtype=dtype)
        model.compile(jit_compile=jit_compile)
        steps = [model.train_on_batch(batch, return_dict=True) for _ in range(3)]
        values.append([step["loss"] for step in steps])
    np.testing.assert_allclose(*values, atol=1e-5 if dtype == "float32" else 0.03)


TWO_REPLICAS = """
import sys
import numpy as np
import tensorflow as tf
from bert_keras import BertConfig, BertForPreTraining

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
config = BertConfig.from_json(sys.argv[1])
arrays = dict(np.load(sys.argv[2]))
batches = tf.data.Dataset.from_tensors(arrays).repeat(5)
runs = []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    with strategy.scope():
        model = BertForPreTraining(config, seed=1)
        model.compile()
    history = model.fit(batches, epochs=2, verbose=0).history
    runs.append((history, [weight.numpy() for weight in model.trainable_weights]))
assert strategy.num_replicas_in_sync == 2
(one, one_weights), (two, two_weights) = runs
assert one.keys() == two.keys()
for name in one:
    np.testing.assert_allclose(one[name], two[name], atol=1e-5, err_msg=name)
for ours, theirs in zip(one_weights, two_weights, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
"""


@pytest.mark.slow
def test_fit_on_two_replicas_equals_fit_on_one(plain_config: BertConfig, tmp_path: Path) -> None:
    """The replicas' shares hold 6 and 3 masks: only ratios of global sums come out equal."""
    plain_config.to_json(tmp_path / "config.json")
    np.savez(tmp_path / "batch.npz", **pretraining_batch((12, 11, 1, 3)))
    arguments = [tmp_path / "config.json", tmp_path / "batch.npz"]
    subprocess.run([sys.executable, "-c", TWO_REPLICAS, *arguments], check=True, timeout=300)
