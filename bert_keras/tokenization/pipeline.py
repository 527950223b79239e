"""BERT's pipeline of the ``tokenizers`` library, and a ``tokenizer.json`` compared with it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

from bert_keras.errors import InputError
from bert_keras.tokenization import vocabulary
from bert_keras.tokenization.added import AddedToken, check_findable, tokens_of
from bert_keras.tokenization.casing import Casing

_INSTEAD = "bert-keras has BERT's rules alone; without tokenizer.json, vocab.txt is read by them"
# The parts that transformers puts in itself, for BERT's own class, where the file has none.
_PUT_IN = ("post_processor", "decoder")


def make_pipeline(
    pieces: Sequence[str], casing: Casing, added: Sequence[AddedToken] = ()
) -> tokenizers.Tokenizer:
    """BERT's pipeline: word pieces, special tokens around them, added tokens left whole.

    Raises:
        InputError: When the library cannot look for an added token, or gives it another id.
    """
    check_findable(added, casing, "the tokenizer")
    ids = {piece: number for number, piece in enumerate(pieces)}
    longest = vocabulary.MAX_CHARACTERS_PER_WORD
    pipeline = tokenizers.Tokenizer(
        models.WordPiece(ids, unk_token=vocabulary.UNK, max_input_chars_per_word=longest)
    )
    pipeline.normalizer = casing.normalizer()
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pipeline.decoder = decoders.WordPiece(prefix=vocabulary.CONTINUATION)
    pipeline.post_processor = processors.TemplateProcessing(
        single=f"{vocabulary.CLS}:0 $A:0 {vocabulary.SEP}:0",
        pair=f"{vocabulary.CLS}:0 $A:0 {vocabulary.SEP}:0 $B:1 {vocabulary.SEP}:1",
        special_tokens=[(token, ids[token]) for token in (vocabulary.CLS, vocabulary.SEP)],
    )
    tokens = tokens_of(pieces, added)
    add_tokens(pipeline, tokens)
    return pipeline


def add_tokens(pipeline: tokenizers.Tokenizer, tokens: Sequence[AddedToken]) -> None:
    """Add tokens to a pipeline.

    Raises:
        InputError: When the library gives one another id.
    """
    pipeline.add_tokens([token.for_library() for token in tokens])
    for token in tokens:
        number = pipeline.token_to_id(token.content)
        if number != token.id:
            raise InputError(
                f"the added token {token.content!r} has the id {token.id}, but the tokenizers "
                f"library gives it {number}"
            )


def wordpiece_model(file: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The model in a ``tokenizer.json``, which must be WordPiece; nothing more of it is checked."""
    model = values.get("model")
    kind = model.get("type", "WordPiece") if isinstance(model, dict) else model
    if not isinstance(model, dict) or kind != "WordPiece":
        raise InputError(f"{file} is not BERT's tokenizer: it must be WordPiece. Received: {kind}")
    return model


def check_pipeline(file: Path, values: dict[str, Any], *, is_berts: bool) -> None:
    """Refuse a ``tokenizer.json`` whose parts are not BERT's.

    All are compared as the ``tokenizers`` library reads them, so that no key is passed over; the
    normalizer's casing, the vocabulary, added tokens, truncation and padding are others' to judge,
    the vocabulary before this.

    Args:
        file: The file.
        values: What it holds.
        is_berts: Whether its class is BERT's own, which has parts that the file lacks.

    Raises:
        InputError: Names the part that differs.
    """
    model = wordpiece_model(file, values)
    ids = {token: number for number, token in enumerate(vocabulary.SPECIAL_TOKENS)}
    small = {"version": "1.0"} | values | {"added_tokens": [], "model": model | {"vocab": ids}}
    if isinstance(small["model"].get("unk_token"), str):
        ids.setdefault(small["model"]["unk_token"], len(ids))
    try:
        theirs = json.loads(tokenizers.Tokenizer.from_str(json.dumps(small)).to_str())
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"{file}: the tokenizers library cannot read it: {error}") from None
    ours = json.loads(make_pipeline(vocabulary.SPECIAL_TOKENS, Casing()).to_str())
    theirs["post_processor"] = _template(theirs["post_processor"], model["vocab"])
    ours["post_processor"] = _template(ours["post_processor"], ours["model"]["vocab"])
    if is_berts and isinstance(theirs["decoder"], dict):
        theirs["decoder"]["cleanup"] = True  # as transformers has it there
    for part in ("pre_tokenizer", "post_processor", "decoder"):
        if theirs[part] is None and is_berts and part in _PUT_IN:
            continue
        if theirs[part] != ours[part]:
            raise InputError(
                f"{file}: its {part} is not BERT's: {_shown(values.get(part))}; {_INSTEAD}"
            )
    for key, value in ours["model"].items():
        if key != "vocab" and theirs["model"].get(key) != value:
            raise InputError(
                f"{file}: {key} of its model must be {value!r}. "
                f"Received: {theirs['model'].get(key)!r}; {_INSTEAD}"
            )
    _check_normalizer(file, theirs["normalizer"], values.get("normalizer"))


def pipeline_casing(normalizer: dict[str, Any]) -> Casing:
    """The casing of a ``tokenizer.json``'s ``BertNormalizer``."""
    return Casing(
        do_lower_case=normalizer.get("lowercase", True),
        strip_accents=normalizer.get("strip_accents"),
        tokenize_chinese_chars=normalizer.get("handle_chinese_chars", True),
    )


def _check_normalizer(file: Path, theirs: Any, written: Any) -> None:
    is_berts = isinstance(theirs, dict) and theirs.get("type") == "BertNormalizer"
    if not (is_berts and theirs.get("clean_text")):
        raise InputError(
            f"{file} is not BERT's tokenizer: its normalizer must be a BertNormalizer that "
            f"cleans the text. Received: {_shown(written)}; {_INSTEAD}"
        )


def _template(processor: Any, ids: dict[str, int]) -> Any:
    """The special tokens around texts, their token types, and whether their ids are these.

    Of ``BertProcessing`` and ``TemplateProcessing``, which say the same; any other as it is.
    """
    kind = processor.get("type") if isinstance(processor, dict) else None
    if kind == "BertProcessing":
        tokens = (cls, sep) = processor["cls"], processor["sep"]
        single = [("SpecialToken", cls[0], 0), ("Sequence", "A", 0), ("SpecialToken", sep[0], 0)]
        pair = [*single, ("Sequence", "B", 1), ("SpecialToken", sep[0], 1)]
        return {"single": single, "pair": pair, "ids": all(ids.get(t) == n for t, n in tokens)}
    if kind != "TemplateProcessing":
        return processor
    layout: dict[str, Any] = {}
    for name in ("single", "pair"):
        places = [(kind, at) for item in processor[name] for kind, at in item.items()]
        layout[name] = [(kind, at["id"], at["type_id"]) for kind, at in places]
    special = processor["special_tokens"].values()
    found = [[ids.get(token) for token in entry["tokens"]] == entry["ids"] for entry in special]
    return layout | {"ids": all(found)}


def _shown(part: Any) -> str:
    text = json.dumps(part, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}..."
