"""A hub on this machine, and its client with an empty cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import bert_keras
from bert_keras.hub import download
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


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, which the client asks; nothing is cached."""
    from huggingface_hub import constants

    with serving() as server:
        template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(download, "_known", {})
        yield server
