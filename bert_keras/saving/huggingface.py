"""Model directories in the Hugging Face layout: config.json, model.safetensors, vocab.txt."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from bert_keras.config import BertConfig
from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
)
from bert_keras.saving.config_json import (
    CLASSES,
    bert_values,
    check_kind,
    config_values,
    finish,
    head_arguments,
    named_class,
)
from bert_keras.saving.name_rules import by_table_name, current_name
from bert_keras.saving.opening import Wanted, load_tokenizer, make_request
from bert_keras.saving.safetensors_files import (
    INDEX_FILE,
    WEIGHTS_FILE,
    Tensors,
    open_tensors,
)
from bert_keras.saving.sentence_transformers import (
    MODULES_FILE,
    Settings,
    read_settings,
    write_files,
    write_modules,
)
from bert_keras.saving.sentence_transformers_keys import CROSS_ENCODER, EMBEDDING
from bert_keras.saving.weights import Weights, make_model, model_weights
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
# What the command that converts them does not copy: weights, once more in other formats.
_LEFT = ("*.bin", "*.bin.index.json", "*.h5", "*.msgpack", "*.ot", "*.onnx", ".git")
_SEGMENTS = "bert.embeddings.token_type_embeddings.weight"


def save_huggingface(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a model directory that ``transformers.AutoModel.from_pretrained`` opens too.

    Args:
        model: One of our models.
        path: The directory. One that was written so before is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.

    Raises:
        InputError: When the model is of no class that the layout knows, or the directory has
            files in it that were not written so.
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
        # transformers asks that the metadata name a framework.
        metadata = {"format": "pt"}
        safetensors.numpy.save_file(tensors, directory / WEIGHTS_FILE, metadata=metadata)
        if tokenizer is not None:
            tokenizer.save(directory, model.config.max_position_embeddings)
        if isinstance(model, BertForSentenceEmbedding):
            write_modules(model, directory)
        else:
            write_files(model.other_files, directory)


def load_huggingface(path: Path, wanted: Wanted) -> Any:
    """Opens a model directory; see ``bert_keras.load``."""
    values = read_json_object(path / CONFIG_FILE)
    model_type = check_kind(path / CONFIG_FILE, values)
    refuse_other_weights(path, values)
    weights = _weights(open_tensors(path), model_type)
    own = named_class(path / CONFIG_FILE, values, wanted.model_class)
    if own is BertForMaskedLM and weights.has("cls.seq_relationship."):
        own = BertForPreTraining
    settings = _settings(path, own, values, wanted)
    in_file = head_arguments(own, values, weights.file, settings and settings.activation)
    if settings is not None and settings.kind == EMBEDDING:
        own, in_file = BertForSentenceEmbedding, settings.arguments
    values = bert_values(values)
    config = BertConfig.from_dict(values)
    request = make_request(own, in_file, config, weights, wanted)
    model = make_model(request, weights, "huggingface")
    finish(model, values)
    model.tokenizer = load_tokenizer(path, model.config, wanted.casing)
    if settings is not None:
        is_other_head = settings.kind == CROSS_ENCODER and not model.as_given["function_to_apply"]
        model.other_files = {} if is_other_head else settings.files
        if settings.arguments.get("do_lower_case") and model.tokenizer is not None:
            model.tokenizer = model.tokenizer.lowercased()
    return model


def _settings(
    path: Path, own: type | None, values: dict[str, Any], wanted: Wanted
) -> Settings | None:
    """The settings of sentence-transformers' files, where the model is opened as one of theirs."""
    if not (path / MODULES_FILE).exists():
        return None
    as_embedding = wanted.model_class in (None, BertForSentenceEmbedding)
    as_scores = own is BertForSequenceClassification and wanted.model_class in (None, own)
    if not as_embedding and not as_scores:
        return None
    settings = read_settings(path, bert_values(values).get("hidden_size"))
    is_wanted = as_embedding if settings.kind == EMBEDDING else as_scores
    return settings if is_wanted else None


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


def refuse_other_weights(path: Path, values: dict[str, Any]) -> None:
    """Refuses a directory without safetensors, with the command that makes them elsewhere.

    The command copies the directory but for such weights, so that the tokenizer, pooling and all
    else come along, and writes the model into the copy.
    """
    if any((path / name).exists() for name in (WEIGHTS_FILE, INDEX_FILE)):
        return
    for name, (why, needs, option) in _OTHER_WEIGHTS.items():
        if not (path / name).exists():
            continue
        architecture = str((values.get("architectures") or ["AutoModel"])[0])
        # A class that is there, and no way to smuggle code in.
        if architecture.replace("DistilBert", "Bert", 1) not in CLASSES:
            architecture = "AutoModel"
        here, there = str(path), str(path) + "-safetensors"
        code = (
            f"import shutil; from transformers import {architecture} as M; "
            f"model = M.from_pretrained({here!r}{option}); "
            f"shutil.copytree({here!r}, {there!r}, ignore=shutil.ignore_patterns("
            f"{', '.join(map(repr, _LEFT))})); model.save_pretrained({there!r})"
        )
        raise InputError(
            f"{path / name} is {why}; convert it where {needs} are installed, and open {there}: "
            f"python -c {shlex.quote(code)}"
        )
