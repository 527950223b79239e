import os
import signal

import pytest

from bert_keras.corpus.processes import map_in_processes
from bert_keras.errors import WorkerLost


def make():
    return halve


def halve(number):
    """Half a number, in a process that the system kills at 4."""
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return number / 2


def test_results_come_in_the_order_of_the_items():
    for workers in (1, 2):
        assert list(map_in_processes(make, (), [6, 8, 10], workers)) == [3.0, 4.0, 5.0]


def test_a_killed_process_is_told_in_one_line_that_says_what_to_do():
    with pytest.raises(WorkerLost, match=r"one of the 2 processes .* fewer --workers") as caught:
        list(map_in_processes(make, (), range(10), 2))
    assert "\n" not in str(caught.value)
