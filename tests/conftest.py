"""What every test may use."""

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what asks for the real data: the fixture is the only declaration."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


# The garbage collector is spared what is imported, to walk which took a fifth of all time.
gc.disable()


def pytest_collection_finish() -> None:
    """Leaves what is imported out of the collector's walks, and lets it begin."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that may lie beside the checkout; tests are skipped where it is not."""
    path = Path(os.environ.get("BERT_KERAS_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"needs the data of {path}; set BERT_KERAS_TEST_DATA to where it is")
    return path
