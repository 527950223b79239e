"""The endless stream of examples: the plan of epoch 0, then that of epoch 1, and so on."""

import bisect
import functools
import threading
from collections.abc import Callable, Sequence

from bert_keras.data.plan import ExamplePlan
from bert_keras.errors import InputError


class ExampleStream:
    """Any run of examples by their absolute index. Threads may share it.

    Args:
        plan_epoch: Gives the plan of an epoch; the same one whenever it is asked.

    Attributes:
        epoch_offsets: ``epoch_offsets[e]`` is the index of the first example of epoch ``e``; it
            grows as epochs are planned.
    """

    def __init__(self, plan_epoch: Callable[[int], ExamplePlan]) -> None:
        # The batches prepared at one time lie in one epoch or straddle two.
        self._plan_epoch = functools.lru_cache(maxsize=2)(plan_epoch)
        self._lock = threading.Lock()
        self.epoch_offsets = [0]

    def resume(self, epoch_offsets: Sequence[int]) -> None:
        """Takes up what an earlier run knew, so that past epochs need not be planned again."""
        with self._lock:
            if len(epoch_offsets) > len(self.epoch_offsets):
                self.epoch_offsets = list(epoch_offsets)

    def offsets_before(self, example: int) -> list[int]:
        """What ``resume`` needs for the examples from ``example`` on.

        It follows from the example alone, however far the stream has planned.
        """
        with self._lock:
            known = self.epoch_offsets
            return known[: 1 + bisect.bisect_left(known, example)]

    def rows(self, start: int, stop: int) -> ExamplePlan:
        """Returns the examples from ``start`` up to ``stop``, in order.

        Raises:
            InputError: When the known ``epoch_offsets`` do not belong to these plans.
        """
        parts = []
        with self._lock:
            epoch = self._epoch_of(start)
            while start < stop:
                plan = self._plan(epoch)
                offset = self.epoch_offsets[epoch]
                part = plan[start - offset : stop - offset]
                parts.append(part)
                start += len(part)
                epoch += 1
        return ExamplePlan.concatenate(parts)

    def _epoch_of(self, example: int) -> int:
        """Returns the epoch of an example; plans the epochs before it that are not known yet."""
        while self.epoch_offsets[-1] <= example:
            self._plan(len(self.epoch_offsets) - 1)
        return bisect.bisect_right(self.epoch_offsets, example) - 1

    def _plan(self, epoch: int) -> ExamplePlan:
        """Returns an epoch's plan and notes where the epoch ends."""
        plan = self._plan_epoch(epoch)
        end = self.epoch_offsets[epoch] + len(plan)
        if len(self.epoch_offsets) == epoch + 1:
            self.epoch_offsets.append(end)
        elif self.epoch_offsets[epoch + 1] != end:
            raise InputError(
                f"the saved epoch offsets say that epoch {epoch} ends at example "
                f"{self.epoch_offsets[epoch + 1]}, but with this corpus it ends at {end}; resume "
                "with the corpus, seed and settings of the first run"
            )
        return plan
