"""Model directories in the Hugging Face layout: config.json, model.safetensors, vocab.txt."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from bert_keras.checkpoints.config_json import (
    bert_values,
    check_kind,
    config_values,
    finish,
    head_arguments,
    named_class,
)
from bert_keras.checkpoints.name_rules import by_table_name, current_name
from bert_keras.checkpoints.opening import Wanted, load_tokenizer, make_request
from bert_keras.checkpoints.safetensors_files import (
    INDEX_FILE,
    WEIGHTS_FILE,
    Tensors,
    open_tensors,
)
from bert_keras.checkpoints.sentence_transformers import (
    MODULES_FILE,
    embedding_arguments,
    write_modules,
)
from bert_keras.checkpoints.weights import Weights, make_model, model_weights
from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSentenceEmbedding,
)
from bert_keras.tokenization import BertTokenizer

CONFIG_FILE = "config.json"
_PICKLE = ("a pickle, which can run any code, and is never read", "torch and transformers", "")
# Each with why it is not read, what reads it, and how that is told to.
_OTHER_WEIGHTS = {
    "pytorch_model.bin": _PICKLE,
    "pytorch_model.bin.index.json": _PICKLE,
    "tf_model.h5": (
        "of the TensorFlow classes that transformers dropped, and is not read",
        "torch, tensorflow, tf-keras and transformers<5",
        ", from_tf=True",
    ),
    "flax_model.msgpack": (
        "of Flax, and is not read",
        "torch, flax and transformers<5",
        ", from_flax=True",
    ),
}
_SEGMENTS = "bert.embeddings.token_type_embeddings.weight"


def save_huggingface(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a model directory that ``transformers.AutoModel.from_pretrained`` opens too.

    Args:
        model: One of our models.
        path: The directory. One that is there already is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.

    Raises:
        InputError: When the model is of no class that the layout knows.
        OSError: When the files cannot be written; a directory that was there stays as it was.
    """
    config = config_values(model)
    tokenizer = tokenizer or model.tokenizer
    tensors: dict[str, np.ndarray] = {}
    bare = config["architectures"] == ["BertModel"]
    for entry, variable in model_weights(model):
        arrays = entry.to_theirs(variable.numpy())
        tensors |= {key.removeprefix("bert.") if bare else key: a for key, a in arrays.items()}
    with atomic_directory(path, replace=True) as directory:
        (directory / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        try:
            # transformers asks that the metadata name a framework.
            metadata = {"format": "pt"}
            safetensors.numpy.save_file(tensors, directory / WEIGHTS_FILE, metadata=metadata)
        except safetensors.SafetensorError as error:  # such as a full disk
            raise OSError(f"cannot write {Path(path) / WEIGHTS_FILE}: {error}") from None
        # The library writes it for its owner alone; it should be as the files beside it.
        (directory / WEIGHTS_FILE).chmod((directory / CONFIG_FILE).stat().st_mode)
        if tokenizer is not None:
            tokenizer.save(directory)
        if isinstance(model, BertForSentenceEmbedding):
            write_modules(model, directory)


def load_huggingface(path: Path, wanted: Wanted) -> Any:
    """Opens a model directory; see ``bert_keras.load``."""
    values = read_json_object(path / CONFIG_FILE)
    model_type = check_kind(path / CONFIG_FILE, values)
    _refuse_other_weights(path, values)
    weights = _weights(open_tensors(path), model_type)
    own = named_class(path / CONFIG_FILE, values, wanted.model_class)
    if own is BertForMaskedLM and weights.has("cls.seq_relationship."):
        own = BertForPreTraining
    in_file = head_arguments(own, values, weights.file)
    as_embedding = wanted.model_class in (None, BertForSentenceEmbedding)
    if own is BertEncoder and as_embedding and (path / MODULES_FILE).exists():
        own, in_file = BertForSentenceEmbedding, embedding_arguments(path)
    values = bert_values(values)
    config = BertConfig.from_dict(values)
    request = make_request(own, in_file, config, weights, wanted)
    model = make_model(request, weights, "huggingface")
    finish(model, values)
    model.tokenizer = load_tokenizer(path, model.config)
    return model


def _weights(tensors: Tensors, model_type: str) -> Weights:
    """The file's tensors under the table's names."""
    stored = by_table_name(
        str(tensors.file), tensors.shapes, lambda name: current_name(name, model_type)
    )
    # The newest files may hold the tied bias by its other name alone.
    if "cls.predictions.bias" not in stored and "cls.predictions.decoder.bias" in stored:
        stored["cls.predictions.bias"] = stored.pop("cls.predictions.decoder.bias")
    is_bare = not any(name.startswith("bert.") for name in tensors.shapes)
    shapes = {name: tensors.shapes[home] for name, home in stored.items()}
    lacks_types = model_type == "distilbert" and _SEGMENTS not in shapes
    if lacks_types:
        words = shapes.get("bert.embeddings.word_embeddings.weight", (0, 0))
        shapes[_SEGMENTS] = (2, words[-1])

    def read(name: str) -> np.ndarray:
        if lacks_types and name == _SEGMENTS:
            return np.zeros(shapes[name], np.float32)
        return tensors.read(stored[name])

    def name_there(name: str) -> str:
        return stored.get(name, name.removeprefix("bert.") if is_bare else name)

    return Weights(str(tensors.file), shapes, read, name_there)


def _refuse_other_weights(path: Path, values: dict[str, Any]) -> None:
    """Refuses a directory without safetensors, with the command that makes them elsewhere."""
    if any((path / name).exists() for name in (WEIGHTS_FILE, INDEX_FILE)):
        return
    for name, (why, needs, option) in _OTHER_WEIGHTS.items():
        if not (path / name).exists():
            continue
        architecture = str((values.get("architectures") or ["AutoModel"])[0])
        if not architecture.isidentifier():  # the command must be no way to smuggle code in
            architecture = "AutoModel"
        code = (
            f"from transformers import {architecture} as M; "
            f"M.from_pretrained({str(path)!r}{option})"
            f".save_pretrained({str(path) + '-safetensors'!r})"
        )
        raise InputError(
            f"{path / name} is {why}; convert it where {needs} are installed: "
            f"python -c {shlex.quote(code)}"
        )
