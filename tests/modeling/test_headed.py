"""Encoders and heads as a model makes them."""

from typing import ClassVar

import keras
import numpy as np
import pytest

from bert_keras import BertConfig, BertEncoder
from bert_keras.arithmetic import XNNPACK
from bert_keras.modeling.headed import HeadedModel, make_encoders
from bert_keras.modeling.heads import Classifier, Pooler
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import SoftmaxCrossEntropy


class TwoHeads(HeadedModel):
    heads: ClassVar[dict[str, type]] = {"first": Classifier, "second": Classifier}
    with_pooler = False

    def head_arguments(self):
        return {"units": 3}

    def supervised_objective(self):
        return SoftmaxCrossEntropy("toy")


class NoEncoder(BertModel):
    pass


def paths(model):
    return [weight.path for weight in model.weights]


def test_heads_are_built_by_name_with_their_arguments_and_seeds_of_their_own(config: BertConfig):
    model = TwoHeads(config, seed=1)
    assert [head.units for head in (model.first, model.second)] == [3, 3]
    assert {"first/output/kernel", "second/output/bias"} <= set(paths(model))
    kernels = [head.output_dense.kernel.numpy() for head in (model.first, model.second)]
    assert not np.array_equal(*kernels)
    again = TwoHeads(config, seed=1)
    np.testing.assert_array_equal(again.first.output_dense.kernel, kernels[0])


@pytest.mark.parametrize("with_pooler", [True, False])
def test_the_encoder_has_a_pooler_if_the_class_says_so(with_pooler, config: BertConfig):
    pooled = type("Pooled", (TwoHeads,), {"with_pooler": with_pooler})(config)
    assert isinstance(pooled.encoder.pooler, Pooler) == with_pooler


def test_a_single_encoder_is_a_bert_encoder_of_the_model_s_own_seed(config: BertConfig):
    (encoder,) = make_encoders(NoEncoder(config, seed=3), "encoder")
    alone = BertEncoder(config, seed=3)
    assert paths(encoder) == paths(alone)
    for ours, expected in zip(encoder.weights, alone.weights, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_an_encoder_computes_as_its_model_is_told_to(config: BertConfig):
    arithmetic = XNNPACK()
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = NoEncoder(config, packed=True, arithmetic=arithmetic, initialize=False, dtype=policy)
    (encoder,) = make_encoders(model, "encoder")
    assert encoder.packed
    assert encoder.arithmetic is arithmetic
    assert encoder.dtype_policy.name == "mixed_bfloat16"
    assert not encoder.embeddings.word_embeddings.numpy().any()
