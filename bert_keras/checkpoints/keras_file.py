"""``.keras`` files of our models, tokenizer included."""

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from bert_keras.checkpoints.opening import Wanted
from bert_keras.checkpoints.weights import Report
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import blank_weights
from bert_keras.tokenization import BertTokenizer


def load_keras(path: Path, wanted: Wanted) -> Any:
    """Opens a ``.keras`` file in Keras's safe mode, which runs no code that the file brings.

    Raises:
        InputError: When it is damaged, holds none of our models or is to be opened as something
            else than it is.
        FileNotFoundError: When there is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    if wanted.model_class is not None or wanted.arguments:
        raise InputError(
            f"{path}: a .keras file opens as what it is; to open it for another task, save it "
            "as a directory first"
        )
    size = path.stat().st_size
    tell = wanted.on_progress or (lambda done, total: None)
    tell(0, size)  # Keras reads it in one go
    try:
        # Unpacked first: Keras would hold the whole file in memory beside the model.
        with tempfile.TemporaryDirectory() as folder, blank_weights():
            _unpack(path, folder)
            model = keras.saving.load_model(folder, compile=False, safe_mode=True)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is damaged or no .keras file: {error}") from None
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} cannot be opened: {reason}") from None
    if not isinstance(model, BertModel):
        raise InputError(f"{path} holds a {type(model).__name__}, which is no model of bert-keras")
    tell(size, size)
    weights = [(weight.path, weight.path, tuple(weight.shape)) for weight in model.weights]
    model.report = Report("keras", weights)
    return model


def _unpack(path: Path, folder: str) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            if name not in archive.namelist():
                raise zipfile.BadZipFile(f"it lacks {name}")
        if size > 4 * path.stat().st_size + 2**20:
            raise zipfile.BadZipFile(f"it would unpack to {size:,} bytes")
        archive.extractall(folder)


def save_keras(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a ``.keras`` file, which takes the tokenizer along.

    Args:
        model: One of our models.
        path: The file, ``*.keras``. One that is there already is replaced once the new one is
            whole.
        tokenizer: Written into the file; by default the one the model was loaded with.

    Raises:
        InputError: When the name does not end in ``.keras`` or the model is none of ours.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"the name of a Keras file must end in .keras. Received: {path}")
    if not isinstance(model, BertModel):
        raise InputError(f"cannot save a {type(model).__name__}; it is no model of bert-keras")
    if tokenizer is not None:
        model.tokenizer = tokenizer
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp.keras")
    try:
        model.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
