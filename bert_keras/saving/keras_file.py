"""``.keras`` files of our models, tokenizer included.

They are read like any other file, by the table: no code in a file is run, and every weight must
find its place. (``keras.saving.load_model`` opens them too, and ignores weights that the model
lacks.)

A signal waits while h5py works: what is raised in its midst it prints or loses.
"""

import inspect
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError, errors_naming
from bert_keras.files import atomic_file
from bert_keras.modeling.model import FROZEN, BertModel
from bert_keras.saving.config_json import write_json
from bert_keras.saving.families import Family, all_models, family_of_model
from bert_keras.saving.names import Names, Shape, numbered_after_the_first
from bert_keras.saving.stored import StoredModel, StoredWeights, stored_weights
from bert_keras.saving.weights import weights_to_save
from bert_keras.signals import held
from bert_keras.tokenization import Tokenizer

CONFIG_FILE, WEIGHTS_FILE, ASSETS_FOLDER = "config.json", "model.weights.h5", "assets"
OTHER_CONFIG_FILE, OTHER_FILES_FILE = "other_config.json", "other_files.json"
# In a model with a head, the encoder's names begin with "encoder/". Keras goes through the
# attributes by name; what comes after "layers" is named by its class: a span head is a Classifier.
NAMES = Names(
    layers={
        "embeddings/word_embeddings": "embeddings/vars/0",
        "embeddings/position_embeddings": "embeddings/vars/1",
        "embeddings/token_type_embeddings": "embeddings/vars/2",
        "embeddings/layer_norm": "embeddings/norm",
        "position_bias/relative_attention_bias": "layers/relative_position_bias/vars/0",
        "layer_#/attention/query_key_value": "layers/transformer_layer#/attention/query_key_value",
        "layer_#/attention/output": "layers/transformer_layer#/attention/output_dense",
        "layer_#/attention_layer_norm": "layers/transformer_layer#/attention_norm",
        "layer_#/feed_forward/intermediate": "layers/transformer_layer#/feed_forward/intermediate",
        "layer_#/feed_forward/output": "layers/transformer_layer#/feed_forward/output_dense",
        "layer_#/feed_forward_layer_norm": "layers/transformer_layer#/feed_forward_norm",
        "pooler/output": "layers/pooler/output_dense",
        "masked_lm_head/transform": "layers/masked_lm_head/transform",
        "masked_lm_head/layer_norm": "layers/masked_lm_head/norm",
        "masked_lm_head/output_bias": "layers/masked_lm_head/vars/0",
        "next_sentence_head/output": "layers/next_sentence_head/output_dense",
        "classifier/output": "classifier/output_dense",
        "embeddings/project": "embeddings/project",
        "discriminator_head/transform": "discriminator_head/transform",
        "discriminator_head/output": "discriminator_head/output_dense",
        "deep_classifier/transform": "deep_classifier/transform",
        "deep_classifier/output": "deep_classifier/output_dense",
        "span_head/output": "layers/classifier/output_dense",
        "projection/output": "layers/projection/output_dense",
    },
    ends={"kernel": "/vars/0", "bias": "/vars/1", "gamma": "/vars/0", "beta": "/vars/1"},
    number=numbered_after_the_first,
)


@contextmanager
def read_keras(path: Path) -> Iterator[StoredModel]:
    """A ``.keras`` file, unpacked on the disk: in memory it would add to the model.

    Raises:
        InputError: When it is damaged or holds a model that is not ours.
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
            raise InputError(f"{path} is damaged or not a .keras file: {what}") from None
        yield _read(path, Path(folder))


def _read(path: Path, folder: Path) -> StoredModel:
    """The model of an unpacked file."""
    try:
        values = read_json_object(folder / CONFIG_FILE)
    except InputError as error:
        what = str(error).removeprefix(f"{folder / CONFIG_FILE} ")
        raise InputError(f"{path} is damaged: its {CONFIG_FILE} {what}") from None
    model_class, family, arguments = _read_class(path, values)
    config = arguments.pop("config")
    assets = folder / ASSETS_FOLDER
    identifying = {name: folder / name for name in (CONFIG_FILE, WEIGHTS_FILE)}
    extra = (OTHER_CONFIG_FILE, OTHER_FILES_FILE, *family.tokenizer_files)
    others = [
        read_json_object(assets / name) if (assets / name).exists() else {}
        for name in (OTHER_CONFIG_FILE, OTHER_FILES_FILE)
    ]
    return StoredModel(
        path=path,
        layout="keras",
        family=family,
        config=config,
        weights=_weights(path, folder / WEIGHTS_FILE),
        model_class=model_class,
        arguments=arguments,
        read_tokenizer=partial(family.read_tokenizer, assets),
        foreign=others[0],
        other_files=others[1],
        files=identifying | {name: assets / name for name in extra},
    )


def _read_class(
    path: Path, values: dict[str, Any]
) -> tuple[type[BertModel], Family, dict[str, Any]]:
    """The class, its family and the constructor's arguments, ``config`` among them."""
    model_class = _models().get(str(values.get("registered_name")))
    settings = values.get("config")
    if model_class is None:
        name = values.get("class_name")
        raise InputError(f"{path} holds a {name}, which is not a model of bert-keras")
    if not isinstance(settings, dict) or not isinstance(settings.get("config"), dict):
        raise InputError(f"{path} is damaged: its {CONFIG_FILE} lacks the model's config")
    arguments = {key: v for key, v in settings.items() if key not in ("name", "trainable", "dtype")}
    bases = [cls for cls in model_class.__mro__ if issubclass(cls, BertModel)]
    known = {name for cls in bases for name in inspect.signature(cls.__init__).parameters}
    unknown = arguments.keys() - known - {FROZEN}
    if unknown:
        raise InputError(f"{path}: a {model_class.__name__} has no {', '.join(sorted(unknown))}")
    policy = settings.get("dtype")
    if isinstance(policy, dict):
        arguments["dtype"] = policy.get("config", {}).get("name", "float32")
    family = family_of_model(model_class)
    assert family is not None, "the class is one of a family"
    arguments["config"] = family.config_class.from_dict(settings["config"])
    return model_class, family, arguments


def _models() -> dict[str, type[BertModel]]:
    """Our classes by the names that Keras registered them under."""
    return {keras.saving.get_registered_name(cls): cls for cls in all_models()}


def _weights(path: Path, file: Path) -> StoredWeights:
    """The arrays of the model, without its count of dropout masks."""
    shapes = {n: s for n, s in read_shapes(path, file).items() if "dropout_seeds/" not in n}
    return stored_weights(
        str(path),
        NAMES,
        shapes,
        partial(read_array, file),
        lambda name: name.removeprefix("encoder/"),
    )


def read_array(file: Path, name: str) -> np.ndarray:
    """One array of an HDF5 file."""
    with held(), h5py.File(file, "r") as handle:
        return np.asarray(handle[name])


def read_shapes(name: Path, file: Path) -> dict[str, Shape]:
    """The shape of every array in a file; the optimizer's are ignored.

    Args:
        name: The file's name in messages.
        file: The file.

    Raises:
        InputError: When it is damaged or holds less than its shapes say.
        FileNotFoundError: When there is no such file.
    """
    if not file.is_file():
        raise FileNotFoundError(2, "no such file", str(name))
    found: dict[str, Shape] = {}

    def note(key: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not key.startswith("optimizer/"):
            if item.external or item.is_virtual:  # its bytes are in any file the header names
                raise InputError(f"{name}: {key} lies in another file")
            # Sparse or compressed, as Keras writes none: the shape would cost the file nothing.
            if item.id.get_storage_size() < item.nbytes:
                raise InputError(f"{name}: {key} holds less than its shape says")
            found[key] = item.shape

    try:
        with held(), h5py.File(file, "r") as handle:
            handle.visititems(note)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{name} is damaged or not an HDF5 file: {error}") from None
    return found


def _unpack(path: Path, folder: str) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if name not in archive.namelist():
                raise zipfile.BadZipFile(f"it lacks {name}")
        size = sum(member.file_size for member in archive.infolist())
        if size > 4 * path.stat().st_size + 2**20:
            raise zipfile.BadZipFile(f"it would unpack to {size:,} bytes")
        archive.extractall(folder)


def save_keras(model: BertModel, path: str | Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a ``.keras`` file, with the tokenizer in it.

    Raises:
        InputError: When the name does not end in ``.keras``, or the file there is not a model of
            ours.
        OSError: When it cannot be written; names it.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"the name of a Keras file must end in .keras. Received: {path}")
    if tokenizer is not None:
        model.tokenizer = tokenizer
    family = family_of_model(type(model))
    if family is not None:
        weights_to_save(model, family, NAMES)  # refuses a model that could not be opened again
    target = atomic_file(path, replace=_holds_model(path))
    with target as temporary, _private_temporary_folder(), held():
        model.save(temporary)


@contextmanager
def _private_temporary_folder() -> Iterator[None]:
    """Remove what Keras leaves behind when writing is broken off: a full disk, a signal."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _holds_model(path: Path) -> bool:
    """Tell whether a file holds one of our models."""
    try:
        with zipfile.ZipFile(path) as file:
            values = json.loads(file.read(CONFIG_FILE))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return False
    return isinstance(values, dict) and str(values.get("registered_name")) in _models()


class KerasAssets:
    """The tokenizer, ``other_config`` and ``other_files`` of a model in a ``.keras`` file."""

    def save(self, model: BertModel, folder: Path) -> None:
        """Write those that the model has into a folder."""
        if model.tokenizer is not None:
            model.tokenizer.save(folder, model.config.longest_sequence)
        write_json({file: v for file, v in _others(model).items() if v}, folder)

    def load(self, model: BertModel, folder: Path) -> None:
        """Read those that a folder has into the model."""
        family = family_of_model(type(model))
        model.tokenizer = None if family is None else family.read_tokenizer(folder, None)
        for file, values in _others(model).items():
            if (folder / file).exists():
                values.update(read_json_object(folder / file))


def _others(model: BertModel) -> dict[str, dict]:
    return {OTHER_CONFIG_FILE: model.other_config, OTHER_FILES_FILE: model.other_files}


BertModel.assets = KerasAssets()
