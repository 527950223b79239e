import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import bert_keras
from bert_keras.signals import Stopped, listening
from tests.support.models import make_model


@pytest.fixture
def signaled(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], list[str]]:
    """Sends SIGTERM before the first call of a method of h5py; returns the calls that end well."""

    def send(owner: type, name: str) -> list[str]:
        whole, ended = getattr(owner, name), list[str]()

        def method(*arguments: Any, **settings: Any) -> Any:
            if not ended:
                signal.raise_signal(signal.SIGTERM)
            result = whole(*arguments, **settings)
            ended.append(name)
            return result

        monkeypatch.setattr(owner, name, method)
        return ended

    return send


def test_a_signal_waits_until_h5py_has_written_and_nothing_is_left(
    signaled: Callable[[type, str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    model = make_model()
    written = signaled(h5py.Group, "__setitem__")
    with pytest.raises(Stopped), listening():
        bert_keras.save(model, tmp_path / "m.keras")
    assert len(written) > len(model.weights) / 2
    assert [path for path in tmp_path.rglob("*") if path != temporary] == []


@pytest.mark.parametrize(
    ("owner", "name"), [(h5py.Group, "visititems"), (h5py.Dataset, "__array__")]
)
def test_a_signal_waits_until_h5py_has_read(
    signaled: Callable[[type, str], list[str]], owner: type, name: str, tmp_path: Path
) -> None:
    bert_keras.save(make_model(), tmp_path / "m.keras")
    read = signaled(owner, name)
    with pytest.raises(Stopped), listening():
        bert_keras.load(tmp_path / "m.keras")
    assert read == [name]
