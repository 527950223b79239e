"""Keras's habits beside training: adapters, freezing, cloning, a BERT inside another model."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForSequenceClassification,
    InputError,
    load,
    save,
)
from bert_keras.modeling.inputs import SEQUENCES
from bert_keras.saving.google import save_google

LABELS = ("no", "yes")
Y = np.array([0, 1, 1, 0])


@pytest.fixture
def model(plain_config: BertConfig) -> BertForSequenceClassification:
    return BertForSequenceClassification(plain_config, labels=LABELS)


def _train(model: BertForSequenceClassification, batch: dict[str, Any]) -> None:
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    model.fit(batch, Y, epochs=2, verbose=0)


def _add_adapters(model: keras.Model) -> int:
    dense = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense)]
    for layer in dense:
        layer.enable_lora(2)
    return len(dense)


def test_adapters_are_trained_alone_and_merged_into_every_kind_of_file(
    model: BertForSequenceClassification, batch: dict[str, Any], tmp_path: Path
) -> None:
    before = model(batch)["logits"].numpy()
    kernels = [layer._kernel.numpy() for layer in _dense(model)]
    assert _add_adapters(model) == 6
    _train(model, batch)
    for layer, kernel in zip(_dense(model), kernels, strict=True):
        np.testing.assert_array_equal(layer._kernel.numpy(), kernel)
    logits = model(batch)["logits"].numpy()
    assert abs(logits - before).max() > 0.1

    save(model, tmp_path / "hf")
    save(model, tmp_path / "model.keras")
    save_google(model, tmp_path / "google")
    for opened in (load(tmp_path / "hf"), load(tmp_path / "model.keras"), model.copy()):
        np.testing.assert_allclose(opened(batch)["logits"], logits, rtol=1e-4, atol=1e-5)
    encoder = load(tmp_path / "google", BertEncoder)
    np.testing.assert_allclose(
        encoder(batch)["pooled_output"], model.encoder(batch)["pooled_output"], rtol=1e-4, atol=1e-5
    )


def _dense(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense)]


def test_a_frozen_encoder_stays_frozen_and_the_optimizer_goes_on(
    model: BertForSequenceClassification, batch: dict[str, Any], tmp_path: Path
) -> None:
    model.encoder.trainable = False
    frozen = [weight.numpy() for weight in model.encoder.weights if "seeds" not in weight.path]
    _train(model, batch)
    now = [weight.numpy() for weight in model.encoder.weights if "seeds" not in weight.path]
    for before, after in zip(frozen, now, strict=True):
        np.testing.assert_array_equal(before, after)
    model.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras")
    assert len(opened.trainable_variables) == len(model.trainable_variables) == 2
    assert len(load(tmp_path / "model.keras").trainable_variables) == 2
    assert int(opened.optimizer.iterations) == 2
    for mine, other in zip(model.optimizer.variables, opened.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


def test_single_layers_may_be_frozen_and_thawed(model: BertForSequenceClassification) -> None:
    model.encoder.trainable = False
    model.encoder.transformer_layers[0].trainable = True
    for again in (keras.models.clone_model(model), model.copy()):
        paths = [variable.path for variable in again.trainable_variables]
        assert paths == [variable.path for variable in model.trainable_variables]
        assert any("layer_0" in path for path in paths)
        assert not any("embeddings" in path for path in paths)


def test_what_is_not_frozen_is_not_in_the_config(model: BertForSequenceClassification) -> None:
    assert "frozen" not in model.get_config()


_OPEN = """
import numpy, sys
{}
model = keras.models.load_model(sys.argv[1])
ids = numpy.array([[1, 5, 7, 0]], "int32")
print(float(model(dict(input_ids=ids, attention_mask=ids > 0))[0, 0]))
print(len(model.trainable_variables))
"""


@pytest.mark.system
@pytest.mark.parametrize(
    "imports",
    [
        "import keras, bert_keras",
        "import bert_keras, keras",
        "from bert_keras import InputError; import keras",
    ],
)
def test_a_model_with_an_encoder_in_it_opens_with_the_package_alone(
    plain_config: BertConfig, tmp_path: Path, imports: str
) -> None:
    encoder = BertEncoder(plain_config)
    encoder.trainable = False
    given = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("input_ids", "attention_mask")
    }
    outputs = keras.layers.Dense(1)(encoder(given)["pooled_output"])
    model = keras.Model(given, outputs)
    model.save(tmp_path / "own.keras")
    ids = np.array([[1, 5, 7, 0]], "int32")
    expected = float(model({"input_ids": ids, "attention_mask": ids > 0})[0, 0])
    found = subprocess.run(
        [sys.executable, "-c", _OPEN.format(imports), str(tmp_path / "own.keras")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    logit, trainable = found.stdout.split()
    assert float(logit) == pytest.approx(expected, rel=1e-5)
    assert trainable == "2"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("input_mask", "attention_mask"),
        ("padding_mask", "attention_mask"),
        ("segment_ids", "token_type_ids"),
        ("token_ids", "input_ids"),
        ("label", "labels"),
    ],
)
def test_other_libraries_keys_are_refused_with_our_name(
    model: BertForSequenceClassification, batch: dict[str, Any], theirs: str, ours: str
) -> None:
    renamed = {theirs if key == ours else key: value for key, value in batch.items()}
    renamed |= {theirs: Y} if ours == "labels" else {}
    with pytest.raises(InputError, match=f"'{theirs}' is called '{ours}' here"):
        model(renamed)


def test_positions_are_not_taken(
    model: BertForSequenceClassification, batch: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="'position_ids' is not taken"):
        model(batch | {"position_ids": batch["input_ids"]})


def test_ids_alone_and_ragged_ids_are_a_batch(
    model: BertForSequenceClassification, batch: dict[str, Any]
) -> None:
    ids = np.array([[2, 7, 9], [2, 5, 6]], "int32")
    expected = model({"input_ids": ids})["logits"]
    for same in (ids, tf.constant(ids)):
        np.testing.assert_array_equal(model(same)["logits"], expected)
    rows = [batch["input_ids"][row, : batch["attention_mask"][row].sum()] for row in range(4)]
    ragged = tf.ragged.constant([row.tolist() for row in rows], dtype=tf.int32)
    whole = {key: batch[key] for key in ("input_ids", "attention_mask")}
    np.testing.assert_allclose(model(ragged)["logits"], model(whole)["logits"], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a text"], "input_ids are numbers, which a tokenizer makes of a text"),
        (np.array(["a text"]), "input_ids are numbers"),
        ([np.ones((2, 3)), np.ones((2, 3))], "several arrays is a dictionary"),
        (np.array([2, 7, 9]), r"input_ids: a row for each text, \[B, L\]. Received: 1 dim"),
    ],
)
def test_what_is_not_a_batch_is_refused(
    model: BertForSequenceClassification, given: Any, message: str
) -> None:
    if isinstance(given, np.ndarray) or len(given) == 2:  # of lists of texts Keras tells itself
        with pytest.raises(InputError, match=message):
            model(given)
    if "row for" not in message:
        with pytest.raises(InputError, match=message):
            model.predict(given, verbose=0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_ids_and_labels_that_do_not_exist_are_refused_before_anything_is_computed(
    model: BertForSequenceClassification, batch: dict[str, Any], jit_compile: bool
) -> None:
    model.compile(jit_compile=jit_compile)
    with pytest.raises(InputError, match="input_ids: 50 is not from 0 to 49"):
        model.fit(batch | {"input_ids": np.full((4, 12), 50, "int32")}, Y)
    with pytest.raises(InputError, match="input_ids: -1 is not"):
        model({"input_ids": np.array([[-1]])})
    with pytest.raises(InputError, match="y: 2 is not from 0 to 1"):
        model.fit(batch, np.array([0, 1, 2, -100]))
    with pytest.raises(InputError, match="labels: 7 is not from 0 to 1"):
        model.evaluate(batch | {"labels": np.array([0, 1, 7, 0])})


def test_ragged_ids_that_do_not_exist_are_refused(model: BertForSequenceClassification) -> None:
    ids = tf.ragged.constant([[2, 7, 9], [2, 50]])
    model.compile()
    for refused in (model, model.predict, lambda ids: model.fit(ids, Y[:2])):
        with pytest.raises(InputError, match="input_ids: 50 is not from 0 to 49"):
            refused(ids)


@pytest.mark.parametrize("how", [{"mode": "int8"}, {"mode": "float8", "type_check": False}])
def test_quantization_by_keras_is_refused_as_it_changes_nothing(
    model: BertForSequenceClassification, how: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="export_tflite with quantize='dynamic' or 'int8'"):
        model.quantize(**how)


@pytest.mark.parametrize("policy", ["int8_from_float32", "float8_from_mixed_bfloat16"])
def test_policies_of_quantized_weights_are_refused(plain_config: BertConfig, policy: str) -> None:
    with pytest.raises(InputError, match=f"dtype='{policy}': Keras does not quantize these"):
        BertForSequenceClassification(plain_config, dtype=policy)


def test_no_seed_is_one_of_keras(plain_config: BertConfig) -> None:
    drawn = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        model = BertForSequenceClassification(plain_config, seed=None)
        drawn.append(model.classifier.output_dense.kernel.numpy())
        assert BertForSequenceClassification.from_config(model.get_config()).seed == model.seed
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.system
def test_a_trained_model_is_exported_by_keras(
    model: BertForSequenceClassification, batch: dict[str, Any], tmp_path: Path
) -> None:
    _train(model, batch)
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported")
    given = {key: tf.constant(batch[key]) for key in SEQUENCES}
    np.testing.assert_allclose(
        served.serve(given)["logits"], model(given)["logits"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("packed", [False, True])
def test_embeddings_stand_for_the_words_of_the_table(
    config: BertConfig, batch: dict[str, Any], packed: bool
) -> None:
    encoder = BertEncoder(config, packed=packed)
    table = encoder.embeddings.word_embeddings.numpy()
    given = {key: batch[key] for key in SEQUENCES}
    vectors = {"inputs_embeds": table[given.pop("input_ids")], **given}
    expected = encoder({key: batch[key] for key in SEQUENCES})
    for name, value in encoder(vectors).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
    with tf.GradientTape() as tape:
        words = tf.constant(vectors["inputs_embeds"])
        tape.watch(words)
        pooled = encoder(vectors | {"inputs_embeds": words})["pooled_output"]
    gradient = tape.gradient(pooled, words).numpy()
    is_padding = given["attention_mask"] == 0
    assert abs(gradient[~is_padding]).min(-1).max() > 0
    assert not gradient[is_padding].any()


@pytest.mark.parametrize("keys", [(), ("input_ids", "inputs_embeds")])
def test_a_batch_has_ids_or_embeddings(config: BertConfig, keys: tuple[str, ...]) -> None:
    values = {"input_ids": np.ones((1, 2), "int32"), "inputs_embeds": np.ones((1, 2, 16))}
    batch = {"attention_mask": np.ones((1, 2), "int32")} | {key: values[key] for key in keys}
    with pytest.raises(InputError, match="has input_ids, or inputs_embeds in their place"):
        BertEncoder(config)(batch)
