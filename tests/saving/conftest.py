"""Models small enough to write in a blink, none of whose weights is 0 or 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertConfig, BertForPreTraining
from bert_keras.errors import InputError

CONFIG = BertConfig(
    vocab_size=8,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)


@pytest.fixture(scope="session")
def vocab() -> list[str]:
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c"]


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    def make(model_class: Any = BertForPreTraining, seed: int = 0, **arguments: Any) -> Any:
        model = model_class(CONFIG, **arguments)
        draw = np.random.default_rng(seed)
        for weight in model.trainable_weights:
            weight.assign(draw.normal(size=weight.shape))
        return model

    return make


@pytest.fixture
def saved(tmp_path: Path, make_model: Callable[..., Any]) -> Path:
    """A BertForPreTraining as we write it."""
    bert_keras.save(make_model(), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def assert_told_of_progress() -> Callable[[Path], None]:
    """Checks that opening a path tells how far it is, from little to all."""

    def check(path: Path) -> None:
        told: list[tuple[int, int]] = []
        bert_keras.load(path, on_progress=lambda *step: told.append(step))
        done, totals = zip(*told, strict=True)
        assert len(done) > 1
        assert list(done) == sorted(set(done))
        assert set(totals) == {done[-1]}

    return check


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """The one line with which opening a path is refused."""

    def read(path: Path, *args: Any, **kwargs: Any) -> str:
        with pytest.raises(InputError) as caught:
            bert_keras.load(path, *args, **kwargs)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return read


@pytest.fixture(scope="session")
def assert_same_weights() -> Callable[[Any, Any], None]:
    def check(model: Any, other: Any) -> None:
        assert len(model.trainable_weights) == len(other.trainable_weights)
        for ours, theirs in zip(model.trainable_weights, other.trainable_weights, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)

    return check
