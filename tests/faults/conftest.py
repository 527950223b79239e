"""The laboratory that the trials share."""

import pytest

from tests.faults.faults import mounting_is_allowed
from tests.faults.laboratory import Laboratory


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Prepared inputs and undisturbed runs; made when they are asked for."""
    laboratory = Laboratory(tmp_path_factory.mktemp("laboratory"))
    yield laboratory
    laboratory.zygote.close()


@pytest.fixture(scope="session")
def mounts(tmp_path_factory):
    """Skips where this process may not mount."""
    if not mounting_is_allowed(tmp_path_factory.mktemp("mounted")):
        pytest.skip("needs to be root, and allowed to mount")
