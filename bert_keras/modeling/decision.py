"""The temperature and the thresholds that a model decides by, besides its logits."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

from bert_keras.errors import InputError, listed

_KEYS = {"temperature", "thresholds", "head"}  # the head's digest, which models look at
THRESHOLD = 0.5  # the least probability of a label that is given, where the model has no other


@dataclass(frozen=True)
class Decision:
    """A temperature and, of several labels at once, their thresholds: what a model decides by.

    A model of labels has one as its ``decision``, which is saved with it. ``calibrate`` finds it on
    labeled examples. It changes no logits: what makes probabilities or labels of logits
    (``predict``, ``evaluate`` and exports) goes by it.

    Args:
        temperature: What the logits are divided by before their softmax, or their sigmoids (Guo et
            al. 2017, "On Calibration of Modern Neural Networks", equation 9). Above 1 it makes a
            model less sure, below 1 surer; which label is the likeliest it does not change.
        thresholds: Of a multi-label model the least probability of each label that is given, in the
            order of its labels, compared with the probabilities at the temperature; 0.5 each where
            it is empty.

    Raises:
        InputError: When the temperature does not lie between 1e-6 and 1e6, or a threshold is no
            probability.

    Example:
        >>> model = load("run")
        >>> model.decision = Decision(temperature=2.0)
        >>> save(model, "softer")
        >>> load("softer").decision
        Decision(temperature=2.0, thresholds=())
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (_is_number(self.temperature) and 1e-6 <= self.temperature <= 1e6):
            raise InputError(
                f"a temperature must lie between 1e-6 and 1e6. Received: {self.temperature!r}"
            )
        object.__setattr__(self, "temperature", float(self.temperature))
        if not isinstance(self.thresholds, Iterable) or isinstance(self.thresholds, str):
            raise InputError(
                f"thresholds are one for each label, in order. Received: {self.thresholds!r:.60}"
            )
        thresholds = tuple(self.thresholds)  # an iterator has them once
        for threshold in thresholds:
            if not (_is_number(threshold) and 0 <= threshold <= 1):
                raise InputError(f"a threshold must lie in [0, 1]. Received: {threshold!r}")
        object.__setattr__(self, "thresholds", tuple(map(float, thresholds)))

    def scaled(self, logits: Any) -> Any:
        """Logits by the temperature, of which softmax or sigmoid makes probabilities.

        Args:
            logits: An array or a tensor of floats, of any shape.
        """
        return logits if self.temperature == 1 else logits / self.temperature

    def unscaled(self, logits: Any) -> Any:
        """The inverse of ``scaled``."""
        return logits if self.temperature == 1 else logits * self.temperature

    def is_given(self, probabilities: Any) -> Any:
        """Tell which labels are given: those whose probability reaches their threshold.

        Args:
            probabilities: An array or a tensor, float [..., labels].
        """
        return probabilities >= (self.thresholds or THRESHOLD)

    def at_temperature(self, temperature: float) -> "Decision":
        """The decision for the same labels at another temperature: thresholds move along."""
        if not self.thresholds:
            return Decision(temperature)
        moved = (_moved(t, self.temperature / temperature) for t in self.thresholds)
        return Decision(temperature, tuple(moved))

    def to_values(self, labels: Sequence[str]) -> dict[str, Any]:
        """The values in a model's file: thresholds by label."""
        values: dict[str, Any] = {"temperature": self.temperature}
        if self.thresholds:
            values["thresholds"] = dict(zip(labels, self.thresholds, strict=True))
        return values

    @classmethod
    def from_values(cls, values: Any, labels: Sequence[str]) -> Self:
        """The decision of a model's file.

        Raises:
            InputError: When the values are none, or the thresholds are of other labels.
        """
        thresholds = values.get("thresholds", {}) if isinstance(values, Mapping) else None
        if not isinstance(thresholds, Mapping) or not {*values} <= _KEYS:
            raise InputError(
                "a decision must have a temperature and thresholds by label. "
                f"Received: {values!r:.200}"
            )
        if thresholds and {*thresholds} != {*labels}:
            odd = sorted({*thresholds} ^ {*labels})
            raise InputError(
                f"thresholds must be of the model's labels, each; see {listed(odd, 5)}"
            )
        ordered = tuple(thresholds[label] for label in labels) if thresholds else ()
        return cls(values.get("temperature", 1.0), ordered)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _moved(threshold: float, factor: float) -> float:
    """The probability at ``factor`` times the logit."""
    if not 0 < threshold < 1:
        return threshold
    logit = factor * (math.log(threshold) - math.log1p(-threshold))
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


BARE = Decision()  # by the bare logits, as every model begins
