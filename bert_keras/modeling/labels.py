"""Labels and weights in the ways that Keras's ``fit`` takes them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError, listed
from bert_keras.modeling.inputs import check_range
from bert_keras.objectives import IGNORED_LABEL, Batch


class Labelled:
    """What a model says of its labels, and how they reach its objective.

    Attributes:
        label_keys: The batch's keys of the labels, by the output that they are for; empty where
            Keras's arguments for labels have no meaning.
    """

    label_keys: ClassVar[dict[str, str]] = {}
    config: BertConfig
    labels: tuple[str, ...]
    token_outputs: tuple[str, ...] = ()  # the outputs that have a value for each token

    @property
    def score_function(self) -> str:
        """What makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or ``"none"``."""
        return "softmax"

    def targets(self, batch: Batch) -> Any:
        """The labels as Keras's losses take them: one array, or a dictionary by output."""
        labels = {output: batch[key] for output, key in self.label_keys.items()}
        return labels if len(labels) > 1 else next(iter(labels.values()))

    def labelled_batch(self, x: Any, y: Any) -> Batch:
        """The batch with its labels under their keys."""
        if y is None:
            missing = [key for key in self.label_keys.values() if key not in x]
            if missing:
                raise InputError(
                    f"{type(self).__name__} is trained on {listed(missing)}, which the data lack; "
                    "give them in the batch or as y"
                )
            return x
        self.refuse_without_labels("y")
        keys = list(self.label_keys.values())
        twice = [key for key in keys if key in x]
        if twice:
            raise InputError(
                f"{listed(twice)}: the labels are in the batch and in y; leave one out"
            )
        if not isinstance(y, Mapping):
            given = y if isinstance(y, tuple | list) else [y]
            y = dict(zip([*keys, *range(len(given))], given, strict=False))
        by_key = {self.label_keys.get(name, name): values for name, values in y.items()}
        if by_key.keys() != set(keys):
            raise InputError(
                f"y: {type(self).__name__} takes {listed(keys)}. Received {len(y)} of other names "
                "or another number"
            )
        return {**x, **{key: self._numbers(values) for key, values in by_key.items()}}

    def _numbers(self, labels: Any) -> tf.Tensor:
        """Labels of texts [B], where Keras's habits allow [B, 1] too."""
        labels = tf.convert_to_tensor(labels)
        is_column = labels.shape.rank == 2 and labels.shape[1] == 1
        if is_column and self.score_function == "softmax" and not self.token_outputs:
            return tf.squeeze(labels, 1)
        return labels

    def labelled(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Data, labels and weights of each as Keras takes them, class weights among the latter."""
        for name, value in (
            ("y", y),
            ("sample_weight", sample_weight),
            ("class_weight", class_weight),
        ):
            if value is not None:
                self.refuse_without_labels(name)
        self.check_numbers(x, y)
        if class_weight is None and sample_weight is None:
            return x, y, None
        if class_weight is not None and sample_weight is not None:
            raise InputError("sample_weight and class_weight: Keras takes one of them; multiply")
        if isinstance(x, tf.data.Dataset):
            if sample_weight is not None:
                raise InputError("sample_weight: a data set brings its own: (x, y, sample_weight)")
            table = self.class_weights(class_weight)
            return x.map(lambda *data: self._weighted(data, table)), None, None
        if y is None:
            x, y = self._split(x)
        if class_weight is not None:
            table = self.class_weights(class_weight)
            return x, y, np.asarray(self._weights_of(y, table))
        if np.ndim(sample_weight) == 1 and not isinstance(y, Mapping | tuple) and np.ndim(y) > 1:
            sample_weight = np.reshape(sample_weight, [-1, 1])  # one shape for each model
        return x, y, sample_weight

    def check_numbers(self, x: Any, y: Any) -> None:
        """Raise for ids and labels in arrays that the model does not have."""
        if not isinstance(x, Mapping):
            return
        check_range("input_ids", x.get("input_ids"), self.config.vocab_size)
        count = self.label_count(x)
        if count is not None:
            (key,) = self.label_keys.values()
            for name, values in ((key, x.get(key)), ("y", y)):
                check_range(name, values, count, IGNORED_LABEL)

    def label_count(self, x: Mapping[str, Any]) -> int | None:
        """The number of labels of a batch; None where they are not numbered, or it is not known."""
        is_numbered = self.score_function == "softmax" and hasattr(self, "labels")
        return len(self.labels) if is_numbered else None

    def _split(self, x: Any) -> tuple[Any, Any]:
        """The batch without its labels, and the labels."""
        if not isinstance(x, Mapping):
            raise InputError(
                "sample_weight and class_weight go with arrays or a tf.data.Dataset; let "
                f"{type(x).__name__} give (x, y, sample_weight)"
            )
        self.labelled_batch(x, None)
        keys = set(self.label_keys.values())
        return {key: x[key] for key in x.keys() - keys}, self.targets(dict(x))

    def _weighted(self, data: tuple[Any, ...], table: tf.Tensor) -> tuple[Any, Any, Any]:
        """An element of a data set with the weights of its labels."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise InputError(
                "class_weight: the data set has sample weights already; Keras takes one of them"
            )
        if y is None:
            x, y = self._split(x)
        return x, y, self._weights_of(y, table)

    def class_weights(self, class_weight: Mapping[Any, float]) -> tf.Tensor:
        """The weight of each label, float32 [labels]."""
        names = list(getattr(self, "labels", ()))
        if self.score_function != "softmax" or not names:
            raise InputError(
                f"class_weight: this {type(self).__name__} does not tell one label of several for "
                "each example; give sample_weight, one weight for each"
            )
        table = np.ones(len(names), np.float32)
        for key, weight in class_weight.items():
            number = names.index(key) if key in names else key
            if isinstance(number, bool | str) or number not in range(len(names)):
                raise InputError(
                    f"class_weight: no label {key!r}; the labels are {listed(names)}, numbered "
                    "from 0"
                )
            table[number] = weight
        return tf.constant(table)

    def _weights_of(self, labels: Any, table: tf.Tensor) -> tf.Tensor:
        """The weight of each label, of the labels' shape; of one-hot rows [B, labels], [B]."""
        numbers = tf.convert_to_tensor(labels)
        if numbers.dtype == tf.string:
            raise InputError(f"y: labels are numbers from 0. Received text: {labels!r:.80}")
        if numbers.shape.rank == 2 and not self.token_outputs and numbers.shape[1] > 1:
            numbers = tf.argmax(numbers, axis=-1)
        numbers = tf.cast(numbers, tf.int32)
        return tf.gather(table, tf.where(numbers == IGNORED_LABEL, 0, numbers))

    def refuse_without_labels(self, argument: str) -> None:
        """Raise where the model has no labels that Keras could hand over."""
        if not self.label_keys:
            raise InputError(
                f"{argument}: {type(self).__name__} takes none; it is trained on its own "
                "objective, with what its batches hold for it (masked words, next sentences). "
                "Leave it out, or override supervised_objective() in a class of your own"
            )
