"""Model directories in the Hugging Face layout: config.json, model.safetensors, vocab.txt."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from bert_keras.checkpoints.names import Entry, current_name, entries
from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
)
from bert_keras.tokenization import BertTokenizer

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CLASSES = {
    "BertForPreTraining": BertForPreTraining,
    "BertForMaskedLM": BertForMaskedLM,
    "BertForNextSentencePrediction": BertForNextSentencePrediction,
    "BertModel": BertEncoder,
}
# In the files of others, and no weights of their own: the decoder is tied, the ids are counted.
KNOWN_EXTRAS = (
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
    "embeddings.position_ids",
    "bert.embeddings.position_ids",
)
# Their precision is the file's, not ours: what we write is float32.
PRECISION_KEYS = ("dtype", "torch_dtype")


def save(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a model directory that ``transformers.AutoModel.from_pretrained`` opens too.

    Args:
        model: One of our models.
        path: The directory. One that is there already is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.

    Raises:
        InputError: When the model is of no class that the layout knows.
        OSError: When the files cannot be written; a directory that was there stays as it was.
    """
    architecture = next((name for name, cls in CLASSES.items() if type(model) is cls), None)
    if architecture is None:
        raise InputError(f"cannot save a {type(model).__name__}; known are {', '.join(CLASSES)}")
    tokenizer = tokenizer or getattr(model, "tokenizer", None)
    config = getattr(model, "other_config", {}) | model.config.to_dict()
    config |= {"architectures": [architecture], "model_type": "bert"}
    tensors: dict[str, np.ndarray] = {}
    for entry, variable in _pairs(model):
        tensors |= entry.to_theirs(variable.numpy())
    with atomic_directory(path, replace=True) as directory:
        (directory / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        try:
            # transformers asks that the metadata name a framework.
            metadata = {"format": "pt"}
            safetensors.numpy.save_file(tensors, directory / WEIGHTS_FILE, metadata=metadata)
        except safetensors.SafetensorError as error:  # such as a full disk
            raise OSError(f"cannot write {Path(path) / WEIGHTS_FILE}: {error}") from None
        if tokenizer is not None:
            tokenizer.save(directory)


def load(path: str | Path) -> Any:
    """Opens a model directory.

    Args:
        path: The directory with ``config.json`` and ``model.safetensors``. Where there is a
            ``vocab.txt``, the model's ``tokenizer`` attribute holds its tokenizer.

    Returns:
        A model of the class that ``architectures`` names, in the global dtype policy; its
        ``other_config`` holds the keys of ``config.json`` that are not ours. A
        ``BertForMaskedLM`` whose file has the next-sentence head too, as those that Google
        published, is opened as what it is: a ``BertForPreTraining``.

    Raises:
        InputError: When a weight is missing, unused or of another shape, or a file is damaged.
        FileNotFoundError: When there is no such directory or file.
    """
    path = Path(path)
    values = read_json_object(path / CONFIG_FILE)
    architecture = (values.get("architectures") or ["BertModel"])[0]
    if architecture not in CLASSES:
        raise InputError(
            f"{path / CONFIG_FILE} names the architecture {architecture!r}; "
            f"known are {', '.join(CLASSES)}"
        )
    with _open_weights(path / WEIGHTS_FILE) as tensors:
        stored = {current_name(name): name for name in list(tensors.keys())}
        if architecture == "BertForMaskedLM" and "cls.seq_relationship.weight" in stored:
            architecture = "BertForPreTraining"
        config = BertConfig.from_dict(values)
        model = CLASSES[architecture](config)
        _read_weights(model, tensors, stored, path / WEIGHTS_FILE)
    ours = (*config.to_dict(), *PRECISION_KEYS)
    model.other_config = {key: value for key, value in values.items() if key not in ours}
    model.tokenizer = BertTokenizer.from_pretrained(path) if (path / "vocab.txt").exists() else None
    return model


def _pairs(model: Any) -> list[tuple[Entry, Any]]:
    """The table's entries that the model has, each with its variable."""
    variables = {variable.path: variable for variable in model.trainable_weights}
    prefix = "" if isinstance(model, BertEncoder) else "bert."
    table = entries(model.config.num_hidden_layers, prefix)
    pairs = [(entry, variables.pop(entry.ours)) for entry in table if entry.ours in variables]
    assert not variables, f"no name is known for {sorted(variables)}"
    return pairs


@contextmanager
def _open_weights(file: Path) -> Iterator[Any]:
    if not file.exists():
        raise FileNotFoundError(2, "no such file", str(file))
    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            yield tensors
    except safetensors.SafetensorError as error:
        raise InputError(f"{file} is damaged or no safetensors file: {error}") from None


def _read_weights(model: Any, tensors: Any, stored: dict[str, str], file: Path) -> None:
    """Fills the model; ``stored`` gives the name in the file of each of today's names."""
    unused = set(stored) - set(KNOWN_EXTRAS)
    for entry, variable in _pairs(model):
        arrays = []
        for name, like in entry.to_theirs(np.empty(variable.shape, np.float32)).items():
            if name not in stored:
                raise InputError(
                    f"{file} lacks the weight {name}, which a {type(model).__name__} needs"
                )
            array = tensors.get_tensor(stored[name])
            if array.shape != like.shape:
                raise InputError(
                    f"{file}: {name} has the wrong shape for config.json. "
                    f"Received: {array.shape}, expected: {like.shape}"
                )
            arrays.append(array)
            unused.discard(name)
        variable.assign(entry.from_theirs(arrays))
    if unused:
        raise InputError(
            f"{file} holds weights that a {type(model).__name__} does not use: "
            f"{', '.join(sorted(unused)[:3])}"
        )
