"""Whether a run goes wrong: its loss, and how long it waits for its data."""

import logging
import math
import statistics
from collections import deque

from bert_keras.config import WatchConfig
from bert_keras.errors import Diverged
from bert_keras.objectives.means import LOSS

_logger = logging.getLogger("bert_keras")

_LOSSES = 100  # steps that the median is over
_FEWEST = 20  # before, the height of the loss says nothing
_FEWEST_CALLS = 10  # of a window whose times say something


class LossWatch:
    """Finds the first step whose loss is no number or has blown up.

    What it says depends on the losses alone, not on when it is asked.

    Args:
        config: The table ``[watch]``.
        losses: Those of the steps before, oldest first.
    """

    def __init__(self, config: WatchConfig, losses: list[float]) -> None:
        self.config = config
        self._losses = deque(losses, maxlen=_LOSSES)

    @property
    def losses(self) -> list[float]:
        """The last losses, oldest first."""
        return list(self._losses)

    def check(self, step: int, sums: dict[str, list[float]]) -> None:
        """Takes the next step's sums: total and weight by name.

        Raises:
            Diverged: When its loss, the sum of all losses, is bad.
        """
        losses = (pair for name, pair in sums.items() if name.endswith(LOSS))
        loss = sum(top / bottom for top, bottom in losses if bottom != 0)
        if not math.isfinite(loss):
            raise Diverged(step, f"the loss of step {step:,} is {loss}")
        if self.config.loss_factor and len(self._losses) >= _FEWEST:
            median = statistics.median(self._losses)
            if median > 0 and loss > self.config.loss_factor * median:
                raise Diverged(
                    step,
                    f"the loss of step {step:,} is {loss:.4g}, more than watch.loss_factor = "
                    f"{self.config.loss_factor:g} times the median of the steps before, "
                    f"{median:.4g}",
                )
        self._losses.append(loss)


class InputWatch:
    """Says once that a run waits for its data.

    Args:
        threshold: The share of a window's time from which it is said.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._is_said = False

    def look(self, step: int, input_share: float, calls: int) -> None:
        """Takes what a window of so many calls found."""
        if self._is_said or calls < _FEWEST_CALLS or input_share <= self.threshold:
            return
        self._is_said = True
        _logger.warning(
            "the run starves: up to step %s, %.0f %% of the time went by waiting for batches. Give "
            "it more CPU cores, keep the data on a local disk, or share the devices out over more "
            "hosts (said once, from watch.input_share = %g on)",
            f"{step:,}",
            100 * input_share,
            self.threshold,
        )
