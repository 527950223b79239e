"""The rules of transformers' classes of tokenizers that build their pipeline themselves.

Of a ``tokenizer.json`` such a class takes the vocabulary, the merges and the character map
(transformers 5.24, ``TokenizersBackend.convert_to_native_format``); the other parts are its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.tokenization.subword_parts import BPE, SPACE, UNIGRAM, WORDPIECE, kind_of, steps
from bert_keras.tokenization.vocabulary import CONTINUATION, MAX_CHARACTERS_PER_WORD, UNK

_ROBERTAS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_ALBERTS = _ROBERTAS | {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "sep_token": "[SEP]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True)
class TokenizerClass:
    """A class of transformers.

    Attributes:
        kind: The type of its model.
        tokens: Its special tokens by their roles, where no file names others.
        unk_id: The id of the unknown token, which is fixed.
        mask_takes_spaces: Whether the mask takes the spaces before it, where no file says.
    """

    kind: str
    tokens: Mapping[str, str]
    unk_id: int | None = None
    mask_takes_spaces: bool = False


CLASSES = {
    "RobertaTokenizer": TokenizerClass(BPE, _ROBERTAS),
    "XLMRobertaTokenizer": TokenizerClass(UNIGRAM, _ROBERTAS, unk_id=3),
    "AlbertTokenizer": TokenizerClass(UNIGRAM, _ALBERTS, unk_id=1),
    "MPNetTokenizer": TokenizerClass(
        WORDPIECE, _ROBERTAS | {"unk_token": UNK}, mask_takes_spaces=True
    ),
}
# By the model_type of config.json, where no file names the class.
CLASSES_OF_MODELS = {
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "albert": "AlbertTokenizer",
    "mpnet": "MPNetTokenizer",
}


def class_parts(
    file: Path,
    name: str,
    config: Mapping[str, Any],
    values: Mapping[str, Any],
    roles: Mapping[str, str],
    ids: Mapping[str, int],
) -> dict[str, Any]:
    """The parts that a class builds, under their names in ``tokenizer.json``.

    Args:
        file: The file of the vocabulary, for messages.
        name: The class, of ``CLASSES``.
        config: ``tokenizer_config.json``.
        values: ``tokenizer.json``.
        roles: The special tokens by their roles.
        ids: The ids of all tokens.

    Raises:
        InputError: When the model is of another type than the class's.
    """
    kind = CLASSES[name].kind
    if kind_of(values) != kind:
        raise InputError(
            f"{file}: {name} needs a model of type {kind}. Received: {kind_of(values)}"
        )
    needed = ("cls_token", "sep_token", "bos_token", "eos_token")
    lacking = sorted({roles[key] for key in needed if roles[key] not in ids})
    if lacking:
        raise InputError(f"{file}: the vocabulary lacks {' and '.join(lacking)}")
    token = {key: (text, ids[text]) for key, text in roles.items() if text in ids}
    if kind == BPE:
        return _robertas(config, values["model"], token["cls_token"], token["sep_token"])
    if kind == WORDPIECE:
        return _mpnets(config, values["model"]["vocab"], roles["unk_token"], token)
    scheme = "always" if config.get("add_prefix_space", True) else "never"
    metaspace = {"type": "Metaspace", "replacement": SPACE[UNIGRAM], "prepend_scheme": scheme}
    splits = [{"type": "WhitespaceSplit"}, metaspace | {"split": True}]
    charsmap = [part for part in steps(values.get("normalizer")) if part["type"] == "Precompiled"]
    vocab = values["model"]["vocab"]
    parts: dict[str, Any] = {
        "model": {"type": kind, "unk_id": CLASSES[name].unk_id, "vocab": vocab},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits},
        "decoder": metaspace | {"split": True},
        "normalizer": charsmap[0] if charsmap else None,
    }
    if name == "AlbertTokenizer":
        normalizers = [*_albert_normalizers(config), *charsmap[:1]]
        parts["normalizer"] = {"type": "Sequence", "normalizers": normalizers}
        first, last = token["cls_token"], token["sep_token"]
        # Of the three classes this one alone keeps that of the file.
        own = _template(first, last, between=1, second_type=1)
        parts["post_processor"] = values.get("post_processor") or own
    else:
        first, last = token["bos_token"], token["eos_token"]
        parts["post_processor"] = _template(first, last, between=2, second_type=0)
    return parts


def _robertas(
    config: Mapping[str, Any],
    model: Mapping[str, Any],
    cls: tuple[str, int],
    sep: tuple[str, int],
) -> dict[str, Any]:
    space = bool(config.get("add_prefix_space", False))
    bytes_ = {"type": "ByteLevel", "add_prefix_space": space}
    bytes_ |= {"trim_offsets": True, "use_regex": True}
    return {
        "model": {
            "type": BPE,
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": model["vocab"],
            "merges": model["merges"],
        },
        "normalizer": None,
        "pre_tokenizer": bytes_,
        "decoder": bytes_ | {"add_prefix_space": True},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": list(sep),
            "cls": list(cls),
            "trim_offsets": bool(config.get("trim_offsets", True)),
            "add_prefix_space": space,
        },
    }


def _mpnets(
    config: Mapping[str, Any], vocab: Any, unknown: str, token: Mapping[str, tuple[str, int]]
) -> dict[str, Any]:
    return {
        "model": {
            "type": WORDPIECE,
            "unk_token": unknown,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_CHARACTERS_PER_WORD,
            "vocab": vocab,
        },
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
            "strip_accents": config.get("strip_accents"),
            "lowercase": config.get("do_lower_case", True),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": WORDPIECE, "prefix": CONTINUATION, "cleanup": True},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": list(token["sep_token"]),
            "cls": list(token["cls_token"]),
            "trim_offsets": True,
            "add_prefix_space": False,
        },
    }


def _albert_normalizers(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": quotes}, "content": '"'}
        for quotes in ("``", "''")
    ]
    if not config.get("keep_accents", False):
        parts += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if config.get("do_lower_case", True):
        parts.append({"type": "Lowercase"})
    return parts


def _template(
    first: tuple[str, int], last: tuple[str, int], between: int, second_type: int
) -> dict[str, Any]:
    """A ``TemplateProcessing`` of special tokens around texts."""

    def special(token: tuple[str, int], kind: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": token[0], "type_id": kind}}

    def text(name: str, kind: int = 0) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    single = [special(first), text("A"), special(last)]
    second = [text("B", second_type), special(last, second_type)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *[special(last)] * (between - 1), *second],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]} for name, number in (first, last)
        },
    }
