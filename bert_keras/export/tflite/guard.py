"""The check of an export's accuracy: how much is lost, and how small a loss can be seen."""

import logging
import math
from collections.abc import Sequence

from bert_keras.errors import InputError
from bert_keras.export.tflite.measure import Judge, Measurement

_logger = logging.getLogger("bert_keras")

_FEW = 100  # fewer examples than this, and a warning says what chance does
_LESS_COARSE = {"int8": "dynamic or float16", "dynamic": "float16 or none"}
_CONFIDENCE = 0.95
_ROUNDING = 1e-9  # points


def check_examples(judges: Sequence[Judge], limit: float | None) -> None:
    """Check before the conversion that the examples can show a drop.

    A warning says how small a drop they can show, where a smaller one is asked for or they are
    few.

    Args:
        judges: The judges of the model, at its own length and at the file's.
        limit: The points that may be lost; None for any.

    Raises:
        InputError: When they cannot show one: a model that answers with numbers has no labels, or
            Keras's own metric is 0 or not a number.
    """
    if limit is None:
        return
    judge = judges[0]  # a drop is counted from it
    accuracy = judge.keras.accuracy
    if accuracy is None and judge.decisions() is None:
        raise InputError(
            "max_accuracy_drop needs labeled examples for such a model: give --data FILE"
        )
    count, what = counted(judge)
    if not count or (accuracy is not None and (accuracy == 0 or not math.isfinite(accuracy))):
        raise InputError(
            f"max_accuracy_drop: Keras's {judge.metric} is {accuracy or 0:g} on {count:,} {what} "
            f"of {judge.sequences.examples.source}, so no drop can be told; give --data with more"
        )
    if note := _chance(judge, limit):
        _logger.warning("%s", note)


def counted(judge: Judge) -> tuple[int, str]:
    """The number of answers that the metric counts, and their name."""
    sequences = judge.sequences
    if sequences.masked:
        return len(sequences.masked), "masked word pieces"
    examples = sequences.examples
    if sequences.task is None:
        return len(examples.measured), "texts"
    return sequences.task.counted(examples.measured, examples.is_labeled)


def _chance(judge: Judge, limit: float) -> str:
    """A line on what so few examples cannot show; empty where they are enough."""
    count, what = counted(judge)
    notes = []
    step = 100 / count
    is_share = judge.metric not in ("spearman", "pearson")
    if is_share and 0 < limit < step:
        notes.append(
            f"one more or less is {step:.3g} points, so a drop of {limit:g} cannot be seen "
            f"({math.ceil(100 / limit):,} could show it)"
        )
    if count < _FEW:
        # None of n was lost: a greater share would have lost one with this confidence.
        most = 100 * (1 - (1 - _CONFIDENCE) ** (1 / count))
        notes.append(
            f"even with none of them lost, up to {most:.3g} % of others may be, by chance alone "
            f"({_CONFIDENCE:.0%} confidence)"
        )
    if not notes:
        return ""
    source = judge.sequences.examples.source
    return f"max_accuracy_drop is judged on {count:,} {what} of {source}: " + "; ".join(notes)


def truncation_note(cut: dict[str, int], length: int) -> str:
    """A line on the texts that are longer than a file reads; empty without any.

    Args:
        cut: The counts of ``Sequences.cut``.
        length: The tokens of a sequence.
    """
    if not cut["texts"]:
        return ""
    return (
        f"at {length} tokens {cut['texts']:,} of {cut['of_texts']:,} texts are cut: "
        f"{cut['tokens'] / cut['of_tokens']:.1%} of all tokens are not read"
    )


def check_accuracy(
    metric: str, rows: Sequence[Measurement], limit: float | None, reasons: Sequence[str] = ()
) -> float | None:
    """The points lost from the first row to the last; None without a limit.

    Args:
        metric: The metric's name.
        rows: Keras's own first, the file's last.
        limit: The points that may be lost.
        reasons: The reasons why the file may read less than the model, each with a remedy.

    Raises:
        InputError: When more is lost.
    """
    if limit is None:
        return None
    before, after = rows[0].accuracy, rows[-1].accuracy
    if before is None or after is None:
        # Without labels: the share of decisions that change from row to row, added up.
        metric, before = "agreement with Keras", 1.0
        after = 1.0 - sum(1.0 - row.agreement for row in rows[1:] if row.agreement is not None)
    drop = 100 * (before - after)
    # Written so that NaN does not pass; the tolerance is for rounding.
    if not drop <= limit + _ROUNDING:
        raise InputError(
            f"{metric} falls by {drop:.2f} points, from {before:.4f} to {after:.4f}, more than the "
            f"{limit:g} allowed; nothing was written. {_way_out(rows, reasons)}"
        )
    return drop


def _way_out(rows: Sequence[Measurement], reasons: Sequence[str]) -> str:
    """A remedy for the step that loses the most."""
    if len(rows) > 2 and _lost(*rows[:2]) > _lost(*rows[-2:]):
        return f"Most is lost as {', and as '.join(reasons)}"
    return f"Try --quantize {_LESS_COARSE.get(rows[-1].variant, 'none')}"


def _lost(before: Measurement, after: Measurement) -> float:
    """The loss of a step, a fraction."""
    if before.accuracy is None or after.accuracy is None:
        return 1.0 - (1.0 if after.agreement is None else after.agreement)
    return before.accuracy - after.accuracy
