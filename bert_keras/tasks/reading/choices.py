"""Examples that are choices between texts: SWAG's tables, JSON lines, data sets."""

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading.columns import quoted, shortened
from bert_keras.tasks.reading.named import named_rows
from bert_keras.tasks.reading.sources import Place, id_column, shown_name, string_of

_logger = logging.getLogger("bert_keras")

# The names of each role: ours first, then SWAG's and HellaSwag's.
_CONTEXTS = ("context", "sent1", "ctx_a")
_STARTS = ("start", "question", "sent2", "ctx_b")
_LISTS = ("choices", "endings")
_LABEL = "label"
_NUMBERED = re.compile(r"(?:choice|ending)[ _-]?(\d{1,4})", re.ASCII)
# What those two data sets say besides; an index has no name in SWAG.
_PASSED_OVER = (
    "", "ind", "video-id", "fold-ind", "startphrase", "gold-source", "activity_label", "ctx",
    "split", "split_type", "source_id",
)  # fmt: skip
_PLACE = re.compile(r"\d{1,9}", re.ASCII)
LEAST_CHOICES = 2


@dataclass(frozen=True)
class ChoiceExample:
    """A context and the choices that may follow it.

    Attributes:
        context: The context.
        start: What stands before every choice: the beginning of the sentence that it ends, or the
            question that it answers; empty where there is none.
        choices: The choices.
        label: The place of the right one, from 0; None where the data do not say.
        where: The place in the data for messages: "train.csv, row 17".
    """

    context: str
    start: str
    choices: tuple[str, ...]
    label: int | None
    where: str


@dataclass(frozen=True)
class _Fields:
    """The fields of a row by their roles; empty where there is none.

    Attributes:
        context: The context's.
        start: That of what stands before the choices.
        choices: The one that has a list, or one for each choice.
        label: The label's.
        others: Those that are not read.
    """

    context: str
    start: str
    choices: tuple[str, ...]
    label: str
    others: tuple[str, ...]

    def describe(self, is_labeled: bool) -> str:
        """The roles for the log."""
        roles = {"context": self.context, "start": self.start}
        roles |= {"label": self.label} if is_labeled else {}
        parts = [f"{role} = {shortened([name])}" for role, name in roles.items() if name]
        parts.append(f"choices = {shortened(self.choices)}")
        others = [*filter(None, self.others), *filter(None, [self.label] * (not is_labeled))]
        passed = f"; passed over: {shortened(others)}" if others else ""
        return ", ".join(parts) + passed


def read_choice_examples(
    source: str, labeled: bool = True, ignored: tuple[str, ...] = ()
) -> list[ChoiceExample]:
    """The examples of a source, in order. What was read as what is logged, with an example.

    A row has ``context``; ``start`` or ``question``, which may be missing; ``choices`` or
    ``endings``, a list, or in a table ``ending0``, ``ending1``, ... or ``choice0``, ...; and
    ``label``, the place of the right choice, from 0. Rows may have different numbers of choices:
    in a table the last cells are then empty. A row without context has a ``question``. The names
    of SWAG (``sent1``, ``sent2``) and HellaSwag (``ctx_a``, ``ctx_b``) are known.

    Args:
        source: ``.csv`` or ``.tsv`` with a header, or ``.jsonl``, each also with ``.gz`` or
            ``.zst``; ``-``, JSON lines on standard input; or a data set, as ``DataSet`` takes it.
        labeled: Whether they are to be learned from or scored. Else labels are not read, and a
            text may be empty.
        ignored: The names of further columns or fields, which are passed over.

    Raises:
        InputError: When a name is unknown, missing or there twice, a text is empty, there are
            fewer than two choices, or the label is not the place of one; names the row.
    """
    examples: list[ChoiceExample] = []
    left_out: set[str] = set()
    for where, fields, values in _rows(source, ignored):
        left_out.update(fields.others)
        examples.append(_example(values, fields, where, labeled))
        if len(examples) == 1:
            _describe(source, fields, examples[0], labeled)
    if not examples:
        raise InputError(f"{shown_name(source)} holds no examples")
    absent = [name for name in ignored if name not in left_out]
    if absent:
        raise InputError(f"{shown_name(source)} has no {listed(absent)} to leave out")
    return examples


def _describe(source: str, fields: _Fields, example: ChoiceExample, is_labeled: bool) -> None:
    texts = " + ".join(map(quoted, filter(None, (example.context, example.start))))
    chosen = "" if example.label is None else f" -> {quoted(example.choices[example.label])}"
    roles = fields.describe(is_labeled)
    _logger.info("%s: %s; %s%s", shown_name(source), roles, texts, chosen)


def _rows(source: str, ignored: Collection[str]) -> Iterator[tuple[Place, _Fields, dict[str, Any]]]:
    """The place, the fields and the values of every row."""
    return named_rows(
        source,
        "with 'context', 'choices' and 'label'",
        lambda names, where: _fields_of(names, where, ignored),
        lambda fields: (fields.context, fields.start, *fields.choices, fields.label),
    )


def _fields_of(names: Sequence[str], where: str, ignored: Collection[str]) -> _Fields:
    """The roles of a row's names.

    Raises:
        InputError: When one is missing, there twice or unknown.
    """
    plain = {name.strip().lower(): name for name in names if name not in ignored}
    context, start, choices, label = (
        _one_of(plain, role, where) for role in (_CONTEXTS, _STARTS, _LISTS, (_LABEL,))
    )
    numbered = sorted(
        (int(match[1]), name)
        for each, name in plain.items()
        if (match := _NUMBERED.fullmatch(each))
    )
    if not context and start.strip().lower() == "question":
        context, start = start, ""
    found = [choices] * bool(choices) + [name for _, name in numbered]
    if not context:
        raise InputError(
            f"{where} has no {listed(_CONTEXTS, 1)}, and no 'question' in its place; it has "
            f"{listed(names)}"
        )
    if not found:
        raise InputError(
            f"{where} has no choices: a list 'choices' or 'endings' or, in a table, columns "
            f"'ending0', 'ending1', ... or 'choice0', ...; it has {listed(names)}"
        )
    if choices and numbered:
        raise InputError(f"{where} has its choices twice, as {listed(found)}; leave one out")
    if numbered and [number for number, _ in numbered] != list(range(len(numbered))):
        raise InputError(
            f"{where}: columns of choices are numbered from 0 on, each once, as labels are. "
            f"Received: {listed(found)}"
        )
    read = {context, start, label, *found}
    others = tuple(name for name in names if name not in read)
    unknown = [
        name
        for name in others
        if not (name in ignored or name.strip().lower() in _PASSED_OVER or id_column([name]))
    ]
    if unknown:
        raise InputError(
            f"{where} has {listed(unknown)}, which multiple choice does not know; rename it to "
            "'context', 'start', 'choices' or 'label', or leave it out by "
            f"data.ignore_columns = [{quoted(unknown[0])}] (--ignore-column)"
        )
    return _Fields(context, start, tuple(found), label, others)


def _one_of(plain: Mapping[str, str], role: Sequence[str], where: str) -> str:
    """The one name that a role has; "" without one."""
    found = [plain[name] for name in role if name in plain]
    if len(found) > 1:
        raise InputError(f"{where} has {listed(found)}, which say the same; leave one out")
    return found[0] if found else ""


def _example(
    values: Mapping[str, Any], fields: _Fields, where: Place, labeled: bool
) -> ChoiceExample:
    context, start = (
        "" if not name or values[name] is None else string_of(values[name], name, where)
        for name in (fields.context, fields.start)
    )
    choices = _choices(values, fields, where)
    if labeled:
        empty = [] if context.strip() else [fields.context]
        empty += [f"choice {n}" for n, choice in enumerate(choices) if not choice.strip()]
        if empty:
            raise InputError(f"{where}: {listed(empty, 1)} is empty")
    label = _label(values[fields.label], len(choices), where) if labeled and fields.label else None
    return ChoiceExample(context, start, choices, label, where)


def _choices(values: Mapping[str, Any], fields: _Fields, where: Place) -> tuple[str, ...]:
    """The choices of a row; without the empty cells at the end of a table's."""
    first = values[fields.choices[0]]
    name = fields.choices[0]
    if len(fields.choices) > 1 or _NUMBERED.fullmatch(name.strip().lower()):
        texts = [string_of(values[name], name, where) for name in fields.choices]
        while texts and not texts[-1].strip():
            del texts[-1]
    elif isinstance(first, list):
        texts = [string_of(text, f"{name}[{n}]", where) for n, text in enumerate(first)]
    else:
        raise InputError(
            f"{where}: {name!r} must be a list of texts. Received: {type(first).__name__}"
        )
    if len(texts) < LEAST_CHOICES:
        raise InputError(f"{where}: there must be two choices or more. Received: {len(texts)}")
    return tuple(texts)


def _label(value: Any, count: int, where: Place) -> int | None:
    """The place of the right choice; None where it is null or empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and _PLACE.fullmatch(value.strip()):
        value = int(value)
    if type(value) is not int or not 0 <= value < count:
        raise InputError(
            f"{where}: the label must be the place of the right choice, from 0 to {count - 1}. "
            f"Received: {value!r:.80}"
        )
    return value
