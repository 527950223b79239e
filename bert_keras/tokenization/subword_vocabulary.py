"""The vocabulary of a tokenizer of subwords, found among the files of a model directory."""

from pathlib import Path
from typing import Any

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.tokenization.directory import VOCABULARY_FILE, read_config
from bert_keras.tokenization.settings import CONFIG_FILE, PIPELINE_FILE, named_class
from bert_keras.tokenization.subword_classes import CLASSES, CLASSES_OF_MODELS
from bert_keras.tokenization.subword_parts import BPE, KINDS, WORDPIECE, kind_of, library_values
from bert_keras.tokenization.vocabulary import read_vocabulary

BPE_FILES = ("vocab.json", "merges.txt")
SENTENCEPIECE_FILES = ("sentencepiece.bpe.model", "spiece.model", "sentencepiece.model")


def read_values(directory: Path) -> tuple[Path, dict[str, Any]] | None:
    """The file of the vocabulary, and ``tokenizer.json`` as the library reads it.

    Returns:
        None where the directory has no tokenizer of these kinds.

    Raises:
        InputError: When a file cannot be used, or one is missing.
    """
    file, has_own = directory / PIPELINE_FILE, _has_own_word_pieces(directory)
    if file.exists():
        written = read_json_object(file)
        if kind_of(written) not in KINDS or (kind_of(written) == WORDPIECE and not has_own):
            return None
        kept = {key: written.get(key) for key in ("added_tokens", "truncation", "padding")}
        return file, library_values(file, written) | kept
    if (directory / VOCABULARY_FILE).exists():
        if not has_own:
            return None
        pieces = read_vocabulary(directory / VOCABULARY_FILE, needed=())
        model = {"type": WORDPIECE, "vocab": {piece: n for n, piece in enumerate(pieces)}}
        return directory / VOCABULARY_FILE, {"model": model, "added_tokens": None}
    there = [name for name in BPE_FILES if (directory / name).exists()]
    if len(there) == 1:
        missing = next(name for name in BPE_FILES if name not in there)
        raise InputError(f"{directory} has {there[0]}, but byte-level BPE needs {missing} too")
    if there:
        model = _read_bpe(directory)
        return directory / BPE_FILES[0], {"model": model, "added_tokens": None}
    for name in SENTENCEPIECE_FILES:
        if (directory / name).exists():
            raise InputError(
                f"{directory} has its tokenizer as {name} alone, which bert-keras does not read: "
                "write its tokenizer.json, by transformers' AutoTokenizer.from_pretrained and "
                "save_pretrained into this folder"
            )
    return None


def _has_own_word_pieces(directory: Path) -> bool:
    """Tell whether the class of a directory has word pieces by other rules than BERT's."""
    named, model_type, _ = named_class(directory, read_config(directory / CONFIG_FILE))
    name = named or CLASSES_OF_MODELS.get(model_type, "")
    known = CLASSES.get(name.removesuffix("Fast"))
    return known is not None and known.kind == WORDPIECE


def _read_bpe(directory: Path) -> dict[str, Any]:
    """The model of ``vocab.json`` and ``merges.txt``, as RoBERTa was published."""
    vocab, file = read_json_object(directory / BPE_FILES[0]), directory / BPE_FILES[1]
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except ValueError as error:
        raise InputError(f"{file} is not UTF-8: {error}") from None
    merges = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#version") or not line.strip():
            continue
        pair = line.rstrip("\r").split(" ")
        if len(pair) != 2 or "".join(pair) not in vocab:
            raise InputError(
                f"{file}: line {number} must be two tokens that together are one of "
                f"{BPE_FILES[0]}. Received: {line!r:.60}"
            )
        merges.append(pair)
    return {"type": BPE, "vocab": vocab, "merges": merges}
