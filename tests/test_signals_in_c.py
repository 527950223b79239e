"""Signals that come where a library's C code runs Python and keeps what it raises."""

import ctypes
import signal
import sys
import threading
import time

import pytest

from bert_keras.signals import Stopped, listening


class Dying:
    """What a library may free at any moment: Python ignores what is raised in a destructor."""

    def __init__(self, raises):
        self.raises = raises

    def __del__(self):
        self.raises()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_ignored_in_a_destructor_comes_again(number, capsys):
    before = sys.unraisablehook

    def live_on():
        Dying(lambda: signal.raise_signal(number))
        time.sleep(10)
        pytest.fail("it was lost")

    with pytest.raises(Stopped) as stopped, listening():
        live_on()
    assert (stopped.value.signal_number, sys.unraisablehook) == (number, before)
    assert not capsys.readouterr().err


def test_a_signal_that_came_again_may_still_only_be_noted():
    with listening() as request:
        Dying(lambda: signal.raise_signal(signal.SIGTERM))
        assert not request.signal_number
        request.is_noted = True
        for timer in [t for t in threading.enumerate() if isinstance(t, threading.Timer)]:
            timer.join()
        assert request.signal_number == signal.SIGTERM


def test_another_exception_of_a_destructor_is_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with listening():
        Dying(lambda: 1 / 0)
    assert [type(each.exc_value) for each in told] == [ZeroDivisionError]


def c_code_prints_what(statement):
    """Run a statement as C code does that calls Python and passes no exception on."""
    ctypes.pythonapi.PyRun_SimpleString(statement.encode())  # which ends in PyErr_Print


def test_what_c_code_prints_of_a_signal_is_not_shown(capsys):
    before = sys.excepthook

    def call_it():
        c_code_prints_what("import signal; signal.raise_signal(signal.SIGTERM)")
        raise SystemError("as C code that has lost an exception says")

    with pytest.raises(Stopped) as stopped, listening() as request, request.heeded():
        call_it()
    assert (stopped.value.signal_number, sys.excepthook) == (signal.SIGTERM, before)
    assert not capsys.readouterr().err


def test_what_c_code_prints_of_another_error_is_shown_as_ever(capsys):
    with listening():
        c_code_prints_what("1 / 0")
    assert "ZeroDivisionError" in capsys.readouterr().err
