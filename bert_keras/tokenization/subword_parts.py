"""The parts of a ``tokenizer.json`` of subwords: which we take, and as what."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization.vocabulary import CONTINUATION

_logger = logging.getLogger("bert_keras")

BPE, UNIGRAM, WORDPIECE = "BPE", "Unigram", "WordPiece"
KINDS = (BPE, UNIGRAM, WORDPIECE)
# A space before a word, as byte-level BPE and as SentencePiece write it.
SPACE = {BPE: "Ġ", UNIGRAM: "▁"}
BYTES = 256
_PRE_TOKENIZERS = {BPE: "ByteLevel", UNIGRAM: "Metaspace", WORDPIECE: "BertPreTokenizer"}
_TITLES = {BPE: "byte-level BPE", UNIGRAM: "Unigram of SentencePiece", WORDPIECE: "word pieces"}
_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model")
_SEQUENCES = ("normalizers", "pretokenizers", "processors", "decoders")
# Values of a model that change what a text becomes from one call to the next, or where words begin.
_NEEDED: dict[str, dict[str, Any]] = {
    BPE: {"dropout": None, "continuing_subword_prefix": "", "end_of_word_suffix": ""},
    UNIGRAM: {},
    WORDPIECE: {"continuing_subword_prefix": CONTINUATION},
}


def kind_of(values: Mapping[str, Any]) -> str:
    """The type of the model of a ``tokenizer.json``: ``"BPE"``, ``"Unigram"``, ``"WordPiece"``.

    The oldest files do not write it; these are told by what else the model has.
    """
    model = values.get("model")
    if not isinstance(model, dict):
        return ""
    if "type" in model:
        return str(model["type"])
    if "merges" in model:
        return BPE
    return UNIGRAM if isinstance(model.get("vocab"), list) else WORDPIECE


def library_values(file: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """A ``tokenizer.json`` as the ``tokenizers`` library writes what it read of it.

    Without added tokens, truncation and padding, which are others' to judge. The vocabulary and the
    merges stay as they are: the library reads them once, when the tokenizer is made.

    Raises:
        InputError: When the library cannot read it.
    """
    whole: dict[str, Any] = {"version": "1.0"} | {part: values.get(part) for part in _PARTS}
    whole |= {"added_tokens": [], "truncation": None, "padding": None}
    model = whole["model"]
    if kind_of(values) == BPE:
        small: dict[str, Any] = {"vocab": {}, "merges": []}
        large = {"vocab": model.get("vocab"), "merges": _pairs(model.get("merges"))}
    elif kind_of(values) == WORDPIECE:
        small, large = {"vocab": {}}, {"vocab": model.get("vocab")}
    else:
        small = {"vocab": [["", 0.0]], "unk_id": 0}
        large = {"vocab": model.get("vocab"), "unk_id": model.get("unk_id")}
    whole["model"] = model | small
    read = dict(json.loads(library_tokenizer(file, whole).to_str()))
    return read | {"model": read["model"] | large}


def library_tokenizer(file: Path, values: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """The library's tokenizer of the values of a ``tokenizer.json``.

    Raises:
        InputError: When the library cannot read them.
    """
    try:
        return tokenizers.Tokenizer.from_str(json.dumps(values))
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"{file}: the tokenizers library cannot read it: {error}") from None


def _pairs(merges: Any) -> Any:
    """Merges as pairs; older files have each as one text."""
    if not isinstance(merges, list):
        return merges
    return [each.split(" ") if isinstance(each, str) else each for each in merges]


def check_parts(file: Path, values: Mapping[str, Any]) -> None:
    """Refuse a ``tokenizer.json`` with parts that we cannot take.

    The library itself reads text by them. What is refused is what would make the same text another
    from one call to the next, or leave unknown where words begin.

    Args:
        file: The file.
        values: What the library reads there, of ``library_values``.

    Raises:
        InputError: Names the part.
    """
    kind = kind_of(values)
    if kind not in KINDS:
        raise InputError(f"{file}: its model must be {' or '.join(KINDS)}. Received: {kind}")
    model, needed = values["model"], _PRE_TOKENIZERS[kind]
    for key, value in _NEEDED[kind].items():
        if (model.get(key) or None) != (value or None):
            raise InputError(
                f"{file}: {key} of its model must be {json.dumps(value)}, or text has other tokens "
                f"than bert-keras knows. Received: {json.dumps(model[key])}"
            )
    found = [part["type"] for part in steps(values["pre_tokenizer"])]
    if needed not in found:
        raise InputError(
            f"{file}: bert-keras has {_TITLES[kind]} alone, whose pre_tokenizer has a {needed}. "
            f"Received: {', '.join(found) or 'none'}"
        )
    for part in steps(values["pre_tokenizer"]):
        if part["type"] == "Metaspace" and part.get("replacement") != SPACE[UNIGRAM]:
            raise InputError(
                f"{file}: the replacement of its Metaspace must be {SPACE[UNIGRAM]!r}. "
                f"Received: {part.get('replacement')!r}"
            )
    if kind == WORDPIECE and model.get("unk_token") not in model["vocab"]:
        raise InputError(
            f"{file}: the vocabulary lacks {model.get('unk_token')}, the token of unknown words"
        )
    if kind == UNIGRAM and model.get("unk_id") is None:
        raise InputError(
            f"{file}: its model has no unk_id: the tokenizers library ends at the first unknown "
            "character; write the number of its unknown token there"
        )
    if kind == UNIGRAM:
        unknown = model["unk_id"]
        if type(unknown) is not int or not 0 <= unknown < len(model["vocab"]):
            raise InputError(f"{file}: unk_id of its model is no token's id. Received: {unknown!r}")


def drops_marks(normalizer: Any) -> bool:
    """Tell whether a normalizer takes off combining marks."""
    return any(
        part["type"] == "StripAccents" or (part["type"] == "BertNormalizer" and _strips(part))
        for part in steps(normalizer)
    )


def _strips(bert: Mapping[str, Any]) -> bool:
    """Tell whether a ``BertNormalizer`` strips accents: unless told, where it lower-cases."""
    given = bert["strip_accents"]
    return bool(bert["lowercase"] if given is None else given)


def lowers(normalizer: Any) -> bool:
    """Tell whether a normalizer makes capitals small."""
    return any(
        part["type"] == "Lowercase" or (part["type"] == "BertNormalizer" and part["lowercase"])
        for part in steps(normalizer)
    )


def adds_prefix_space(values: Mapping[str, Any]) -> bool:
    """Tell whether the first word of a text has a space before it, as every other."""
    return all(
        part.get("add_prefix_space", True) and part.get("prepend_scheme", "always") != "never"
        for part in steps(values["pre_tokenizer"])
        if part["type"] in _PRE_TOKENIZERS.values()
    )


def steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """A part, or the parts in a ``Sequence``, in their order; none of None."""
    if part is None:
        return
    if part["type"] != "Sequence":
        yield part
        return
    for key in _SEQUENCES:
        for each in part.get(key, ()):
            yield from steps(each)


def vocabulary_of(file: Path, model: Mapping[str, Any]) -> list[str]:
    """The tokens of a model, by id.

    Raises:
        InputError: When its ids leave a gap, or it is no vocabulary.
    """
    vocab = model.get("vocab")
    if isinstance(vocab, list):
        tokens = [each[0] if isinstance(each, list) and len(each) == 2 else None for each in vocab]
        if all(isinstance(token, str) for token in tokens):
            return [str(token) for token in tokens]
    elif isinstance(vocab, dict):
        if {*map(type, vocab.values())} == {int} and {*vocab.values()} == {*range(len(vocab))}:
            return sorted(vocab, key=vocab.__getitem__)
        raise InputError(f"{file}: the ids of the vocabulary must be 0, 1, 2 and so on")
    raise InputError(
        f"{file}: the vocabulary of its model must be tokens with their ids, or pairs of a token "
        f"and a score. Received: {vocab!r:.60}"
    )


def warn_of_bytes(file: Path, model: Mapping[str, Any]) -> None:
    """Say where byte-level BPE lacks bytes, which are then left out of a text."""
    if kind_of({"model": model}) != BPE or model.get("unk_token") is not None:
        return
    missing = [byte for byte in pre_tokenizers.ByteLevel.alphabet() if byte not in model["vocab"]]
    if missing:
        _logger.warning(
            "%s: its vocabulary lacks %d of the %d bytes and has no unknown token: characters "
            "with these bytes are left out of every text",
            file,
            len(missing),
            BYTES,
        )


def hash_of(values: Any) -> str:
    """The SHA-256 of JSON values, in hexadecimal; nothing, "" and false count as left out.

    They are written for the same by one program and another, and mostly are the defaults of the
    keys that a later version of the library adds.
    """
    text = json.dumps(_without_empty(values), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_empty(values: Any) -> Any:
    if isinstance(values, dict):
        return {
            key: _without_empty(value)
            for key, value in values.items()
            if value is not None and value is not False and value != ""
        }
    return [*map(_without_empty, values)] if isinstance(values, list | tuple) else values


def unknown_id(model: Mapping[str, Any], ids: Mapping[str, int]) -> int | None:
    """The id of the token of what the vocabulary lacks; byte-level BPE seldom has one."""
    if kind_of({"model": model}) != UNIGRAM:
        token = model.get("unk_token")
        return None if token is None else ids.get(token)
    return int(model["unk_id"])
