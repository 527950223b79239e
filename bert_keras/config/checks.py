"""Checks of the values of a config, with a hint where one fails."""

import dataclasses
import difflib
from collections.abc import Mapping
from numbers import Real
from typing import Any

from bert_keras.errors import InputError

# A token of either text of a pair, and BERT's three special ones. Where a tokenizer has more of
# them, the data say so.
LEAST_LENGTH = 5


def nearest(word: str, possible: list[str] | tuple[str, ...]) -> str:
    """A hint for a misspelled ``word``: the nearest of ``possible``, else all of them."""
    close = difflib.get_close_matches(word, possible, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"possible are {', '.join(possible)}"


def check_settings(config: Any, settings: Mapping[str, object]) -> None:
    """Check that every setting is a field of the config."""
    known = [field.name for field in dataclasses.fields(config)]
    for name in settings:
        if name not in known:
            raise InputError(f"no such setting: {name!r}; {nearest(name, known)}")


def require(rule: str, holds: bool, received: object) -> None:
    """Raise ``InputError`` unless the rule holds."""
    if not holds:
        raise InputError(f"{rule}. Received: {received!r}")


def share(name: str, value: float) -> None:
    """Check that a share lies in [0, 1]."""
    require(f"{name} must lie in [0, 1]", 0 <= value <= 1, value)


def at_least(name: str, value: int, least: int) -> None:
    """Check that a count is not below its least value."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    require(f"{name} must be at least {least}", is_number and value >= least, value)


def one_of(name: str, value: str, possible: tuple[str, ...]) -> None:
    """Check that a choice is a possible one."""
    if value not in possible:
        raise InputError(f"{name} cannot be {value!r}; {nearest(value, possible)}")


def require_lengths(table: str, length: int, predictions: int) -> None:
    """Check that sequences have room for a pair, and for what is masked in them."""
    require(
        f"{table}.max_seq_length must be at least {LEAST_LENGTH}, for a pair of texts",
        length >= LEAST_LENGTH,
        length,
    )
    require(
        f"{table}.max_predictions_per_seq must lie between 1 and max_seq_length ({length})",
        1 <= predictions <= length,
        predictions,
    )


def readable_length(name: str, length: int, longest: int) -> None:
    """Check that sequences are no longer than the ``longest`` that the model reads."""
    if length > longest:
        raise InputError(f"{name} is {length}, but the model reads {longest} tokens at most")
