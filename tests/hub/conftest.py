"""A hub on this machine, and its client with an empty cache."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bert_keras
from bert_keras.hub import data, download
from tests.support.hub import Hub, serving
from tests.support.models import VOCAB, make_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a tokenizer, and files that nobody needs."""
    folder = tmp_path_factory.mktemp("hub") / "model"
    bert_keras.save(make_model(), folder)
    (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    for name in ("pytorch_model.bin", "tf_model.h5", "modeling_x.py", "README.md"):
        (folder / name).write_bytes(f"never read: {name}".encode())
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"never read")
    return folder


def reset_sessions() -> None:
    """Let a client before version 1 look anew whether it is offline."""
    import huggingface_hub.utils

    getattr(huggingface_hub.utils, "reset_sessions", lambda: None)()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A function after which the client asks nobody, as with HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    def leave() -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        reset_sessions()

    yield leave
    monkeypatch.undo()
    reset_sessions()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, which the client asks; nothing is cached."""
    from huggingface_hub import constants, file_download

    reset_sessions()
    with serving() as server:
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        for module in (constants, file_download):  # before version 1 the latter has one of its own
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(download, "_known", {})
        yield server


@pytest.fixture
def data_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, which the package ``datasets`` asks as well; nothing is cached."""
    config = pytest.importorskip("datasets").config
    monkeypatch.setattr(config, "HF_ENDPOINT", hub.endpoint)
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(config, "DOWNLOADED_DATASETS_PATH", tmp_path / "datasets/downloads")
    monkeypatch.setattr(data, "_commits", {})
    data._split.cache_clear()
    return hub
