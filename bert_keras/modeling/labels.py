"""Labels and weights in the ways that Keras's ``fit`` takes them."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError, listed
from bert_keras.modeling.inputs import (
    as_array,
    as_batch,
    as_mapping,
    check_finite,
    check_ids,
    check_range,
    check_share,
    check_whole,
    is_data_source,
    known_numbers,
)
from bert_keras.objectives import IGNORED_LABEL, Batch, SigmoidCrossEntropy, SupervisedObjective


class Labeled:
    """A model's labels, and the way from Keras's arguments to its objective.

    Attributes:
        label_keys: The batch's keys of the labels, by the output that they are for; empty where
            Keras's arguments for labels have no meaning.
    """

    label_keys: ClassVar[dict[str, str]] = {}
    config: BertConfig
    labels: tuple[str, ...]
    objective: SupervisedObjective
    loss: Any  # of ``compile``
    token_outputs: tuple[str, ...] = ()  # the outputs that have a value for each token

    @property
    def score_function(self) -> str:
        """The function from logits to probabilities: ``"softmax"``, ``"sigmoid"`` or ``"none"``."""
        return "softmax"

    def targets(self, batch: Batch) -> Any:
        """The labels as Keras's losses take them: one array, or a dictionary by output."""
        return self._as_keras_takes({out: batch[key] for out, key in self.label_keys.items()})

    def labeled_outputs(self, outputs: Mapping[str, Any]) -> Any:
        """The outputs that have labels, as ``targets`` gives these."""
        return self._as_keras_takes({name: outputs[name] for name in self.label_keys})

    def weights_by_output(self, weights: Any) -> Any:
        """Sample weights as Keras's losses take them: one array, or a dictionary by output."""
        if len(self.label_keys) == 1 or not (isinstance(weights, Mapping | tuple | list)):
            return weights
        by_key = self._by_key("sample_weight", weights)
        return {output: by_key[key] for output, key in self.label_keys.items()}

    def labeled_batch(self, x: Any, y: Any) -> Batch:
        """The batch with its labels under their keys."""
        batch = as_batch(x, self.config)
        if y is None:
            missing = [key for key in self.label_keys.values() if key not in batch]
            if missing:
                raise InputError(
                    f"{type(self).__name__} is trained on {listed(missing)}, which the data lack; "
                    "give them in the batch or as y"
                )
            return batch
        self.refuse_without_labels("y")
        twice = [key for key in self.label_keys.values() if key in batch]
        if twice:
            raise InputError(
                f"{listed(twice)}: the labels are in the batch and in y; leave one out"
            )
        labels = self._by_key("y", y)
        return batch | {key: self._numbers(values) for key, values in labels.items()}

    def _by_key(self, argument: str, given: Any) -> dict[str, Any]:
        """Arrays of labels, or of their weights, by the batch's keys of the labels.

        Args:
            argument: The argument's name, for messages.
            given: One array, several in the order of the keys, or a dictionary by the keys or by
                the outputs.
        """
        keys = list(self.label_keys.values())
        if not isinstance(given, Mapping):
            several = given if self._are_several(given) else [given]
            given = dict(zip([*keys, *range(len(several))], several, strict=False))
        by_key = {self.label_keys.get(name, name): values for name, values in given.items()}
        if by_key.keys() != set(keys):
            raise InputError(
                f"{argument}: {type(self).__name__} takes {listed(keys)}. Received: {len(given)} "
                "with other names, or another number of them"
            )
        return {key: by_key[key] for key in keys}

    def _are_several(self, given: Any) -> bool:
        """Tell whether these are arrays, one for each output, and not the rows of one."""
        if not isinstance(given, tuple | list):
            return False
        if any(tf.is_tensor(each) or len(getattr(each, "shape", ())) for each in given):
            return True
        is_each = 1 < len(given) == len(self.label_keys)
        return is_each and all(isinstance(each, tuple | list) for each in given)

    def _numbers(self, labels: Any) -> tf.Tensor:
        """Labels of texts [B], where Keras's habits allow [B, 1] too."""
        labels = tf.convert_to_tensor(labels)
        is_column = labels.shape.rank == 2 and labels.shape[1] == 1
        if is_column and self.score_function == "softmax" and not self._labels_tokens:
            return tf.squeeze(labels, 1)
        return labels

    @property
    def _labels_tokens(self) -> bool:
        """Tell whether each token has a label."""
        return bool(self.token_outputs) and hasattr(self, "labels")

    def labeled(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Data, labels and weights of each as Keras takes them, class weights among the latter."""
        given = {"y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        for name, value in given.items():
            if value is not None:
                self.refuse_without_labels(name)
        if class_weight is not None and sample_weight is not None:
            raise InputError(
                "sample_weight and class_weight: give one of them, multiplied by the other"
            )
        if is_data_source(x):
            return self._labeled_source(x, y, sample_weight, class_weight)
        x = {name: as_array(name, values) for name, values in as_mapping(x).items()}
        if y is not None:
            y = {key: as_array("y", values) for key, values in self._by_key("y", y).items()}
        self.check_numbers(x, y or {})
        weights = None
        if y is None and (class_weight is not None or sample_weight is not None):
            x, y = self._split(x)
        if class_weight is not None:
            table = self.class_weights(class_weight)
            weights = {key: np.array(self._weights_of(each, table)) for key, each in y.items()}
        elif sample_weight is not None:
            weights = self._sample_weights(sample_weight, y)
        return x, self._as_keras_takes(y), self._as_keras_takes(weights)

    def _labeled_source(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any
    ) -> tuple[Any, Any, Any]:
        """The result of ``labeled`` for a source that hands out batches itself."""
        if isinstance(x, tf.data.Dataset):
            if sample_weight is not None:
                raise InputError("sample_weight: a data set brings its own: (x, y, sample_weight)")
            if class_weight is not None:
                table = self.class_weights(class_weight)
                x = x.map(lambda *data: self._weighted(data, table))
        elif class_weight is not None or sample_weight is not None:
            raise InputError(
                "sample_weight and class_weight go with arrays or a tf.data.Dataset; let "
                f"{type(x).__name__} give (x, y, sample_weight)"
            )
        return x, y, None

    def _sample_weights(self, given: Any, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The weights by the labels' keys; one array is for all of them."""
        is_one = not (isinstance(given, Mapping) or self._are_several(given))
        by_key = dict.fromkeys(labels, given) if is_one else self._by_key("sample_weight", given)
        weights = {key: as_array("sample_weight", each) for key, each in by_key.items()}
        for key, each in weights.items():
            if not len(each.shape):
                raise InputError(
                    f"sample_weight: one number for each example, [B]. Received: {given!r:.60}"
                )
            check_finite("sample_weight", each)
            if len(each.shape) == 1 < len(labels[key].shape):  # one shape for each model
                weights[key] = tf.reshape(each, [-1, 1]).numpy()
        first, *others = weights.values()
        if self.loss is None and any(not np.array_equal(first, other) for other in others):
            raise InputError(
                f"sample_weight: the model's own loss takes one for each example, not for each of "
                f"{listed(list(weights))}; compile(loss=...) takes both"
            )
        return weights

    def check_numbers(self, x: Batch, y: Mapping[str, Any]) -> None:
        """Raise for ids and labels in arrays that the model does not have.

        Args:
            x: The batch, which may have labels.
            y: Labels given apart, by their keys.
        """
        check_ids(x, self.config)
        if self.loss is None:
            self.objective.check_labels(known_numbers(x.get("labels")))
        given = [(key, x[key]) for key in self.label_keys.values() if key in x]
        for name, values in [*given, *(("y", values) for values in y.values())]:
            check_finite(name, values)
            if self.loss is None and isinstance(self.objective, SigmoidCrossEntropy):
                check_share(name, values)
            if self.score_function != "softmax":
                continue
            if (count := self.label_count(x)) is not None:
                check_range(name, values, count, IGNORED_LABEL)
            rank = len(values.shape)
            is_one_hot = rank == 2 + self._labels_tokens and values.shape[-1] > 1
            if not is_one_hot:
                check_whole(name, values)
            if self._labels_tokens and "input_ids" in x:
                expected = tuple(x["input_ids"].shape)
                if rank < 2 or expected[1] not in (values.shape[1], None):
                    raise InputError(
                        f"{name}: one label for each token, of the shape of input_ids {expected}. "
                        f"Received: {tuple(values.shape)}"
                    )

    def label_count(self, x: Batch) -> int | None:
        """The number of labels of a batch; None where they are not numbered, or it is not known."""
        is_numbered = self.score_function == "softmax" and hasattr(self, "labels")
        return len(self.labels) if is_numbered else None

    def _split(self, x: Any) -> tuple[Batch, Batch]:
        """The batch without its labels, and the labels by their keys."""
        batch = self.labeled_batch(x, None)
        keys = self.label_keys.values()
        rest = {key: values for key, values in batch.items() if key not in keys}
        return rest, {key: batch[key] for key in keys}

    def _as_keras_takes(self, by_name: dict[str, Any] | None) -> Any:
        """Labels, logits or weights by name; the array itself of the only one."""
        if by_name is None or len(self.label_keys) > 1:
            return by_name
        return next(iter(by_name.values()))

    def _weighted(self, data: tuple[Any, ...], table: tf.Tensor) -> tuple[Any, Any, Any]:
        """An element of a data set with the weights of its labels."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise InputError(
                "class_weight: the data set has sample weights already; Keras takes one of them"
            )
        x, y = self._split(x) if y is None else (x, self._by_key("y", y))
        y = self._as_keras_takes(y)
        return x, y, self._weights_of(y, table)

    def class_weights(self, class_weight: Mapping[Any, float]) -> tf.Tensor:
        """The weight of each label, float32 [labels]."""
        names = list(getattr(self, "labels", ()))
        if self.score_function != "softmax" or not names:
            raise InputError(
                f"class_weight: this {type(self).__name__} does not choose one of several labels "
                "for each example; give sample_weight, one weight for each"
            )
        if not isinstance(class_weight, Mapping):
            raise InputError(
                "class_weight: a dictionary from labels to weights, such as "
                f"{{{names[0]!r}: 2.0}}. Received: {class_weight!r:.60}"
            )
        found: dict[int, float] = {}
        for key, weight in class_weight.items():
            number = names.index(key) if key in names else key
            if isinstance(number, bool | str) or number not in range(len(names)):
                raise InputError(
                    f"class_weight: no label {key!r}; the labels are {listed(names)}, numbered "
                    "from 0"
                )
            if int(number) in found:
                raise InputError(
                    f"class_weight: {names[int(number)]!r} has two weights, by name and by number"
                )
            if not isinstance(weight, Real) or not np.isfinite(float(weight)):
                raise InputError(f"class_weight: that of {key!r} must be a number, not {weight!r}")
            found[int(number)] = float(weight)
        return tf.constant([found.get(number, 1.0) for number in range(len(names))], tf.float32)

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
            keys = {"y": "labels", "sample_weight": "example_weights"}
            hint = f", as {keys[argument]!r}, if it reads any" if argument in keys else ""
            raise InputError(
                f"{argument}: {type(self).__name__} takes none; its objective, "
                f"{type(self.objective).__name__}, finds in the batch x what it needs{hint}. "
                "Leave it out, or override supervised_objective() in a class of your own"
            )
