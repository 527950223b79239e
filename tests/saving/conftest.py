"""A model small enough to write in a blink, on disk."""

from pathlib import Path

import pytest

import bert_keras
from tests.support.models import make_model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A BertForPreTraining as we write it."""
    bert_keras.save(make_model(), tmp_path / "model")
    return tmp_path / "model"
