"""Keras's habits beside training: adapters, freezing, cloning, a BERT inside another model."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bert_keras import BertConfig, BertEncoder, BertForSequenceClassification, load, save
from bert_keras.saving.google import save_google

LABELS = ("no", "yes")
Y = np.array([0, 1, 1, 0])


@pytest.fixture
def model(plain_config: BertConfig) -> BertForSequenceClassification:
    return BertForSequenceClassification(plain_config, labels=LABELS)


def _train(model: BertForSequenceClassification, batch: dict[str, Any]) -> None:
    model.compile(keras.optimizers.Adam(0.05))
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
