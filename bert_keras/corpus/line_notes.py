"""Warnings on text whose lines call for the other way of finding sentences."""

import logging
from collections.abc import Iterable, Iterator
from itertools import pairwise

from bert_keras.corpus.sentences import ends_sentence, has_end_mark, split_paragraph
from bert_keras.corpus.textfiles import Paragraph

_LINES = 1_000  # the first ones, which are looked at
_CHARACTERS = 1 << 14
_LONGEST = 2_000  # characters; a longer line is not a sentence
_logger = logging.getLogger("bert_keras")


def watch_lines(
    paragraphs: Iterable[Paragraph | None], sentences: str
) -> Iterator[Paragraph | None]:
    """The paragraphs as given; a warning, after the first lines, if ``sentences`` does not fit.

    Args:
        paragraphs: Lists of lines, None after each document's last.
        sentences: How sentences are found, ``"auto"`` or ``"lines"``.
    """
    first: list[Paragraph] = []
    lines = characters = 0
    is_waiting = True
    for paragraph in paragraphs:
        if is_waiting and paragraph:
            first.append(paragraph)
            lines += len(paragraph)
            characters += sum(map(len, paragraph))
            if lines >= _LINES or characters >= _CHARACTERS:
                _warn(first, sentences)
                is_waiting = False
        yield paragraph
    if is_waiting and first:
        _warn(first, sentences)


def _warn(paragraphs: list[Paragraph], sentences: str) -> None:
    (_warn_of_joined_lines if sentences == "auto" else _warn_of_unsuitable_lines)(paragraphs)


def _warn_of_joined_lines(paragraphs: list[Paragraph]) -> None:
    """Warn where lines look like sentences and some were joined."""
    lines = [line for paragraph in paragraphs for line in paragraph]
    single = sum(_looks_single(line) for line in lines)
    if single < 0.85 * len(lines):
        return
    if sum(len(split_paragraph(paragraph)) for paragraph in paragraphs) < len(lines):
        _logger.warning(
            "%s of the first %s lines look like one sentence each, and some were joined; "
            "--sentences lines reads every line as a sentence",
            f"{single:,}",
            f"{len(lines):,}",
        )


def _looks_single(line: str) -> bool:
    if len(line) > _LONGEST:
        return False
    return not has_end_mark(line) or (ends_sentence(line) and len(split_paragraph([line])) == 1)


def _warn_of_unsuitable_lines(paragraphs: list[Paragraph]) -> None:
    """Warn where most lines hold several sentences, or end within one."""
    lines = [line for paragraph in paragraphs for line in paragraph]
    several = sum(len(split_paragraph([line])) > 1 for line in lines)
    wrapped = sum(
        not ends_sentence(line) and following[:1].islower()
        for paragraph in paragraphs
        for line, following in pairwise(paragraph)
    )
    if all(line[:1].islower() for line in lines):
        wrapped = 0  # in text without capitals nothing shows that a sentence continues
    for count, what in (
        (several, "hold several sentences"),
        (wrapped, "continue in the next line"),
    ):
        if 2 * count > len(lines):
            _logger.warning(
                "%s of the first %s lines %s, and every line is read as one sentence; "
                "--sentences auto finds them",
                f"{count:,}",
                f"{len(lines):,}",
                what,
            )
            return
