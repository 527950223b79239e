"""Checkpoints that TF Model Garden's own code writes (`make parity-garden`)."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import BertEncoder, BertForMaskedLM, BertForPreTraining
from bert_keras.errors import InputError

pytest.importorskip("official.nlp.modeling")
import tf_keras
from official.modeling import hyperparams, tf_utils
from official.nlp.configs import bert, encoders
from official.nlp.modeling import layers, models

from tests.support.batches import sequences

pytestmark = [pytest.mark.parity_garden, pytest.mark.filterwarnings("ignore")]

H = 18
ENCODER = {
    "vocab_size": 50,
    "hidden_size": H,
    "num_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
}
HEAD = {"inner_dim": H, "num_classes": 2, "dropout_rate": 0.1, "name": "next_sentence"}


@dataclasses.dataclass
class Task(hyperparams.Config):  # type: ignore[misc]
    model: bert.PretrainerConfig = dataclasses.field(default_factory=bert.PretrainerConfig)


@dataclasses.dataclass
class Experiment(hyperparams.Config):  # type: ignore[misc]
    """The part of a run's parameters that says what its model is."""

    task: Task = dataclasses.field(default_factory=Task)


def _experiment(kind: str, **encoder: Any) -> Experiment:
    experiment = Experiment()
    parts = {"encoder": {"type": kind, kind: ENCODER | encoder}, "cls_heads": [HEAD]}
    experiment.override({"task": {"model": parts}})
    return experiment


def _pretrainer(config: bert.PretrainerConfig, with_head: bool = True) -> Any:
    """What the garden's MaskedLMTask builds, none of whose weights is 0 or 1."""
    heads = [layers.ClassificationHead(**head.as_dict()) for head in config.cls_heads]
    model = models.BertPretrainerV2(
        encoder_network=encoders.build_encoder(config.encoder),
        mlm_activation=tf_utils.get_activation(config.mlm_activation),
        classification_heads=heads if with_head else [],
    )
    model(model.inputs)
    _randomize(model)
    return model


def _randomize(model: Any) -> None:
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight + draw.normal(size=weight.shape) * 0.1)


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    positions = np.array([[0, 3], [0, 0], [4, 1]], "int32")
    return sequences((9, 1, 5), 9, 50) | {"masked_lm_positions": positions}


def _theirs(model: Any, batch: dict[str, np.ndarray]) -> Any:
    fed = {
        "input_word_ids": batch["input_ids"],
        "input_mask": batch["attention_mask"],
        "input_type_ids": batch["token_type_ids"],
    }
    if hasattr(model, "masked_lm"):
        fed["masked_lm_positions"] = batch["masked_lm_positions"]
    return model(fed, training=False)


def _save_run(model: Any, folder: Path, experiment: Experiment) -> None:
    """As the garden's trainer: the model, its parts by name, optimizer, step, parameters."""
    optimizer = tf_keras.optimizers.legacy.Adam()
    gradients = [tf.ones_like(weight) for weight in model.trainable_weights]
    optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    checkpoint = tf.train.Checkpoint(
        global_step=tf.Variable(7, dtype=tf.int64),
        model=model,
        optimizer=optimizer,
        **model.checkpoint_items,
    )
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2)
    for step in (1, 2):
        manager.save(step)
    hyperparams.save_params_dict_to_yaml(experiment, str(folder / "params.yaml"))


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_training_run_gives_the_same_masked_words_and_next_sentences(
    kind: str, activation: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    experiment = _experiment(kind, hidden_activation=activation)
    experiment.override({"task": {"model": {"mlm_activation": activation}}})
    pretrainer = _pretrainer(experiment.task.model)
    _save_run(pretrainer, tmp_path, experiment)
    model = bert_keras.load(tmp_path)
    assert type(model) is BertForPreTraining
    assert len(model.report.left_out) == 2  # the encoder's own pooler
    ours, theirs = model(batch), _theirs(pretrainer, batch)
    for name, output in ("masked_lm_logits", "mlm_logits"), ("next_sentence_logits", HEAD["name"]):
        np.testing.assert_allclose(ours[name], theirs[output], atol=1e-5, err_msg=name)
    tokens = model.encoder(batch)["sequence_output"].numpy()
    keep = batch["attention_mask"] == 1
    np.testing.assert_allclose(tokens[keep], theirs["sequence_output"].numpy()[keep], atol=1e-5)

    bert_keras.save(model, tmp_path / "ours")
    again = bert_keras.load(tmp_path / "ours")(batch)
    for name, output in ours.items():
        np.testing.assert_array_equal(again[name], output)


@pytest.mark.parametrize("item", ["encoder", "model"])
@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_encoder_alone_gives_the_same_outputs(
    kind: str, item: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    encoder = encoders.build_encoder(_experiment(kind).task.model.encoder)
    if kind == "bert_v2":
        encoder(encoder.inputs)
    _randomize(encoder)
    tf.train.Checkpoint(**{item: encoder}).write(str(tmp_path / "bert_model.ckpt"))
    _write_google_config(tmp_path)
    model = bert_keras.load(tmp_path)
    assert type(model) is BertEncoder
    ours, theirs = model(batch), _theirs(encoder, batch)
    keep = batch["attention_mask"] == 1
    for name, rows in ("sequence_output", keep), ("pooled_output", slice(None)):
        np.testing.assert_allclose(ours[name].numpy()[rows], theirs[name].numpy()[rows], atol=1e-5)


@pytest.mark.parametrize("way", ["converter", "weights"])
def test_pretrainer_without_classification_head_is_a_masked_lm(
    way: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """As the garden's converter writes Google's models, and as Keras writes weights."""
    pretrainer = _pretrainer(_experiment("bert").task.model, with_head=False)
    if way == "converter":
        items = pretrainer.checkpoint_items | {"encoder": pretrainer.encoder_network}
        tf.train.Checkpoint(**items).save(str(tmp_path / "bert_model.ckpt"))
    else:
        pretrainer.save_weights(str(tmp_path / "weights"))
    _write_google_config(tmp_path)
    model = bert_keras.load(tmp_path)
    assert type(model) is BertForMaskedLM
    theirs = _theirs(pretrainer, batch)["mlm_logits"]
    np.testing.assert_allclose(model(batch)["masked_lm_logits"], theirs, atol=1e-5)


def test_head_that_scores_every_token_is_refused(tmp_path: Path) -> None:
    experiment = _experiment("bert")
    experiment.task.model.cls_heads[0].inner_dim = 0
    model = models.BertPretrainerV2(
        encoder_network=encoders.build_encoder(experiment.task.model.encoder),
        classification_heads=[layers.ClassificationHead(inner_dim=0, num_classes=2)],
    )
    model(model.inputs)
    tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt"))
    _write_google_config(tmp_path)
    with pytest.raises(InputError, match="a head without a pooler"):
        bert_keras.load(tmp_path)


def _write_google_config(folder: Path) -> None:
    config = {
        "vocab_size": 50,
        "hidden_size": H,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 24,
        "hidden_act": "gelu",
        "max_position_embeddings": 12,
        "type_vocab_size": 2,
    }
    (folder / "bert_config.json").write_text(json.dumps(config))
