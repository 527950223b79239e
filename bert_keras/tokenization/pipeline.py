"""Reading ``tokenizer.json``, the pipeline file of the ``tokenizers`` library."""

from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.files import read_json_object
from bert_keras.tokenization.casing import Casing


def read_pipeline(path: Path) -> tuple[list[str], Casing]:
    """The vocabulary and the casing of a BERT's ``tokenizer.json``.

    Raises:
        InputError: When the pipeline is not BERT's: other word pieces (byte-level BPE, say),
            another normaliser, or tokens added beyond the vocabulary.
    """
    values = read_json_object(path)
    model = values.get("model") or {}
    ids, kind = model.get("vocab"), model.get("type", "WordPiece")
    if kind != "WordPiece" or not isinstance(ids, dict):
        raise InputError(f"{path} is not BERT's tokenizer: it must be WordPiece. Received: {kind}")
    pieces = sorted(ids, key=ids.__getitem__)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))):
        raise InputError(f"{path}: the ids of the vocabulary must be 0, 1, 2 and so on")
    added = [token.get("content") for token in values.get("added_tokens") or []]
    beyond = [token for token in added if token not in ids]
    if beyond:
        raise InputError(f"{path} adds tokens beyond its vocabulary: {', '.join(beyond[:3])}")
    casing = pipeline_casing(values)
    if casing is None:
        raise InputError(
            f"{path} is not BERT's tokenizer: its normalizer must be a BertNormalizer that "
            f"cleans the text. Received: {values.get('normalizer')!r}"
        )
    return pieces, casing


def pipeline_casing(values: dict[str, Any]) -> Casing | None:
    """The casing of a ``tokenizer.json``; None where its normaliser is not BERT's."""
    normalizer = values.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return None
    if not normalizer.get("clean_text", True):
        return None
    return Casing(
        do_lower_case=normalizer.get("lowercase", True),
        strip_accents=normalizer.get("strip_accents"),
        tokenize_chinese_chars=normalizer.get("handle_chinese_chars", True),
    )
