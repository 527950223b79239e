"""The split of labeled examples into training and dev examples."""

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.task import Task

_logger = logging.getLogger("bert_keras")

_SHOWN = 10  # labels in a message


def hold_out(
    task: Task, examples: Sequence[Any], fraction: float, stratify: bool = False
) -> tuple[list[Any], list[Any]]:
    """Split examples into those to learn from and those held out.

    An example is held out when the hash of its text, a number in [0, 1), is below the fraction.
    Examples of one text stay together. A label that would have no example left keeps the one of the
    highest hash, with all examples of that text.

    Args:
        task: Says what an example's text and labels are.
        examples: All examples.
        fraction: The share that is held out.
        stratify: Whether that share of each label's examples is held out, and no more: those of
            the lowest hashes. A text is counted under the label of its first example.

    Raises:
        InputError: When none would be left to learn from.
    """
    hashes = [zlib.crc32(task.key(example).encode()) for example in examples]
    labels = [task.labels_of([example]) for example in examples]
    if stratify:
        held_out = _stratified(hashes, labels, fraction)
    else:
        held_out = {number for number in hashes if number < fraction * 2**32}
    if examples and held_out.issuperset(hashes):
        raise InputError(
            f"data.dev_fraction = {fraction} holds out all examples ({len(examples)}) and leaves "
            "none to train on"
        )
    kept = _keep_one_of_each(hashes, labels, held_out)
    if kept:
        _logger.info(
            "kept for training, as no other example has their label: %s", listed(kept, _SHOWN)
        )
    train = [e for e, number in zip(examples, hashes, strict=True) if number not in held_out]
    dev = [e for e, number in zip(examples, hashes, strict=True) if number in held_out]
    return train, dev


def check_labels(task: Task, train: Sequence[Any], dev: Sequence[Any]) -> None:
    """Warn of labels that one of the two sides lacks.

    Raises:
        InputError: When a dev example has no label, or one that the task does not know, so that no
            answer to it can be right.
    """
    task.labels_of(dev)
    if not task.labels:
        return
    learned, scored = (
        Counter(label for example in side for label in task.labels_of([example]))
        for side in (train, dev)
    )
    for example in dev:
        unknown = [label for label in task.labels_of([example]) if label not in task.labels]
        if unknown:
            raise InputError(
                f"{example.where}: no training example has the label {unknown[0]!r} "
                f"({scored[unknown[0]]:,} dev examples have it), so it cannot be learned; they "
                f"have {listed(task.labels, _SHOWN)}. Correct it, add examples, or leave such rows "
                f"out: data.ignore_labels = [{unknown[0]!r}]"
            )
    for side, counts, of_what in ((train, learned, "training"), (dev, scored, "dev")):
        missing = [label for label in task.labels if not counts[label]]
        if side and missing:
            _logger.warning(
                "no %s example has %s, %d of the %d labels",
                of_what, listed(missing, _SHOWN), len(missing), len(task.labels),
            )  # fmt: skip


def warn_of_shared(task: Task, train: Sequence[Any], dev: Sequence[Any]) -> None:
    """Warn of dev examples that have the text of a training example.

    Args:
        task: Says what an example's text is: that by whose hash ``hold_out`` splits.
        train: The training examples.
        dev: The dev examples, of a file of their own.
    """
    learned = {key for example in train if (key := task.key(example)).strip()}
    shared = [example for example in dev if task.key(example) in learned]
    if shared:
        _logger.warning(
            "%s of the %s dev examples have the text of a training example, first %s: their scores "
            "say nothing about other texts",
            f"{len(shared):,}", f"{len(dev):,}", shared[0].where,
        )  # fmt: skip


def _stratified(
    hashes: Sequence[int], labels: Sequence[tuple[str, ...]], fraction: float
) -> set[int]:
    """The hashes of the texts that are held out, the same share of each label."""
    sizes = Counter(hashes)
    first = dict(zip(reversed(hashes), reversed(labels), strict=True))
    texts: dict[tuple[str, ...], list[int]] = {}
    for number in sizes:
        texts.setdefault(first[number], []).append(number)
    held_out: set[int] = set()
    for numbers in texts.values():
        room = round(fraction * sum(sizes[number] for number in numbers))
        for number in sorted(numbers)[:-1]:  # one text is left at least
            if sizes[number] > room:
                break
            room -= sizes[number]
            held_out.add(number)
    return held_out


def _keep_one_of_each(
    hashes: Sequence[int], labels: Sequence[tuple[str, ...]], held_out: set[int]
) -> list[str]:
    """Remove texts from ``held_out`` until every label has one outside; gives those labels."""
    pairs = sorted(zip(hashes, labels, strict=True), reverse=True)
    learned = {label for number, names in pairs if number not in held_out for label in names}
    kept = []
    for number, names in pairs:
        missing = [label for label in names if label not in learned]
        if missing:
            held_out.discard(number)
            kept += missing
            learned.update(names)
    return kept
