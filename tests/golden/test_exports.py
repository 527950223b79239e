"""Exported files answer what they answered when ``values.json`` was written."""

import pytest

from tests.golden.compare import check

pytestmark = pytest.mark.system


@pytest.mark.parametrize("group", ["serving", "mobile", "quantized"])
def test_answers_are_what_they_were(group):
    check(group)
