from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras import BertConfig, BertEncoder
from bert_keras.arithmetic import Arithmetic
from bert_keras.errors import InputError
from tests.support.batches import pretraining_batch

Batch = dict[str, Any]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(params=[False, True], ids=["padded", "packed"])
def encoder(request: pytest.FixtureRequest, config: BertConfig) -> BertEncoder:
    return BertEncoder(config, seed=1, packed=request.param)


def test_outputs_are_named_and_shaped_as_promised(encoder: BertEncoder, batch: Batch) -> None:
    outputs = encoder(batch)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "sequence_output": (4, 12, 16),
        "pooled_output": (4, 16),
    }


def test_padded_equals_packed_on_real_tokens(config: BertConfig, batch: Batch) -> None:
    padded, packed = (BertEncoder(config, seed=1, packed=packed)(batch) for packed in (False, True))
    is_real = batch["attention_mask"] == 1
    np.testing.assert_allclose(
        padded["sequence_output"][is_real], packed["sequence_output"][is_real], atol=1e-6
    )
    np.testing.assert_allclose(padded["pooled_output"], packed["pooled_output"], atol=1e-6)


def test_packed_output_is_zero_at_padding(config: BertConfig, batch: Batch) -> None:
    output = BertEncoder(config, packed=True)(batch)["sequence_output"].numpy()
    assert np.abs(output[batch["attention_mask"] == 0]).max() == 0


def test_padding_does_not_change_what_real_tokens_give(encoder: BertEncoder, batch: Batch) -> None:
    """Row 2 has 5 tokens: alone, cut to 5, it must come out the same."""
    alone = encoder({name: batch[name][2:3, :5] for name in INPUTS})
    together = encoder(batch)
    np.testing.assert_allclose(
        alone["sequence_output"][0], together["sequence_output"][2, :5], atol=1e-6
    )
    np.testing.assert_allclose(alone["pooled_output"][0], together["pooled_output"][2], atol=1e-6)


def test_row_of_padding_alone_gives_no_nan(encoder: BertEncoder, batch: Batch) -> None:
    outputs = encoder(pretraining_batch((12, 0, 5)))
    assert all(np.isfinite(output).all() for output in outputs.values())
    nothing = encoder(batch | {"attention_mask": np.zeros((4, 12), "int32")})
    assert all(np.isfinite(output).all() for output in nothing.values())


def test_mask_and_types_have_defaults(encoder: BertEncoder, batch: Batch) -> None:
    ids = batch["input_ids"]
    spelled = {"attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    np.testing.assert_array_equal(
        encoder({"input_ids": ids})["sequence_output"],
        encoder({"input_ids": ids, **spelled})["sequence_output"],
    )


def test_int64_inputs_give_the_same(encoder: BertEncoder, batch: Batch) -> None:
    wide = {name: batch[name].astype("int64") for name in INPUTS}
    np.testing.assert_array_equal(encoder(wide)["pooled_output"], encoder(batch)["pooled_output"])


def test_sequence_beyond_the_positions_is_refused_in_one_sentence(encoder: BertEncoder) -> None:
    with pytest.raises(ValueError, match=r"the model's 16 positions.*\(2, 17\)"):
        encoder({"input_ids": np.ones((2, 17), "int32")})


def test_longest_sequence_that_the_positions_allow_works(encoder: BertEncoder) -> None:
    assert encoder({"input_ids": np.ones((2, 16), "int32")})["pooled_output"].shape == (2, 16)


@pytest.mark.parametrize(("packed", "length"), [(False, 12), (True, None)])
def test_functional_model_can_be_built_saved_and_loaded(
    packed: bool, length: int | None, config: BertConfig, batch: Batch, tmp_path: Path
) -> None:
    encoder = BertEncoder(replace(config, num_hidden_layers=1), packed=packed)
    inputs = {name: keras.Input((length,), dtype="int32", name=name) for name in INPUTS}
    model = keras.Model(inputs, encoder(inputs)["pooled_output"])
    assert model.output.shape == (None, 16)
    fed = {name: batch[name] for name in INPUTS}
    np.testing.assert_allclose(model(fed), encoder(batch)["pooled_output"], atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(fed), encoder(batch)["pooled_output"], atol=1e-6)


def test_without_pooler_there_is_no_pooled_output(config: BertConfig, batch: Batch) -> None:
    encoder = BertEncoder(config, with_pooler=False)
    assert set(encoder(batch)) == {"sequence_output"}
    assert not [weight.path for weight in encoder.weights if "pooler" in weight.path]
    assert BertEncoder.from_config(encoder.get_config()).pooler is None


def test_dropout_is_off_unless_training(encoder: BertEncoder, batch: Batch) -> None:
    first, second = (encoder(batch)["sequence_output"].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    trained = encoder(batch, training=True)["sequence_output"].numpy()
    assert np.abs(first - trained).max() > 0.01


def test_dropout_differs_from_step_to_step_and_repeats_from_the_same_step(
    encoder: BertEncoder, batch: Batch
) -> None:
    first, second = (encoder(batch, training=True)["pooled_output"].numpy() for _ in range(2))
    assert np.abs(first - second).max() > 0.01
    assert int(encoder.dropout_seeds.step) == 2
    encoder.dropout_seeds.step.assign(0)
    graph = tf.function(lambda batch: encoder(batch, training=True)["pooled_output"])
    np.testing.assert_allclose(graph(batch), first, atol=1e-6)
    np.testing.assert_allclose(graph(batch), second, atol=1e-6)


def test_a_given_seed_draws_the_masks_that_the_counter_would(
    encoder: BertEncoder, batch: Batch
) -> None:
    seed = tf.constant([7, 0], tf.int64)
    given = encoder(batch, training=True, dropout_seed=seed)["sequence_output"]
    encoder.dropout_seeds.step.assign(7)
    np.testing.assert_array_equal(given, encoder(batch, training=True)["sequence_output"])


def test_layers_are_initialized_apart(config: BertConfig) -> None:
    encoder = BertEncoder(config)
    kernels = [layer.attention.query_key_value.kernel for layer in encoder.transformer_layers]
    assert not np.array_equal(kernels[0], kernels[1])


def test_initial_weights_follow_the_paper() -> None:
    encoder = BertEncoder(BertConfig.from_preset("tiny", vocab_size=5000))
    for weight in encoder.trainable_weights:
        values = weight.numpy()
        if weight.name in ("bias", "beta"):
            assert np.abs(values).max() == 0
        elif weight.name == "gamma":
            assert np.abs(values - 1).max() == 0
        else:
            assert np.abs(values).max() <= 0.04
            # Cut at two sigma, a normal distribution keeps 0.8796 of its deviation.
            assert abs(values.std() / (0.02 * 0.8796) - 1) < 5 / (2 * values.size) ** 0.5


def test_weights_are_as_many_as_published() -> None:
    encoder = BertEncoder(BertConfig.from_preset("tiny"))
    # google/bert_uncased_L-2_H-128_A-2
    assert sum(int(np.prod(weight.shape)) for weight in encoder.trainable_weights) == 4_385_920


def test_padded_model_compiles_with_xla(config: BertConfig, batch: Batch) -> None:
    encoder = BertEncoder(replace(config, num_hidden_layers=1))
    compiled = tf.function(encoder, jit_compile=True)({name: batch[name] for name in INPUTS})
    eager = encoder(batch)
    for name in eager:
        np.testing.assert_allclose(compiled[name], eager[name], atol=1e-5)


class TestCollecting:
    """What explanations and distillation need."""

    COLLECT = ("hidden_states", "attentions")

    def test_hidden_states_are_those_of_encoders_of_fewer_layers(
        self, encoder: BertEncoder, config: BertConfig, batch: Batch
    ) -> None:
        found = encoder(batch, collect=["hidden_states"])
        assert "attentions" not in found
        assert len(found["hidden_states"]) == config.num_hidden_layers + 1
        np.testing.assert_array_equal(found["hidden_states"][-1], found["sequence_output"])
        is_real = batch["attention_mask"] == 1
        for layers in range(1, config.num_hidden_layers):
            shorter = BertEncoder(replace(config, num_hidden_layers=layers), packed=encoder.packed)
            weights = {weight.path: weight for weight in encoder.weights}
            for weight in shorter.weights:
                weight.assign(weights[weight.path])
            expected = shorter(batch)["sequence_output"].numpy()
            given = found["hidden_states"][layers].numpy()
            np.testing.assert_allclose(given[is_real], expected[is_real], atol=1e-6)

    def test_the_first_hidden_state_is_the_embeddings(
        self, encoder: BertEncoder, batch: Batch
    ) -> None:
        words, positions, types = (
            getattr(encoder.embeddings, f"{name}_embeddings").numpy()
            for name in ("word", "position", "token_type")
        )
        summed = words[batch["input_ids"]] + positions[:12] + types[batch["token_type_ids"]]
        mean, variance = summed.mean(-1, keepdims=True), summed.var(-1, keepdims=True)
        is_real = batch["attention_mask"] == 1
        given = encoder(batch, collect=["hidden_states"])["hidden_states"][0].numpy()
        expected = (summed - mean) / np.sqrt(variance)
        np.testing.assert_allclose(given[is_real], expected[is_real], atol=1e-5)

    def test_attentions_are_shares_of_the_real_tokens(
        self, encoder: BertEncoder, config: BertConfig, batch: Batch
    ) -> None:
        found = encoder(batch, collect=self.COLLECT)["attentions"]
        assert len(found) == config.num_hidden_layers
        is_real = batch["attention_mask"] == 1
        for weights in found:
            assert weights.shape == (4, 2, 12, 12)
            of_real = weights.numpy().transpose(0, 2, 1, 3)[is_real]
            np.testing.assert_allclose(of_real.sum(-1), 1.0, atol=1e-5)
            for row in range(4):
                assert np.abs(weights.numpy()[row][:, :, ~is_real[row]]).max(initial=0) == 0

    def test_packed_all_is_zero_at_padding_and_else_as_padded(
        self, config: BertConfig, batch: Batch
    ) -> None:
        padded, packed = (
            BertEncoder(config, seed=1, packed=packed)(batch, collect=self.COLLECT)
            for packed in (False, True)
        )
        is_real = batch["attention_mask"] == 1
        for name, axis in (("hidden_states", 1), ("attentions", 2)):
            for one, other in zip(padded[name], packed[name], strict=True):
                one, other = (np.moveaxis(x.numpy(), axis, 1) for x in (one, other))
                np.testing.assert_allclose(one[is_real], other[is_real], atol=1e-5)
                assert np.abs(other[~is_real]).max() == 0

    def test_a_rematerialized_encoder_hands_out_the_same_and_their_gradients(
        self, config: BertConfig, batch: Batch
    ) -> None:
        def results(arithmetic: Arithmetic) -> list[tf.Tensor]:
            encoder = BertEncoder(config, seed=1, arithmetic=arithmetic)
            with tf.GradientTape() as tape:
                found = encoder(batch, training=True, collect=self.COLLECT)
                parts = [*found["hidden_states"], *found["attentions"]]
                loss = tf.add_n([tf.reduce_sum(part**2) for part in parts])
            kernel = encoder.transformer_layers[0].attention.query_key_value.kernel
            return [*parts, tape.gradient(loss, kernel)]

        for kept, again in zip(
            results(Arithmetic()), results(Arithmetic(rematerialize=True)), strict=True
        ):
            np.testing.assert_allclose(kept, again, rtol=1e-5, atol=1e-5)

    def test_what_there_is_not_is_refused(self, encoder: BertEncoder, batch: Batch) -> None:
        with pytest.raises(InputError, match=r"hidden_states, attentions. Received: attention"):
            encoder(batch, collect=["attention"])
