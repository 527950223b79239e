"""The table of faults stays true to the code; `make test-planted` plants them."""

import ast

import pytest

from tests.planted.table import Fault, read_table

FAULTS = read_table()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_one_place_and_leaves_a_program(fault, repository):
    text = fault.planted((repository / fault.file).read_text(encoding="utf-8"))
    ast.parse(text)
    assert fault.old != fault.new


@pytest.mark.parametrize("test", sorted({test for fault in FAULTS for test in fault.tests}))
def test_the_tests_of_a_fault_are_there(test, repository):
    file, _, name = test.partition("::")
    text = (repository / file).read_text(encoding="utf-8")
    assert f"def {name.rpartition('::')[2]}(" in text if name else "def test_" in text


@pytest.mark.parametrize("count", [0, 2])
def test_a_place_that_is_not_one_is_refused(count):
    fault = Fault("wrong", "some.py", "old", "new", ())
    with pytest.raises(ValueError, match=f"stands {count} times in some.py"):
        fault.planted("old " * count)
