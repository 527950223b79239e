"""The position of a run, on which with its variables the next steps depend."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from bert_keras.errors import InputError


@dataclass
class RunState:
    """The position of a run; written into each of its checkpoints.

    Attributes:
        seed: ``train.seed``.
        run_id: The run's; see ``RunMark``.
        step: Updates done.
        phase: The number of the phase that ``epoch_offsets`` are of.
        epoch_offsets: The first example of each of the phase's epochs, as far as they were
            planned; see ``PretrainingBatches``.
        losses: Those of the last steps, oldest first.
        window: The sums since the last line of the log: total and weight by name.
        skipped: The batches skipped after a divergence, as [phase, first, last + 1]; their numbers
            are those of the steps, from 0, that would have had them.
        roll_backs: How often the run was rolled back.
        evaluation_is_due: Whether this step is to be evaluated. That comes after its checkpoint, so
            a run that resumes from it evaluates first.
    """

    seed: int = 0
    run_id: str = ""
    step: int = 0
    phase: int = 0
    epoch_offsets: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    window: dict[str, list[float]] = field(default_factory=dict)
    skipped: list[list[int]] = field(default_factory=list)
    roll_backs: int = 0
    evaluation_is_due: bool = False

    def to_json(self) -> str:
        """One line of text, which ``from_json`` reads exactly."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "RunState":
        """The state that ``to_json`` wrote.

        Raises:
            InputError: When another version of bert_keras wrote it.
            ValueError: When the text is not JSON.
        """
        values = json.loads(text)
        names = {field.name for field in dataclasses.fields(cls)}
        is_state = isinstance(values, dict)
        odd = names.symmetric_difference({"run_id", *values}) if is_state else names
        if odd:
            fields = ", ".join(sorted(odd))
            raise InputError(
                f"the checkpoints are of another version of bert_keras, which differs in {fields}; "
                "finish the run with the version that began it, or choose another --workdir"
            )
        return cls(**values)

    def position(self, phase: int, step: int) -> int:
        """The number of the batch after ``step`` updates, skipped batches counted."""
        for _, start, stop in self._skipped_in(phase):
            if step >= start:
                step += stop - start
        return step

    def skip(self, phase: int, first_step: int, last_step: int) -> None:
        """Skip the batches of the steps ``first_step`` to ``last_step``, counted from 1."""
        start = self.position(phase, first_step - 1)
        stop = self.position(phase, last_step - 1) + 1
        others = [each for each in self.skipped if each[0] != phase or not start <= each[1] < stop]
        self.skipped = sorted([*others, [phase, start, stop]])

    def batches(
        self, phase: int, batches_from: Callable[[int], tf.data.Dataset], step: int
    ) -> tf.data.Dataset:
        """The batches of a phase after ``step`` updates, without the skipped ones."""
        position = self.position(phase, step)
        ahead = [(start, stop) for _, start, stop in self._skipped_in(phase) if start > position]
        starts = [position, *(stop for _, stop in ahead)]
        dataset = batches_from(starts.pop())
        for (stop, _), start in zip(reversed(ahead), reversed(starts), strict=True):
            dataset = batches_from(start).take(stop - start).concatenate(dataset)
        return dataset

    def _skipped_in(self, phase: int) -> list[list[int]]:
        return [each for each in self.skipped if each[0] == phase]
