"""Settings that hold for what is made or traced inside a ``with`` block."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextmanager
def holding(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Sets a variable for the block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
