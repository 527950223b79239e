"""The modules of sentence-transformers behind the encoder: pooling, dense layer, normalization."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from bert_keras.config.model import require_whole_number
from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.saving.config_json import write_json
from bert_keras.saving.safetensors_files import WEIGHTS_FILE, Tensors

_FILE = "config.json"  # of each module
_VECTOR = "sentence_embedding"
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_OTHER_POOLINGS = (
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
)
_DIMENSIONS = ("word_embedding_dimension", "embedding_dimension")
_DENSE_KEYS = (
    *("in_features", "out_features", "bias", "activation_function"),
    *("module_input_name", "module_output_name", "use_residual"),
)
# The classes of torch that a file may name, by our names of the functions; none is imported.
_ACTIVATIONS = {
    "tanh": "torch.nn.modules.activation.Tanh",
    "linear": "torch.nn.modules.linear.Identity",
    "relu": "torch.nn.modules.activation.ReLU",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
}
DENSE_WEIGHTS = ("linear.weight", "linear.bias")
_PICKLE = "pytorch_model.bin"


def read_pooling(folder: Path, hidden_size: int) -> dict[str, Any]:
    """The pooling, and whether the prompt's tokens are pooled too."""
    file = folder / _FILE
    config = read_json_object(file)
    known = (*_POOLINGS, *_OTHER_POOLINGS, *_DIMENSIONS, "pooling_mode", "include_prompt")
    unknown = [key for key in config if key not in known]
    if unknown:
        raise InputError(f"{file}: not understood: {', '.join(unknown)}")
    modes = [key for key in (*_POOLINGS, *_OTHER_POOLINGS) if key in config]
    for key in modes:
        require_in(isinstance(config[key], bool), file, f"{key} must be true or false", config[key])
    modes = [key for key in modes if config[key]]
    names = [_POOLINGS.get(mode, mode) for mode in modes] or ["mean"]
    if "pooling_mode" in config:  # as the newest releases write it
        given = config["pooling_mode"]
        names = given if isinstance(given, list) else [given]
    if len(names) != 1 or names[0] not in _POOLINGS.values():
        raise InputError(
            f"{file}: the pooling must be one of {', '.join(_POOLINGS.values())}. "
            f"Received: {', '.join(map(str, names))}"
        )
    for key in _DIMENSIONS:
        size = config.get(key, hidden_size)
        what = f"{key} must be the encoder's hidden_size {hidden_size}"
        require_in(size == hidden_size, file, what, size)
    include = config.get("include_prompt", True)
    require_in(isinstance(include, bool), file, "include_prompt must be true or false", include)
    return {"pooling": names[0], "include_prompt": include}


def read_dense(folder: Path, hidden_size: int) -> dict[str, Any]:
    """The arguments of ``BertForSentenceEmbedding`` for a ``Dense`` in a folder.

    Raises:
        InputError: When a key or a value is not supported; names the file and the key.
    """
    file = folder / _FILE
    config = read_json_object(file)
    unknown = [key for key in config if key not in _DENSE_KEYS]
    if unknown:
        raise InputError(f"{file}: not understood: {', '.join(unknown)}")
    width, residual = config.get("in_features"), config.get("use_residual", False)
    what = f"in_features must be the encoder's hidden_size {hidden_size}"
    require_in(width == hidden_size, file, what, width)
    require_whole_number(f"{file}: out_features", config.get("out_features"), at_least=1)
    bias = config.get("bias", True)
    require_in(isinstance(bias, bool), file, "bias must be true or false", bias)
    require_in(residual is False, file, "use_residual is not supported", residual)
    for key in ("module_input_name", "module_output_name"):
        value = config.get(key) or _VECTOR
        require_in(value == _VECTOR, file, f'{key} must be "{_VECTOR}"', value)
    given = config.get("activation_function", _ACTIVATIONS["tanh"])
    # Written as torch.nn.Tanh or, by releases, with its module.
    names = {f"torch.nn.{name.rsplit('.', 1)[-1]}": ours for ours, name in _ACTIVATIONS.items()}
    names |= {name: ours for ours, name in _ACTIVATIONS.items()}
    what = f"activation_function must be one of {', '.join(_ACTIVATIONS.values())}"
    require_in(isinstance(given, str) and given in names, file, what, given)
    return {
        "dense_units": config["out_features"],
        "dense_activation": names[given],
        "dense_bias": bias,
    }


def add_dense(tensors: Tensors, folder: Path, hidden_size: int, dense: Mapping[str, Any]) -> None:
    """Add the weights of a ``Dense`` to those of the encoder.

    Args:
        tensors: The encoder's.
        folder: The module's folder.
        hidden_size: The encoder's.
        dense: The arguments by ``read_dense``.

    Raises:
        InputError: When the file is not there, damaged, a pickle, or holds other weights.
    """
    file = folder / WEIGHTS_FILE
    if not file.exists():
        here, there = str(folder.parent), f"{folder.parent}-safetensors"
        code = f"from sentence_transformers import SentenceTransformer as M; M({here!r})"
        raise InputError(
            f"{folder} lacks {WEIGHTS_FILE}"
            + (
                f", and {_PICKLE} is a pickle, which can run any code, and is never read; convert "
                f"the model where sentence-transformers is installed, and open {there}: "
                f"python -c {shlex.quote(f'{code}.save({there!r})')}"
                if (folder / _PICKLE).exists()
                else ", the weights of the module"
            )
        )
    own = Tensors(file)
    own.add(file, None)
    units = dense["dense_units"]
    shapes = [(units, hidden_size), (units,)] if dense["dense_bias"] else [(units, hidden_size)]
    needed = dict(zip(DENSE_WEIGHTS, shapes, strict=False))
    what = f"the weights must be those of its {_FILE}, {needed}"
    require_in(own.shapes == needed, file, what, own.shapes)
    tensors.add(file, None)


def check_normalize(folder: Path) -> None:
    """Refuse a normalization of anything but the vector."""
    file = folder / _FILE
    for key, value in (read_json_object(file) if file.exists() else {}).items():
        is_right = value == _VECTOR and key.startswith("module_")
        require_in(is_right, file, f'{key} must be "{_VECTOR}"', value)


def write_modules(
    model: BertForSentenceEmbedding, weights: Mapping[str, np.ndarray], directory: Path
) -> list[str]:
    """Write the modules behind the encoder, each into its folder; gives all modules' names.

    Args:
        model: The model.
        weights: The arrays of its ``Dense``, by their names there.
        directory: Where the folders are made.
    """
    pooling: dict[str, Any] = {"word_embedding_dimension": model.config.hidden_size}
    pooling |= {key: name == model.pooling for key, name in _POOLINGS.items()}
    pooling |= {} if model.include_prompt else {"include_prompt": False}
    configs: dict[str, dict[str, Any]] = {"Pooling": pooling}
    if model.dense_units is not None:
        configs["Dense"] = {
            "in_features": model.config.hidden_size,
            "out_features": model.dense_units,
            "bias": model.dense_bias,
            "activation_function": _ACTIVATIONS[model.dense_activation],
        }
    if model.normalize:
        configs["Normalize"] = {}
    for number, (name, config) in enumerate(configs.items(), start=1):
        folder = directory / f"{number}_{name}"
        folder.mkdir()
        if config:
            write_json({_FILE: config}, folder)
        if name == "Dense":
            metadata = {"format": "pt"}
            safetensors.numpy.save_file(dict(weights), folder / WEIGHTS_FILE, metadata=metadata)
    return ["Transformer", *configs]


def require_in(is_right: bool, file: Path, what: str, received: Any) -> None:
    """Raise ``InputError`` that names the file unless something is right."""
    if not is_right:
        raise InputError(f"{file}: {what}. Received: {received!r}")
