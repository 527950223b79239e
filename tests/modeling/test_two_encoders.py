"""A model with two encoders, which is defined here alone: the package knows nothing of it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import AdamW, BertConfig, BertEncoder
from bert_keras.arithmetic import FewPasses
from bert_keras.config import ArithmeticConfig
from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.modeling.headed import make_encoders
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import SquaredError, SupervisedObjective, TrainStep
from bert_keras.tokenization import SPECIAL_TOKENS, BertTokenizer
from tests.support.models import NO_DROPOUT, small_config

Batch = dict[str, Any]


@keras.saving.register_keras_serializable(package="tests")
class Matcher(SupervisedModel):
    """How well a query goes with a document: the product of two encoders' first tokens."""

    def __init__(
        self, config: BertConfig, seed: int = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        self.query, self.document = make_encoders(self, "query", "document", with_pooler=False)
        self.build()

    def dropout_counter(self) -> DropoutSeeds:
        return self.query.dropout_counter()

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        seed = self.dropout_counter().for_call(training, dropout_seed)
        vectors = []
        for encoder, name in ((self.query, "input_ids"), (self.document, "document_ids")):
            tokens, layout, _ = encoder.encode({"input_ids": inputs[name]}, seed)
            vectors.append(layout.to_sequences(tokens)[:, 0])
        return {"logits": tf.reduce_mean(vectors[0] * vectors[1], axis=-1)}

    def supervised_objective(self) -> SupervisedObjective:
        return SquaredError("match")


@pytest.fixture(scope="module")
def config() -> BertConfig:
    sizes = {"intermediate_size": 24, "max_position_embeddings": 16}
    return small_config(50, 16, **sizes, initializer_range=0.2, **NO_DROPOUT)


@pytest.fixture(scope="module")
def batch() -> Batch:
    draw = np.random.default_rng(0)
    rows = {
        "input_ids": draw.integers(5, 50, (4, 6), dtype="int32"),
        "document_ids": draw.integers(5, 50, (4, 9), dtype="int32"),
        "labels": np.array([1, 0, 1, 0], "float32"),
    }
    return {name: tf.constant(values) for name, values in rows.items()}


@pytest.fixture
def matcher(config: BertConfig) -> Matcher:
    return Matcher(config, seed=1)


def test_every_variable_has_a_path_of_its_own_that_names_its_encoder(
    matcher: Matcher, config: BertConfig
) -> None:
    alone = {weight.path for weight in BertEncoder(config, with_pooler=False).weights}
    expected = {f"{name}/{path}" for name in ("query", "document") for path in alone}
    assert {weight.path for weight in matcher.weights} == expected
    assert len(matcher.weights) == len(expected)


def test_the_encoders_differ_and_follow_from_the_seed(config: BertConfig) -> None:
    one, same, other = (Matcher(config, seed=seed) for seed in (1, 1, 2))
    kernels = [
        encoder.transformer_layers[0].attention.query_key_value.kernel.numpy()
        for model in (one, other)
        for encoder in (model.query, model.document)
    ]
    for i, kernel in enumerate(kernels):
        assert not any(np.array_equal(kernel, before) for before in kernels[:i])
    for a, b in zip(one.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    sites = {encoder.embeddings.dropout_site for encoder in (one.query, one.document)}
    assert len(sites) == 2


@pytest.mark.system
def test_both_encoders_train_by_the_trainers_step(matcher: Matcher, batch: Batch) -> None:
    model = matcher.copy(arithmetic=FewPasses())
    optimizer = AdamW(1e-2)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    step = TrainStep(strategy, model, optimizer, model.objective, ArithmeticConfig())
    mask = {"attention_mask": tf.ones_like(batch["input_ids"])}
    losses = [float(step(batch | mask)["match_loss"].value()) for _ in range(8)]
    assert losses[-1] < losses[0] / 2
    for before, after in zip(matcher.trainable_weights, model.trainable_weights, strict=True):
        assert not np.array_equal(before, after)


@pytest.mark.system
def test_a_keras_file_brings_both_encoders_back_with_the_optimizer(
    matcher: Matcher, batch: Batch, tmp_path: Path
) -> None:
    matcher.compile(AdamW(1e-2))
    matcher.fit(tf.data.Dataset.from_tensors(batch).repeat(2), verbose=0)
    bert_keras.save(matcher, tmp_path / "m.keras", format="keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert type(loaded) is Matcher
    np.testing.assert_array_equal(loaded(batch)["logits"], matcher(batch)["logits"])
    for a, b in zip(loaded.optimizer.variables, matcher.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("format", ["huggingface", "google"])
def test_a_format_that_cannot_hold_it_says_so(
    format: str, matcher: Matcher, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="Matcher") as error:
        bert_keras.save(matcher, tmp_path / "m", format=format)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("export", [export_tflite, export_saved_model])
def test_an_export_that_does_not_know_it_says_so(
    export: Any, matcher: Matcher, tmp_path: Path
) -> None:
    letters = "abcdefghijklmnopqrstuvwxyzäöüßéèêáàâîôûçñ0123"
    tokenizer = BertTokenizer([*SPECIAL_TOKENS, *letters])
    assert tokenizer.vocab_size == matcher.config.vocab_size
    with pytest.raises(InputError, match="Matcher") as error:
        export(matcher, tokenizer, tmp_path / "m.tflite")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_opening_its_file_by_load_says_that_it_is_none_of_ours(
    matcher: Matcher, tmp_path: Path
) -> None:
    matcher.save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="Matcher"):
        bert_keras.load(tmp_path / "m.keras")
