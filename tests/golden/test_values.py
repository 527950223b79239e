"""Today's code gives the numbers that it gave when ``values.json`` was written."""

import pytest

from tests.golden.compare import TOLERANCE, check, differences
from tests.golden.write import GROUPS, stored

SYSTEM = ("sampling", "tasks", "pretraining", "runs")  # what trains or takes long
EXPORTS = ("serving", "mobile", "quantized")  # in a file of their own: the other half of the time


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(group, marks=[pytest.mark.system] if group in SYSTEM else [])
        for group in GROUPS
        if group not in EXPORTS
    ],
)
def test_values_are_what_they_were(group):
    check(group)


def test_every_group_is_stored_and_says_with_what_it_was_written():
    assert stored()["values"].keys() == GROUPS.keys()
    assert {"tensorflow", "keras", "python"} <= stored()["written_with"].keys()


def test_a_difference_is_found_and_named():
    before = {"a": [1.0, 2.0], "b": [3, "x"], "c": {"d": 0.5}}
    assert not list(differences("g", before, before | {"a": [1.0, 2.00001]}, TOLERANCE))
    moved = {"a": [1.0, 2.0001], "b": [4, "x"], "c": {"d": 0.6}}
    lines = list(differences("g", before, moved, TOLERANCE))
    assert lines == [
        "g, a[1]: 2.0 was, 2.0001 is",
        "g, b[0]: 3 was, 4 is",
        "g, c, d: 0.5 was, 0.6 is",
    ]
    assert list(differences("g", before, {"a": [1.0]}, TOLERANCE))
