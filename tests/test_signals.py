"""What a signal does: break off, wait until what is done is saved, or end the process."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from bert_keras.signals import Stopped, ending_at_once, give_way, held, listening, staying


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_breaks_off_what_has_nothing_to_save(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, listening():
        signal.raise_signal(number)
    assert stopped.value.exit_code == 128 + number
    assert signal.getsignal(number) is before


def test_what_is_broken_off_is_no_error_that_a_library_may_catch():
    with listening():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pytest.fail("caught as an error")
        except KeyboardInterrupt:
            pass


def test_where_something_must_be_saved_a_signal_is_only_noted():
    with listening() as request:
        request.is_noted = True
        signal.raise_signal(signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM


def test_a_part_that_may_be_broken_off_is_not_even_begun_after_a_signal():
    with listening() as request:
        request.is_noted = True
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped), request.raised():
            pytest.fail("it was begun")
        assert request.is_noted


def swallow():
    """As C code of a library does that calls Python, or imports a module."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt as error:
        raise SystemError("returned a result with an exception set") from error


def test_what_a_library_makes_of_a_signal_is_the_signal():
    with pytest.raises(Stopped) as stopped, listening() as request, request.heeded():
        swallow()
    assert stopped.value.exit_code == 128 + signal.SIGTERM


def test_an_error_after_a_signal_that_is_only_noted_is_an_error():
    def save(request):
        request.is_noted = True
        signal.raise_signal(signal.SIGTERM)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), listening() as request, request.heeded():
        save(request)


def test_an_error_after_a_part_that_was_broken_off_is_an_error():
    def evaluate_and_save(request):
        request.is_noted = True
        with suppress(Stopped), request.raised():
            swallow()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), listening() as request, request.heeded():
        evaluate_and_save(request)


def test_within_another_block_it_is_the_same_request_and_breaks_off_again_behind_it():
    with listening() as outer:
        with listening() as inner:
            assert inner is outer
            inner.is_noted = True
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_told_twice_at_once_is_one():
    """As ``timeout`` does, and a terminal beside a wrapper: what is being saved goes on."""
    with listening() as request:
        request.is_noted = True
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_told_twice_does_not_disturb_the_clearing_away():
    cleared = []

    def broken_off():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleared.append("all of it")

    with pytest.raises(Stopped), listening():
        broken_off()
    assert cleared


def test_a_second_signal_ends_the_process_at_once():
    script = """
import signal
from bert_keras import signals
signals._REPEATS_WITHIN = 0.0
with signals.listening() as request:
    request.is_noted = True
    signal.raise_signal(signal.SIGTERM)
    print("noted", flush=True)
    signal.raise_signal(signal.SIGTERM)
    print("went on")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "noted\n")


def test_where_no_python_runs_a_signal_ends_the_process():
    script = """
import signal
from bert_keras.signals import Stopped, ending_at_once, listening
with listening():
    with ending_at_once():
        pass
    try:
        signal.raise_signal(signal.SIGTERM)
    except Stopped:
        print("heard again", flush=True)
with listening(), ending_at_once():
    signal.raise_signal(signal.SIGTERM)
    print("went on")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "heard again\n")


def test_where_nobody_listens_signals_act_as_ever():
    before = signal.getsignal(signal.SIGTERM)
    with ending_at_once():
        assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_held_ends_before_a_signal_breaks_off():
    done = []

    def act():
        signal.raise_signal(signal.SIGTERM)
        done.append("all of it")

    with pytest.raises(Stopped), listening(), held():
        act()
    assert done


def test_what_is_held_in_another_thread_holds_no_signal_of_the_main_one():
    may_end = threading.Event()
    is_held = threading.Event()

    def hold():
        with held():
            is_held.set()
            may_end.wait()

    thread = threading.Thread(target=hold, daemon=True)
    with listening():
        thread.start()
        is_held.wait()
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGTERM)
    may_end.set()
    thread.join()


@pytest.mark.parametrize("thread", ["any", "another"])
def test_who_waits_for_a_library_hears_a_signal_whichever_thread_it_reaches(thread):
    """The call itself goes on, which is what nobody can help."""
    called, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def tell():
        called.wait()
        time.sleep(0.2)  # until the main thread waits
        if thread == "any":
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    def library():
        called.set()
        may_end.wait()
        ended.set()

    too_late = threading.Timer(60, may_end.set)
    too_late.start()
    threading.Thread(target=tell).start()
    with pytest.raises(Stopped), listening():
        give_way(library)
    too_late.cancel()
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(60)


def test_what_has_something_to_save_is_left_by_an_exception_even_in_an_import(
    tmp_path, monkeypatch
):
    (tmp_path / "signaled.py").write_text("import signal; signal.raise_signal(signal.SIGTERM)")
    monkeypatch.syspath_prepend(str(tmp_path))
    left = []
    with listening() as request:
        request.leave = left.append
        with pytest.raises(Stopped), staying():
            importlib.import_module("signaled")
        assert left == []
        request.signal_number = 0
        with pytest.raises(Stopped):  # as this ``leave`` comes back
            importlib.import_module("signaled")
    assert left == [signal.SIGTERM]


def test_a_call_that_gives_way_answers_and_fails_as_any():
    assert give_way(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        give_way(divmod, 1, 0)


def test_outside_the_main_thread_signals_act_as_ever(monkeypatch):
    before, during = signal.getsignal(signal.SIGTERM), []

    def run():
        with listening():
            during.append(signal.getsignal(signal.SIGTERM))
            monkeypatch.setattr(sys, "unraisablehook", print)  # by the main thread, meanwhile

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert (during, sys.unraisablehook) == ([before], print)
