"""The outputs for whole batches, by a graph, on the devices where a model lies."""

from collections import defaultdict
from typing import Any

import tensorflow as tf

from bert_keras.objectives import Batch, is_tpu


class Forward:
    """The outputs of a model for a batch, dropout off.

    There is one graph for sequences [B, L] and one for windows [B, W, L]; TensorFlow would merge
    both to one of unknown rank.

    A TPU compiles a graph for every shape, which takes minutes. There a batch of fewer rows than
    usual is filled up with rows of zeros, which are padding, and the replicas share the rows.

    Args:
        model: A ``BertModel``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graphs: defaultdict[int, Any] = defaultdict(self._graph)

    def __call__(self, batch: Batch, rows: int = 0) -> Batch:
        """The outputs [B, ...] for the rows of the batch.

        Args:
            batch: Tensors or arrays [B, ...].
            rows: The rows that a TPU computes where the batch has fewer.
        """
        graph = self._graphs[len(batch["input_ids"].shape)]
        if not lies_on_tpu(self._model):
            outputs: Batch = graph(batch)
            return outputs
        strategy = self._model._distribute_strategy
        count, replicas = int(batch["input_ids"].shape[0]), strategy.num_replicas_in_sync
        share = -(-max(count, rows) // replicas)
        filled = {name: _filled(values, share * replicas) for name, values in batch.items()}

        def share_of(context: tf.distribute.experimental.ValueContext) -> Batch:
            first = context.replica_id_in_sync_group * share
            return {name: values[first : first + share] for name, values in filled.items()}

        found = graph(strategy.experimental_distribute_values_from_function(share_of))
        parts = {name: strategy.experimental_local_results(each) for name, each in found.items()}
        return {name: tf.concat(each, axis=0)[:count] for name, each in parts.items()}

    def _graph(self) -> Any:
        def outputs(batch: Batch) -> Batch:
            found: Batch = self._model(batch, training=False)
            return found

        if not lies_on_tpu(self._model):
            return tf.function(outputs, reduce_retracing=True)
        strategy = self._model._distribute_strategy
        return tf.function(lambda batch: strategy.run(outputs, args=(batch,)))


def lies_on_tpu(model: Any) -> bool:
    """Tell whether a ``BertModel`` was made in the scope of a TPU, and so needs static shapes."""
    return is_tpu(model._distribute_strategy)


def _filled(values: Any, rows: int) -> tf.Tensor:
    """Values [B, ...] with rows of zeros behind them."""
    values = tf.convert_to_tensor(values)
    missing = rows - values.shape[0]
    return tf.pad(values, [[0, missing], *[[0, 0]] * (values.shape.rank - 1)])
