"""Settings of a directory by which text would be read by other rules than BERT's."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.declared import DECODER

_logger = logging.getLogger("bert_keras")

CONFIG_FILE = "tokenizer_config.json"
PIPELINE_FILE = "tokenizer.json"
_MODEL_FILE = "config.json"
TOKENS = {
    "pad_token": vocabulary.PAD,
    "unk_token": vocabulary.UNK,
    "cls_token": vocabulary.CLS,
    "sep_token": vocabulary.SEP,
    "mask_token": vocabulary.MASK,
}
# Classes with the rules of BertTokenizer, and the models that transformers (5.24) opens it for.
_BERTS_CLASSES = tuple(
    f"{name}Tokenizer"
    for name in ("Bert", "DistilBert", "Electra", "LayoutLM", "Lxmert", "MobileBert", "SqueezeBert")
)
_BERTS_MODELS = (
    *("align", "bark", "bert", "blip", "bros", "chinese_clip", "convbert", "distilbert", "electra"),
    *("ernie", "flava", "git", "grounding-dino", "layoutlm", "megatron-bert", "mm-grounding-dino"),
    *("nezha", "nomic_bert", "qdqbert", "realm", "retribert", "squeezebert", "tvp", "vilt"),
    "visual_bert",
)
# Settings that would change what text becomes, and the values that leave it as it is.
_NEEDED: dict[str, Any] = {
    "do_basic_tokenize": True,
    "clean_text": True,
    "split_special_tokens": False,
    "wordpieces_prefix": vocabulary.CONTINUATION,
    "max_input_chars_per_word": vocabulary.MAX_CHARACTERS_PER_WORD,
    "word_tokenizer_type": "basic",
    "subword_tokenizer_type": "wordpiece",
    "fast_tokenizer_files": [PIPELINE_FILE],
}


def named_class(directory: Path, config: Mapping[str, Any]) -> tuple[str | None, str, Path]:
    """The class of tokenizers that a directory's files name.

    Args:
        directory: The directory.
        config: Its ``tokenizer_config.json``.

    Returns:
        The name, None for none; the ``model_type`` of ``config.json``, empty where that was not
        asked or there is none; the file that was asked last.
    """
    named, model = config.get("tokenizer_class"), directory / _MODEL_FILE
    if named is not None or not model.exists():
        return None if named is None else str(named), "", directory / CONFIG_FILE
    values = read_json_object(model)
    named = values.get("tokenizer_class")
    return None if named is None else str(named), str(values.get("model_type") or ""), model


def has_berts_class(directory: Path, config: dict[str, Any], has_pipeline: bool) -> bool:
    """Tell whether transformers opens the directory by BERT's own class, or by its tokenizer.json.

    Raises:
        InputError: When it does neither.
    """
    named, model_type, source = named_class(directory, config)
    if named is None:
        return model_type in _BERTS_MODELS or not has_pipeline
    kind = named.removesuffix("Fast")
    if kind in _BERTS_CLASSES:
        return True
    if kind == "BertJapaneseTokenizer" or not has_pipeline:
        raise InputError(
            f"{source}: tokenizer_class is {named!r}, whose rules bert-keras lacks; it reads "
            f"BertTokenizer and its kind, and others by a {PIPELINE_FILE} of BERT's parts"
        )
    return False


def check_settings(file: Path, config: dict[str, Any]) -> None:
    """Refuse settings of ``tokenizer_config.json`` by which other rules than BERT's would apply."""
    for key, needed in _NEEDED.items():
        if config.get(key) not in (None, needed):
            raise InputError(
                f"{file}: {key} must be {json.dumps(needed)}, as BERT's is. "
                f"Received: {json.dumps(config[key])}"
            )
    if config.get("auto_map"):
        _logger.warning("%s: auto_map names code of its own, which is never run", file)
    _warn_of_types(file, config)
    never = config.get("never_split") or []
    never = never if isinstance(never, list) else [never]
    others = [token for token in never if token not in vocabulary.SPECIAL_TOKENS]
    if others:
        raise InputError(
            f"{file}: never_split names {', '.join(map(repr, others[:3]))}, which transformers 5 "
            f"splits; make them added tokens ({DECODER}), or leave the key out"
        )


def _warn_of_types(file: Path, config: dict[str, Any]) -> None:
    """Say where transformers gives the tokens of a pair's second text another type than we do.

    By its tokenizers' ``model_input_names`` it makes token types or leaves them to the model, which
    takes 0 for all. DistilBERT has none.
    """
    model = file.parent / _MODEL_FILE
    values = read_json_object(model) if model.exists() else {}
    kind = str(config.get("tokenizer_class") or values.get("tokenizer_class")).removesuffix("Fast")
    is_distil = kind == "DistilBertTokenizer"
    if values.get("model_type", "distilbert" if is_distil else None) == "distilbert":
        return
    names = config.get("model_input_names")
    if names is None:
        why = "tokenizer_class is DistilBertTokenizer, which makes" if is_distil else ""
    else:
        has_types = isinstance(names, list) and "token_type_ids" in names
        why = "" if has_types else "model_input_names has"
    if why:
        _logger.warning(
            "%s: %s no token_type_ids: transformers gives both texts of a pair type 0; bert-keras "
            "gives them 0 and 1",
            file,
            why,
        )


def check_named(file: Path, values: dict[str, Any]) -> None:
    """Refuse other special tokens than BERT's."""
    for key, token in TOKENS.items():
        value = values.get(key, token)
        value = value.get("content") if isinstance(value, dict) else value
        if value != token:
            raise InputError(
                f"{file}: {key} must be {token}. Received: {json.dumps(value)}; rename it there "
                "and in the vocabulary"
            )
