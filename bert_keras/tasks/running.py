"""One pass of a model over features."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import Means, mean_values
from bert_keras.tasks.batches import ordered_batches
from bert_keras.tasks.feature import Feature

Advance = Callable[[int, int], None]
Outputs = dict[str, np.ndarray]


def run_model(
    model: BertModel,
    features: Sequence[Feature],
    batch_size: int = 32,
    on_progress: Advance | None = None,
) -> tuple[list[Outputs], dict[str, float]]:
    """The outputs for each feature and, where they have targets, the model's mean loss.

    Returns:
        For each feature its outputs in float32, those for tokens without padding; and the means
        of the model's objective over all features.
    """
    if not features:
        return [], {}
    most = max(len(feature.window_ends) for feature in features)  # sequences in a row
    batch_size = max(1, batch_size // max(1, most))
    batches, order = ordered_batches(features, batch_size, model.tokenizer_or().pad_id)
    rows: list[Outputs] = []
    means: list[Means] = []
    has_targets = bool(features[0].targets or features[0].token_targets)
    for batch in batches:
        outputs = model.forward(batch)
        if has_targets:
            means.append(model.objective.measure(batch, outputs))
        lengths = tf.reduce_sum(batch["attention_mask"], axis=1).numpy().tolist()
        rows += _rows(outputs, lengths, model.token_outputs)
        if on_progress:
            on_progress(len(rows), len(features))
    in_order: list[Outputs] = [{}] * len(features)
    for number, row in zip(order, rows, strict=True):
        in_order[number] = row
    return in_order, mean_values(means)


def _rows(
    outputs: dict[str, tf.Tensor], lengths: Sequence[int], for_tokens: Sequence[str]
) -> list[Outputs]:
    """The outputs of each sequence of a batch."""
    arrays = {name: tf.cast(value, tf.float32).numpy() for name, value in outputs.items()}
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise InputError("the model's answers are not finite numbers: its training went wrong")
    return [
        {name: a[row, :length] if name in for_tokens else a[row] for name, a in arrays.items()}
        for row, length in enumerate(lengths)
    ]
