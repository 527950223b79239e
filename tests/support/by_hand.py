"""Our models beside the same in plain Keras: a functional model around an encoder."""

from typing import Any

import keras
import numpy as np

from bert_keras import BertEncoder
from bert_keras.modeling.inputs import SEQUENCES
from bert_keras.modeling.supervised import SupervisedModel

Data = dict[str, np.ndarray]
LABELS = ("no", "maybe", "yes")
Y = np.array([0, 2, 1, 1, 0, 2])  # of six texts
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 3.0, 1.0], np.float32)
CLASS_WEIGHTS = {0: 1.0, 1: 4.0, 2: 0.25}
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy


def by_hand(model: SupervisedModel, head: str = "classifier", scores: Any = None) -> keras.Model:
    """A functional model around a ``BertEncoder`` of its own, with the model's weights."""
    with_pooler = head == "classifier" and not model.token_outputs
    encoder = BertEncoder(model.config, with_pooler=with_pooler)
    encoder.set_weights(model.encoder.get_weights())
    given = {key: keras.Input((None,), dtype="int32", name=key) for key in SEQUENCES}
    hidden = encoder(given)["pooled_output" if with_pooler else "sequence_output"]
    dense = getattr(model, head).output_dense
    logits = keras.layers.Dense(dense.units, activation=scores)
    outputs = logits(hidden)
    logits.set_weights(dense.get_weights())
    return keras.Model(given, outputs)


def same_training(model: keras.Model, plain: keras.Model, *data: Any, **arguments: Any) -> Any:
    """Train both by SGD on the same, and compare losses, metrics and weights; the history."""
    runs = []
    for each in (model, plain):
        runs.append(each.fit(*data, shuffle=False, verbose=0, **arguments).history)
    ours, theirs = ({key: run[key] for key in run if key in runs[1]} for run in runs)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    for mine, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)
    return runs[0]


def sgd() -> keras.optimizers.SGD:
    return keras.optimizers.SGD(0.1)
