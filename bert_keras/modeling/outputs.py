"""The losses and metrics of ``compile``, by the outputs of a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from bert_keras.errors import InputError, listed
from bert_keras.modeling.measures import AdaptedLoss, AdaptedMetric, is_given


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model that have labels, for which ``compile`` takes losses and metrics.

    Attributes:
        model: The name of the model's class, for messages.
        names: Their names.
        score_function: What makes a score of a logit; see ``AdaptedLoss``.
    """

    model: str
    names: tuple[str, ...]
    score_function: str

    def losses(self, given: Any) -> Any:
        """The losses of ``compile(loss=...)``, each fed with what it wants; ``None`` for none."""
        return self._adapted(self._single(self._by_name(given, "loss"), "loss"), AdaptedLoss)

    def loss_weights(self, given: Any, losses: Any) -> Any:
        """The weights of ``compile(loss_weights=...)``; ``None`` where there are none."""
        weights = self._single(self._by_name(given, "loss_weights"), "loss_weights")
        if weights is not None and losses is None:
            raise InputError(
                f"compile(loss_weights={given!r:.60}) weighs the losses of compile(loss=...); give "
                "both, or leave it out: the model's own objective has no such weights"
            )
        return weights

    def metrics(self, given: Any, argument: str, taken: Iterable[str]) -> Any:
        """The metrics of an argument, each fed with what it wants; ``None`` where there are none.

        Args:
            given: The argument.
            argument: Its name.
            taken: Names that a metric must not have, since others are reported under them.
        """
        found = self._by_name(given, argument)
        if found is None:
            return None
        if not isinstance(found, list | tuple | Mapping):
            raise InputError(f"compile({argument}=...) must be a list. Received: {given!r:.60}")
        found = self._adapted(found, AdaptedMetric)
        if len(self.names) == 1:
            wrong = [each.name for each in keras.tree.flatten(found) if each.name in taken]
            if wrong:
                raise InputError(
                    f"compile({argument}=...): {listed(wrong)} is reported already; give the "
                    "metric another name"
                )
        return found

    def _by_name(self, given: Any, argument: str) -> Any:
        """The argument by the names of several outputs, or that of the only one."""
        if not is_given(given):
            return None
        if not isinstance(given, Mapping):
            if len(self.names) > 1 and isinstance(given, list | tuple):
                example = ", ".join(f"{name!r}: ..." for name in self.names)
                raise InputError(
                    f"compile({argument}=...): {self.model} has several outputs; a list does not "
                    f"say which is whose, but a dictionary does: {{{example}}}"
                )
            return given
        unknown = [name for name in given if name not in self.names]
        if unknown:
            raise InputError(
                f"compile({argument}=...): {self.model} has no output {listed(unknown)}; it has "
                f"{listed(self.names)}"
            )
        if len(self.names) > 1:
            return dict(given)
        only = given[self.names[0]]
        is_metric = argument.endswith("metrics") and not isinstance(only, list | tuple)
        return [only] if is_metric else only

    def _single(self, given: Any, argument: str) -> Any:
        """The loss of the only output, which may stand in a list."""
        if not isinstance(given, list | tuple):
            return given
        if len(given) != 1:
            raise InputError(
                f"compile({argument}=...): {self.model} has one output, {self.names[0]!r}. "
                f"Received: {len(given)}"
            )
        return self._single(given[0], argument)

    def _adapted(self, given: Any, kind: type) -> Any:
        """A structure of losses or metrics, each fed with what it wants."""

        def adapt(each: Any) -> Any:
            is_ready = each is None or isinstance(each, kind)
            return each if is_ready else kind(each, self.score_function)

        return None if given is None else keras.tree.map_structure(adapt, given)
