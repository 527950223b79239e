"""``.keras`` files of our models, tokenizer included.

They are read as any other checkpoint, by the table: no code that a file brings is run, and every
weight must find its place. (``keras.saving.load_model`` opens them too, and passes over weights
that the model lacks.)
"""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError, errors_naming
from bert_keras.files import atomic_file
from bert_keras.modeling import BertEncoder, BertForSentenceEmbedding
from bert_keras.modeling.model import BertModel
from bert_keras.saving.config_json import CLASSES
from bert_keras.saving.hdf5 import read_shapes
from bert_keras.saving.name_rules import keras_name
from bert_keras.saving.names import Shape, entries
from bert_keras.saving.opening import Wanted, check_vocabulary_size, make_request
from bert_keras.saving.weights import Weights, make_model
from bert_keras.tokenization import BertTokenizer

CONFIG_FILE, WEIGHTS_FILE, ASSETS_FOLDER = "config.json", "model.weights.h5", "assets"
_CLASSES = {
    f"bert_keras>{cls.__name__}": cls for cls in (*CLASSES.values(), BertForSentenceEmbedding)
}
# What the constructors take beside the config, the name and the dtype policy.
_ARGUMENTS = (
    "seed",
    "packed",
    "with_pooler",
    "labels",
    "classifier_dropout",
    "problem_type",
    "function_to_apply",
    "pooling",
    "normalize",
    "max_length",
    "prompts",
    "default_prompt_name",
    "include_prompt",
    "do_lower_case",
)


def load_keras(path: Path, wanted: Wanted) -> Any:
    """Opens a ``.keras`` file; see ``bert_keras.load``.

    Raises:
        InputError: When it is damaged or holds none of our models.
        FileNotFoundError: When there is no such file.
    """
    with unpacked(path) as folder:
        return _load(path, folder, wanted)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of a ``.keras`` file's parts; in memory they would lie there beside the model.

    Raises:
        InputError: When it is damaged.
        FileNotFoundError: When there is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    with tempfile.TemporaryDirectory() as folder:
        try:
            with errors_naming(Path(tempfile.gettempdir())):
                _unpack(path, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            what = str(error) or "it is cut short"
            raise InputError(f"{path} is damaged or no .keras file: {what}") from None
        yield Path(folder)


def _load(path: Path, folder: Path, wanted: Wanted) -> Any:
    try:
        values = read_json_object(folder / CONFIG_FILE)
    except InputError:
        raise InputError(f"{path} is damaged: its {CONFIG_FILE} is no JSON object") from None
    own, config, arguments = _read_config(path, values)
    weights = _weights(path, folder / WEIGHTS_FILE, own, config)
    model = make_model(make_request(own, arguments, config, weights, wanted), weights, "keras")
    model.load_assets(str(folder / ASSETS_FOLDER))
    if model.tokenizer is not None:
        if wanted.casing is not None:
            model.tokenizer = BertTokenizer(model.tokenizer.vocab, wanted.casing)
        check_vocabulary_size(model.tokenizer, config, path)
    return model


def _read_config(path: Path, values: dict[str, Any]) -> tuple[type, BertConfig, dict[str, Any]]:
    """The class, its architecture and what else its constructor is given."""
    own = _CLASSES.get(str(values.get("registered_name")))
    settings = values.get("config")
    if own is None:
        name = values.get("class_name")
        raise InputError(f"{path} holds a {name}, which is no model of bert-keras")
    if not isinstance(settings, dict) or not isinstance(settings.get("config"), dict):
        raise InputError(f"{path} is damaged: its {CONFIG_FILE} lacks the model's config")
    arguments = {name: settings[name] for name in _ARGUMENTS if name in settings}
    unknown = settings.keys() - {*arguments, "name", "dtype", "config", "trainable"}
    if unknown:
        raise InputError(f"{path}: a {own.__name__} has no {', '.join(sorted(unknown))}")
    policy = settings.get("dtype")
    if isinstance(policy, dict):
        arguments["dtype"] = policy.get("config", {}).get("name", "float32")
    return own, BertConfig.from_dict(settings["config"]), arguments


def _weights(path: Path, file: Path, own: type, config: BertConfig) -> Weights:
    """The file's arrays under the table's names, the fused ones taken apart."""
    stored = read_shapes(path, file)
    layers = sum(name.endswith("/feed_forward/intermediate/vars/0") for name in stored)
    shapes: dict[str, Shape] = {}
    homes: dict[str, tuple[str, int, int, bool]] = {}
    unknown = {name for name in stored if "dropout_seeds/" not in name}
    for entry in entries(replace(config, num_hidden_layers=max(layers, 1))):
        home = keras_name(entry.ours, has_encoder=own is not BertEncoder)
        parts = len(entry.theirs)
        for number, name in enumerate(entry.theirs):
            homes[name] = (home, number, parts, entry.is_kernel)
        if home in stored:
            unknown.discard(home)
            *outer, last = stored[home] or (0,)
            shape = (*outer, last // parts)
            shapes |= dict.fromkeys(entry.theirs, shape[::-1] if entry.is_kernel else shape)

    def read(name: str) -> np.ndarray:
        home, number, parts, is_kernel = homes[name]
        with h5py.File(file, "r") as handle:
            data = handle[home]
            size = data.shape[-1] // parts
            array = data[..., number * size : (number + 1) * size]
        return array.T if is_kernel else array

    def name_there(name: str) -> str:
        return homes[name][0] if name in homes else name

    return Weights(str(path), shapes | {name: stored[name] for name in unknown}, read, name_there)


def _unpack(path: Path, folder: str) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if name not in archive.namelist():
                raise zipfile.BadZipFile(f"it lacks {name}")
        size = sum(member.file_size for member in archive.infolist())
        if size > 4 * path.stat().st_size + 2**20:
            raise zipfile.BadZipFile(f"it would unpack to {size:,} bytes")
        archive.extractall(folder)


def save_keras(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a ``.keras`` file, which takes the tokenizer along.

    Args:
        model: One of our models.
        path: The file, ``*.keras``. One that holds a model of ours is replaced once the new one is
            whole.
        tokenizer: Written into the file; by default the one the model was loaded with.

    Raises:
        InputError: When the name does not end in ``.keras``, the model is none of ours, or neither
            is what is there already.
        OSError: When it cannot be written; names it.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"the name of a Keras file must end in .keras. Received: {path}")
    if not isinstance(model, BertModel):
        raise InputError(f"cannot save a {type(model).__name__}; it is no model of bert-keras")
    if tokenizer is not None:
        model.tokenizer = tokenizer
    target = atomic_file(path, replace=_is_ours(path), suffix=".keras")
    with target as temporary, _own_temporary_files():
        model.save(temporary)


@contextmanager
def _own_temporary_files() -> Iterator[None]:
    """Clears away what Keras leaves behind where writing is broken off: a full disk, a signal."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _is_ours(path: Path) -> bool:
    """Tell whether a file holds one of our models."""
    try:
        with zipfile.ZipFile(path) as file:
            values = json.loads(file.read(CONFIG_FILE))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return False
    return isinstance(values, dict) and str(values.get("registered_name")) in _CLASSES
