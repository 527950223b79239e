"""Model directories in the Hugging Face layout: config.json, model.safetensors, vocab.txt."""

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory
from bert_keras.modeling import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
)
from bert_keras.modeling.model import BertModel
from bert_keras.saving.config_json import config_values, head_arguments, label_notes, write_json
from bert_keras.saving.embedding_modules import DENSE_WEIGHTS, add_dense
from bert_keras.saving.families import Family, family_of_config, family_of_model
from bert_keras.saving.safetensors_files import (
    INDEX_FILE,
    WEIGHTS_FILE,
    Tensors,
    open_tensors,
)
from bert_keras.saving.sentence_transformers import (
    EMBEDDING,
    MODULES_FILE,
    Settings,
    read_settings,
    settings_files,
    write_settings,
)
from bert_keras.saving.stored import StoredModel, StoredWeights, components_in, stored_weights
from bert_keras.saving.weights import weights_to_save
from bert_keras.tokenization import Tokenizer

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
_ADAPTER_FILE = "adapter_config.json"
_PICKLE = ("a pickle, which can run any code, and is never read", "torch and transformers", "")
# Each with why it is not read, what reads it, and that program's option for it.
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
# Files that the command for converting does not copy: weights in other formats.
_LEFT = ("*.bin", "*.bin.index.json", "*.h5", "*.msgpack", "*.ot", "*.onnx", ".git")
_OLD_ENDS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def save_huggingface(
    model: BertModel, path: str | Path, tokenizer: Tokenizer | None = None
) -> None:
    """Write a model directory that ``transformers.AutoModel.from_pretrained`` opens too.

    Raises:
        InputError: When no family has the model's class, or the directory has other files in it.
        OSError: When the files cannot be written; a directory that was there stays as it was.
    """
    config = config_values(model)
    family = family_of_model(type(model))
    assert family is not None, "else config_values refuses it"
    tokenizer = tokenizer or model.tokenizer
    tensors: dict[str, np.ndarray] = {}
    is_bare = config["architectures"] == [family.architecture(family.encoder)]
    prefix = family.prefix if is_bare else ""
    for weight, variable in weights_to_save(model, family, family.names):
        for name, array in weight.to_file(variable.numpy()).items():
            tensors[name.removeprefix(prefix)] = array
    dense = {name: tensors.pop(name) for name in DENSE_WEIGHTS if name in tensors}
    with atomic_directory(path, replace=True) as directory:
        write_json({CONFIG_FILE: config}, directory)
        # transformers needs a framework in the metadata.
        metadata = {"format": "pt"}
        safetensors.numpy.save_file(tensors, directory / WEIGHTS_FILE, metadata=metadata)
        if tokenizer is not None:
            tokenizer.save(directory, model.config.longest_sequence)
        if isinstance(model, BertForSentenceEmbedding):
            write_settings(model, dense, directory)
        else:
            write_json(model.other_files, directory)
        if model.card:
            (directory / CARD_FILE).write_text(model.card, encoding="utf-8")


def read_huggingface(path: Path) -> StoredModel:
    """A model directory of a family, perhaps one of sentence-transformers."""
    refuse_adapter(path)
    file = path / CONFIG_FILE
    values = read_json_object(file)
    family = family_of_config(file, values)
    _refuse_other_weights(path, family, values)
    tensors = open_tensors(path)
    config, foreign = family.read_config(values)
    settings, wrong = _settings(path, tensors, config.hidden_size)
    weights = _weights(tensors, family)
    model_class, refusal = family.named_class(file, values)
    # The files that Google published hold more than their config says.
    found = components_in(weights, family, config)
    if model_class is BertForMaskedLM and "next_sentence_head" in found:
        model_class = BertForPreTraining
    is_scored = model_class is not None and issubclass(model_class, BertForSequenceClassification)
    is_embedding = settings.kind == EMBEDDING if settings else bool(wrong) and not is_scored
    refusal = wrong or refusal
    arguments = head_arguments(model_class, values, str(file), settings and settings.activation)
    if is_embedding:
        model_class = family.sentence_embedding
        arguments = dict(settings.arguments) if settings else {}
        refusal = "" if settings else refusal
        if model_class is None:
            refusal = f"{path}: bert-keras has no sentence embedding of a {family.title}"
    notes = [*settings.notes] if settings else []
    notes += label_notes(arguments.get("labels"), values, str(file))
    names = [CONFIG_FILE, *settings_files(path)]
    names += [INDEX_FILE] if tensors.file.name == INDEX_FILE else []
    names += [file.relative_to(path).as_posix() for file in tensors.files]
    names += family.tokenizer_files
    return StoredModel(
        path=path,
        layout="huggingface",
        family=family,
        config=config,
        weights=weights,
        model_class=model_class,
        arguments=arguments,
        refusal=refusal,
        read_tokenizer=partial(family.read_tokenizer, path),
        foreign=foreign,
        other_files=settings.files if settings and (is_embedding or is_scored) else {},
        notes=notes,
        files={name: path / name for name in names},
    )


def _settings(path: Path, tensors: Tensors, hidden_size: int) -> tuple[Settings | None, str]:
    """The settings of sentence-transformers in a directory, whose tensors get those of its Dense.

    Returns:
        None where there are none; and why they are not supported, so that the encoder may be
        opened all the same.
    """
    if not (path / MODULES_FILE).exists():
        return None, ""
    try:
        settings = read_settings(path, hidden_size)
        if settings.dense is not None:
            add_dense(tensors, settings.dense, hidden_size, settings.arguments)
    except InputError as error:
        return None, str(error)
    return settings, ""


def _weights(tensors: Tensors, family: Family) -> StoredWeights:
    """The file's tensors under the family's names.

    The oldest files say gamma and beta, and bare encoders leave out the prefix.
    """
    names, prefix = family.names, family.prefix
    of_encoder = (name for name in names.layers.values() if name.startswith(prefix))
    bare = tuple({name.removeprefix(prefix).partition(".")[0] + "." for name in of_encoder})

    def rename(name: str) -> str:
        for old, new in _OLD_ENDS.items():
            name = name.removesuffix(old) + new if name.endswith(old) else name
        return prefix + name if name.startswith(bare) else name

    is_bare = not any(name.startswith(prefix) for name in tensors.shapes)

    def missing(name: str) -> str:
        return name.removeprefix(prefix) if is_bare else name

    return stored_weights(str(tensors.file), names, tensors.shapes, tensors.read, rename, missing)


def refuse_adapter(path: Path) -> None:
    """Refuse an adapter of peft, which transformers would put on the weights beside it."""
    file = path / _ADAPTER_FILE
    if file.exists():
        weights = (WEIGHTS_FILE, INDEX_FILE, *_OTHER_WEIGHTS)
        may_be_merged = any((path / name).exists() for name in weights)
        raise InputError(
            f"{file} is of an adapter of peft, which is not read; merge it first, "
            "model.merge_and_unload().save_pretrained(FOLDER)"
            + (", or remove the file where that is done" if may_be_merged else "")
        )


def _refuse_other_weights(path: Path, family: Family, values: Mapping[str, Any]) -> None:
    """Refuse a directory without safetensors, with a command that converts it.

    The command copies the directory without such weights, so that the tokenizer, the pooling and
    all else are kept, and writes the model into the copy.
    """
    if any((path / name).exists() for name in (WEIGHTS_FILE, INDEX_FILE)):
        return
    for name, (why, needs, option) in _OTHER_WEIGHTS.items():
        if not (path / name).exists():
            continue
        architecture = str((values.get("architectures") or ["AutoModel"])[0])
        # Only a known class, so that a config cannot bring code into the command.
        if architecture not in family.classes:
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
