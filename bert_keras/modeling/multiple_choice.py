"""BERT that chooses one of several continuations or answers (Devlin et al. 2019, section 4.4)."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling.headed import ClassifierModel
from bert_keras.modeling.inputs import EMBEDDINGS, as_batch, known_numbers, merged_rows
from bert_keras.objectives import IGNORED_LABEL, Batch, SoftmaxCrossEntropy, SupervisedObjective

_WORDS = ("input_ids", EMBEDDINGS)


@keras.saving.register_keras_serializable(package="bert_keras")
class BertForMultipleChoice(ClassifierModel):
    """BERT that scores every choice from its pooled output (section 4.4, on SWAG).

    ``input_ids``, ``attention_mask`` and ``token_type_ids`` are [B, C, L]: for each example C
    choices, each a sequence of its own. Returns ``logits`` [B, C], whose softmax over C is the
    probability of each choice. The batch's ``labels`` are int32 [B], the place of the right choice;
    the loss is the cross-entropy, and -100 is ignored.

    Where examples have fewer choices than C, those that are missing are masked: a choice whose
    ``attention_mask`` is 0 everywhere gets a logit so low that its softmax is 0. Ragged ids
    [B, (C), (L)] are padded and masked so. transformers' ``BertForMultipleChoice``, whose logits
    these are otherwise, has no such rule: there a missing choice competes with the others. A label
    that names a missing choice is refused where the labels are arrays; in a data set it shows as a
    loss of thousands.

    A label has no meaning but its place, so ``class_weight`` is refused. As in transformers the
    dense layer has a bias, which the paper's does not; the softmax takes it away again.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> model = BertForMultipleChoice(config)
        >>> ids = np.array([[[2, 7, 3], [2, 8, 3]], [[2, 9, 3], [0, 0, 0]]])
        >>> logits = model({"input_ids": ids, "attention_mask": np.sign(ids)})["logits"]
        >>> logits.shape, tf.nn.softmax(logits)[1].numpy().tolist()
        (TensorShape([2, 2]), [1.0, 0.0])
        >>> model.compile()
        >>> history = model.fit({"input_ids": ids[:1]}, np.array([1]), verbose=0)
    """

    needs_pairs = True
    fixed_units = 1
    input_axes = ("batch", "choices", "length")

    def call(
        self, inputs: Batch, training: bool = False, dropout_seed: tf.Tensor | None = None
    ) -> Batch:
        """The logits of the choices."""
        inputs = as_batch(inputs, self.config)
        self._check_axes(inputs)
        rows, shape = merged_rows(inputs)
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(rows, seed)
        scores = self.classifier(self.encoder.pool(tokens, layout), seed)
        is_missing = tf.cast(1 - tf.reduce_max(layout.attention_mask, axis=1), scores.dtype)
        logits = scores[:, 0] + is_missing * self.arithmetic.masked_score
        return {"logits": tf.reshape(logits, shape)}

    def _check_axes(self, inputs: Batch) -> None:
        """Raise where the ids are not those of several choices."""
        for name, more in zip(_WORDS, ((), ("hidden_size",)), strict=True):
            axes = (*self.input_axes, *more)
            values = inputs.get(name, ())
            shape = tuple(values.shape if hasattr(values, "shape") else np.shape(values))
            if name in inputs and len(shape) != len(axes):
                raise InputError(
                    f"{name} of a {type(self).__name__} are [{', '.join(axes)}]. Received: {shape}"
                )

    def label_count(self, x: Batch) -> int | None:
        """The choices of each example of a batch."""
        given = (known_numbers(x.get(name)) for name in _WORDS)
        words = next((values for values in given if values is not None), None)
        return None if words is None or words.ndim < 3 else words.shape[1]

    def check_numbers(self, x: Batch, y: Mapping[str, Any]) -> None:
        """Raise for ids and places that there are not, and for a right choice that is missing."""
        if isinstance(x.get("input_ids"), tf.RaggedTensor):
            x = as_batch(x, self.config)  # which says what is missing
        super().check_numbers(x, y)
        mask = known_numbers(x.get("attention_mask"))
        if mask is None or mask.ndim != 3 or self.label_count(x) is None:
            return
        is_there = np.max(mask, axis=-1) > 0
        given: dict[str, Any] = {"labels": x.get("labels"), "y": y.get("labels")}
        for name, labels in given.items():
            known = known_numbers(labels)
            places = np.ravel([] if known is None else known).astype(np.int64)
            if len(places) != len(is_there):  # unknown, or one-hot
                continue
            is_label = places != IGNORED_LABEL
            chosen = is_there[np.arange(len(places)), np.where(is_label, places, 0)]
            missing = np.flatnonzero(is_label & ~chosen)
            if missing.size:
                raise InputError(
                    f"{name}: example {missing[0]} has no choice {places[missing[0]]}; its "
                    "attention_mask is 0 there"
                )

    def class_weights(self, class_weight: Mapping[Any, float]) -> tf.Tensor:
        """Refuse them.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"class_weight: a label of a {type(self).__name__} is the place of the right choice, "
            "and no class; give sample_weight, one weight for each example"
        )

    def supervised_objective(self) -> SupervisedObjective:
        """The loss in nats and the share of right choices."""
        return SoftmaxCrossEntropy("choice", arithmetic=self.arithmetic)
