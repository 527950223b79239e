"""Sentence encoders from pairs with a class: what is read, trained, measured and left."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors import safe_open
from safetensors.numpy import load_file

from bert_keras.config import FinetuneConfig, FinetuneTrainConfig, load_toml
from bert_keras.errors import InputError, Interrupted
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.objectives import PairSoftmax, TrainStep
from bert_keras.optimizers import AdamW
from bert_keras.saving import load
from bert_keras.tasks import Similarity, evaluate, finetune
from bert_keras.tasks.reading import TextExample
from bert_keras.training import read_metrics
from tests.support.models import assert_same_weights
from tests.tasks.conftest import BAD, FILLERS, GOOD
from tests.tasks.recipes import recipe

SOFTMAX = Similarity(loss="softmax", max_seq_length=16)


def pair(label, first="a fine film", second="a joy to watch", where="train.tsv, row 1"):
    return TextExample(first, second, label, where)


PAIRS = [pair("neutral"), pair("entailment"), pair("contradiction"), pair("neutral")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pairs of which both are good or both bad, or not: with classes, and with scores."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, seed, labels in (
        ("train.tsv", 0, ("same", "other")), ("dev.tsv", 1, ("5.0", "0.5")),
    ):  # fmt: skip
        draw, rows = random.Random(seed), []
        for _ in range(80):
            sides = draw.choice([GOOD, BAD]), draw.choice([GOOD, BAD])
            texts = (f"{draw.choice(side)} {draw.choice(FILLERS)}" for side in sides)
            rows.append("\t".join([*texts, labels[sides[0] is not sides[1]]]))
        (folder / name).write_text("\n".join(rows) + "\n")
    return str(folder / "train.tsv"), str(folder / "dev.tsv")


def test_classes_are_numbered_in_order_and_a_dev_example_has_a_score(tokenizer):
    task = SOFTMAX.adapted_to(PAIRS)
    assert task.classes == ("contradiction", "entailment", "neutral")
    assert task.labels_of([*PAIRS, pair("3.5")]) == ()
    assert [f.targets for f in task.features(PAIRS[:2], tokenizer)] == [
        {"labels": 2}, {"labels": 1},
    ]  # fmt: skip
    assert task.features([pair("3.5")], tokenizer)[0].targets == {}
    assert task.metric("", [pair("3.5"), pair("1")]) == "spearman"


@pytest.mark.system
def test_a_run_from_classes_is_chosen_and_measured_by_scores_and_leaves_no_classifier(
    pairs, encoder_path, tmp_path
):
    settings = recipe(
        data={"task": "similarity", "loss": "softmax", "normalize": False},
        train={"steps": 60, "eval_every_steps": 30},
    )
    finetune(settings, tmp_path / "run", encoder_path, *pairs)
    model = load(tmp_path / "run")
    before = load(encoder_path, BertForSentenceEmbedding)
    assert len(model.weights) == len(before.weights)
    assert not model.normalize
    found = evaluate(model, pairs[1]).metrics["spearman"]
    assert found > evaluate(before, pairs[1]).metrics["spearman"] + 0.2
    # A checkpoint has the classifier and its moments, and opens as a model without it.
    (newest, *_) = sorted((tmp_path / "run" / "checkpoints").glob("*.safetensors"), reverse=True)
    with safe_open(newest, "numpy") as file:
        names = [name for name in file.keys() if "pair_classifier" in name]  # noqa: SIM118
    assert len(names) == 6
    assert len([name for name in names if name.startswith("objective/")]) == 2
    again = load(f"{tmp_path / 'run'}@60", BertForSentenceEmbedding)
    assert len(again.weights) == len(before.weights)


class StopAt(keras.callbacks.Callback):
    """SIGTERM after a step."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 4:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.system
def test_a_run_that_was_stopped_resumes_with_its_classifier(pairs, encoder_path, tmp_path):
    settings = recipe(data={"task": "similarity", "loss": "softmax"}, train={"steps": 10})
    finetune(settings, tmp_path / "whole", encoder_path, pairs[0])
    with pytest.raises(Interrupted):
        finetune(settings, tmp_path / "run", encoder_path, pairs[0], callbacks=[StopAt()])
    finetune(settings, tmp_path / "run", encoder_path, pairs[0])
    assert_same_weights(load(tmp_path / "run"), load(tmp_path / "whole"))


# The devices must be split before TensorFlow starts, hence a process of its own.
TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.tasks import finetune
settings = load_toml(FinetuneConfig, sys.argv[1], ["distribution.strategy=mirrored"])
assert len(tf.config.list_logical_devices("CPU")) == 2
finetune(settings, *sys.argv[2:])
"""
RECIPE = """
[data]
task = "similarity"
loss = "softmax"
max_seq_length = 16
[train]
steps = 3
batch_size = 8
log_every_steps = 1
"""


@pytest.mark.system
def test_two_devices_train_the_encoder_and_its_classifier_as_one(pairs, encoder_path, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE)
    finetune(load_toml(FinetuneConfig, file), tmp_path / "one", encoder_path, pairs[0])
    arguments = [str(path) for path in (file, tmp_path / "two", encoder_path, pairs[0])]
    command = [sys.executable, "-c", TWO_DEVICES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("similarity_loss", "similarity_accuracy"):
        one, two = ([line[name] for line in read_metrics(tmp_path / run)] for run in ("one", "two"))
        np.testing.assert_allclose(two, one, rtol=1e-4)
    arrays = [
        load_file(tmp_path / run / "checkpoints" / "step-000000003.safetensors")
        for run in ("one", "two")
    ]
    assert any("pair_classifier" in name for name in arrays[0])
    for name, values in arrays[0].items():
        np.testing.assert_allclose(arrays[1][name], values, atol=2e-5, err_msg=name)


def test_the_classifier_is_trained_by_fit_and_dropped_with_its_objective(encoder_path, tokenizer):
    task = SOFTMAX.adapted_to(PAIRS)
    model = task.open_model(encoder_path, packed=True)
    assert isinstance(model.objective, PairSoftmax)
    own = len(model.weights) - 2
    before = model.objective.head.kernel.numpy()
    model.compile(run_eagerly=True)
    batches = task.batches(task.features(PAIRS, tokenizer), tokenizer, batch_size=4)
    history = model.fit(batches, steps_per_epoch=1, verbose=0).history
    assert set(history) == {"loss", "similarity_loss", "similarity_accuracy"}
    assert np.abs(model.objective.head.kernel.numpy() - before).max() > 0
    assert len(model.copy().weights) == own
    model.objective = Similarity().loss_of(model)
    assert len(model.weights) == own


def test_a_step_refuses_a_classifier_that_it_would_not_train(encoder_path):
    model = SOFTMAX.adapted_to(PAIRS).open_model(encoder_path)
    other = PairSoftmax(3, model.width, seed=1)
    arguments = tf.distribute.get_strategy(), model, AdamW(1e-3)
    with pytest.raises(InputError, match="PairSoftmax has a layer of its own, which is trained"):
        TrainStep(*arguments, other, FinetuneTrainConfig())
    TrainStep(*arguments, model.objective, FinetuneTrainConfig())


def test_a_model_file_of_keras_lacks_the_classifier_and_opens(encoder_path, tmp_path, caplog):
    model = SOFTMAX.adapted_to(PAIRS).open_model(encoder_path)
    model.compile()
    model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    assert len(again.weights) == len(model.weights) - 2


def test_dev_examples_with_classes_are_refused():
    task = SOFTMAX.adapted_to(PAIRS)
    with pytest.raises(InputError, match="row 1 has the class 'neutral', and vectors are measured"):
        task.metric("", PAIRS[:2])
    with pytest.raises(InputError, match=r"row 1: the label .*'paraphrase', and vectors are meas"):
        task.labels_of([pair("paraphrase")])


def test_classes_that_are_held_out_are_refused_before_anything_is_read(encoder_path, tmp_path):
    data = {"task": "similarity", "loss": "softmax", "dev_fraction": 0.5}
    with pytest.raises(InputError, match=r"data\.dev_fraction holds out pairs with a class"):
        finetune(recipe(data=data), tmp_path / "run", encoder_path, "no such file")


@pytest.mark.system
def test_dev_scores_may_be_spelled_like_classes(pairs, encoder_path, tmp_path, caplog):
    numbers = {"same": "1", "other": "0"}
    rows = [line.split("\t") for line in Path(pairs[0]).read_text().splitlines()]
    file = tmp_path / "train.tsv"
    file.write_text("".join(f"{a}\t{b}\t{numbers[label]}\n" for a, b, label in rows))
    data, train = {"task": "similarity", "loss": "softmax"}, {"steps": 1}
    finetune(recipe(data=data, train=train), tmp_path / "run", encoder_path, str(file), str(file))
    (logged,) = [x["spearman"] for x in read_metrics(tmp_path / "run") if x["split"] == "eval"]
    found = evaluate(load(tmp_path / "run"), str(file)).metrics["spearman"]
    assert logged == pytest.approx(found, abs=1e-4)
    assert "the dev labels are spelled like the classes" in caplog.text


def test_pairs_that_teach_nothing_are_refused():
    with pytest.raises(InputError, match=r"two classes at least\. Received: 'neutral' alone"):
        SOFTMAX.adapted_to([PAIRS[0], PAIRS[3]])
    with pytest.raises(InputError, match="row 1 has no label"):
        SOFTMAX.adapted_to([pair(None)])
    single = TextExample("a", None, "neutral", "row 2")
    with pytest.raises(InputError, match="row 2 is a single text"):
        SOFTMAX.adapted_to(PAIRS).labels_of([single])


def test_settings_of_other_losses_are_refused():
    with pytest.raises(InputError, match=r"data\.matryoshka is for losses that compare vectors"):
        Similarity(loss="softmax", matryoshka=(8,))
    with pytest.raises(InputError, match=r"data\.ignore_labels is for data\.loss = 'softmax'"):
        Similarity(ignore_labels=("-",))


def test_a_row_without_a_class_is_refused_or_left_out(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a film\ta play\tsame\na film\ta bus\tother\na film\ta joke\t\n")
    with pytest.raises(InputError, match=r"row 3 has no class: .* data\.ignore_labels = \[''\]"):
        SOFTMAX.adapted_to(SOFTMAX.read(str(path)))
    task = Similarity(loss="softmax", ignore_labels=("",))
    assert task.adapted_to(task.read(str(path))).classes == ("other", "same")


def test_rows_of_a_class_may_be_left_out(pairs):
    examples = Similarity(loss="softmax", ignore_labels=("other",)).read(pairs[0])
    assert {example.label for example in examples} == {"same"}
