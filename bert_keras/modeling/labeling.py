"""The base of the models whose head gives every label a score: names of labels, a decision."""

import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.decision import BARE, Decision
from bert_keras.modeling.headed import ClassifierModel

_logger = logging.getLogger("bert_keras")


def label_names(labels: int | Sequence[str]) -> tuple[str, ...]:
    """The names of labels; a number gives ``LABEL_0`` and so on, that many.

    Raises:
        InputError: When there is no label or a name is repeated.
    """
    names = tuple(f"LABEL_{i}" for i in range(labels)) if isinstance(labels, int) else tuple(labels)
    if not names or len(set(names)) < len(names):
        raise InputError(f"labels must be one or more different names. Received: {labels!r}")
    return names


class LabelingModel(ClassifierModel):
    """The base of the models whose head gives every label a score.

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only.
        labels: The labels' names in the order of their numbers, or how many there are.
        classifier_dropout: The share of the head's input that is dropped in training; ``None``
            takes ``hidden_dropout_prob``.
        decision: What probabilities and labels are made by, or its values by ``to_values``;
            ``None`` is a temperature of 1 and thresholds of 0.5.
        **kwargs: Arguments of ``keras.Model``.

    Attributes:
        problem_type: What its labels are; of tokens one of several each.
    """

    problem_type: str = "single_label_classification"

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        packed: bool = False,
        labels: int | Sequence[str] = 2,
        classifier_dropout: float | None = None,
        decision: Decision | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.labels = label_names(labels)
        super().__init__(config, seed, packed, classifier_dropout, **kwargs)
        if isinstance(decision, Mapping):
            decision = Decision.from_values(decision, self.labels)
        self.decision = decision or BARE

    @property
    def decision(self) -> Decision:
        """The temperature and the thresholds that probabilities and labels are made by."""
        return self._decision

    @decision.setter
    def decision(self, decision: Decision) -> None:
        """Set it.

        Raises:
            InputError: When it does not suit the labels.
        """
        if not isinstance(decision, Decision):
            raise InputError(f"decision: a Decision is needed. Received: {decision!r:.60}")
        count, problem = len(decision.thresholds), self.problem_type
        if count and problem != "multi_label_classification":
            raise InputError(f"thresholds are of multi-label models. Received: one of {problem}")
        if count not in (0, len(self.labels)):
            raise InputError(
                f"a threshold is needed for each of {len(self.labels)} labels. Received: {count}"
            )
        if problem == "regression" and decision != BARE:
            raise InputError("a temperature is of probabilities, which a regression does not give")
        self._decision = decision

    def drop_decision(self) -> None:
        """Drop a decision that was fitted to the weights, which are about to change; warn of it."""
        if self.decision == BARE:
            return
        _logger.warning(
            "the model's decision (%s) was fitted to its weights, which training changes: it is "
            "dropped; bert-keras evaluate --calibrate fits another",
            self.decision,
        )
        self.decision = BARE

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        kept = self.decision_to_keep()
        own = {"labels": list(self.labels)} | ({"decision": kept} if kept else {})
        return super().get_config() | own

    @property
    def own_decision(self) -> dict[str, Any] | None:
        """The values of the decision; None where it is the one that all models begin with."""
        is_own = self.decision != BARE
        return self.decision.to_values(self.labels) if is_own else None

    def decision_to_keep(self) -> dict[str, Any] | None:
        """The values of the decision with the head's digest, as a file has them; None as before."""
        own = self.own_decision
        return own and own | {"head": self.head_digest()}

    def head_layers(self) -> list[Any]:
        """The head's dense layers."""
        return [self.classifier.output_dense]

    def head_digest(self) -> str:
        """A hash of the head's weights, by which a file tells whether they were trained on.

        It is of bfloat16's precision, so that it is the same for a model that computes in that.
        """
        weights = (w for dense in self.head_layers() for w in (dense.kernel, dense.bias))
        arrays = (tf.cast(each, tf.bfloat16).numpy() for each in weights)
        return sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]
