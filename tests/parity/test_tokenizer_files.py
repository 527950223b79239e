"""Directories of tokenizers, read as transformers reads them (`make parity`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForMaskedLM
from bert_keras.errors import InputError
from bert_keras.tokenization import Casing, WordPieceTokenizer
from tests.support.models import TINY, make_model
from tests.support.tokenizer_files import (
    DIRECTORIES,
    NEXT,
    PIECES,
    TEXTS,
    added,
    drawn_texts,
    write_files,
)

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::FutureWarning")]

ALL_TEXTS = [*TEXTS, *drawn_texts()]


def _assert_same(ours: WordPieceTokenizer, theirs: Any) -> None:
    assert len(theirs) == ours.vocab_size
    declared = {number: str(token) for number, token in theirs.added_tokens_decoder.items()}
    pieces = theirs.convert_ids_to_tokens(list(range(ours.vocab_size)))
    assert [declared.get(number, piece) for number, piece in enumerate(pieces)] == ours.vocab
    # An empty second text is none to transformers.
    pairs = [text or "a" for text in [*ALL_TEXTS[1:], ALL_TEXTS[0]]]
    for text, pair, encoding in zip(
        ALL_TEXTS, pairs, ours.encode_batch(ALL_TEXTS, pairs), strict=True
    ):
        expected = theirs(text, pair, return_offsets_mapping=True, return_token_type_ids=True)
        assert encoding.input_ids == expected["input_ids"], (text, pair)
        assert encoding.token_type_ids == expected["token_type_ids"], (text, pair)
        assert encoding.offsets == expected["offset_mapping"], (text, pair)
        decoded = theirs.decode(encoding.input_ids, skip_special_tokens=True)
        assert ours.decode(encoding.input_ids) == decoded, text
    sentences = [theirs(text, add_special_tokens=False)["input_ids"] for text in ALL_TEXTS]
    assert ours.encode_sentences(ALL_TEXTS) == sentences


def test_tokens_that_transformers_added_are_read_from_what_it_saved(tmp_path: Path) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(write_files(tmp_path / "plain", {}))
    theirs.add_tokens(["covid", transformers.AddedToken("York", single_word=True, rstrip=True)])
    theirs.add_special_tokens({"additional_special_tokens": ["<e2>", "[unused0]"]})
    theirs.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text('{"model_type": "bert"}')
    ours = WordPieceTokenizer.from_pretrained(tmp_path / "saved")
    assert len(ours.added) == 4
    _assert_same(ours, theirs)
    _assert_same(ours, transformers.AutoTokenizer.from_pretrained(tmp_path / "saved"))


@pytest.mark.parametrize("name", DIRECTORIES)
def test_directory_is_read_as_by_transformers_and_again_once_it_is_written(
    name: str, tmp_path: Path
) -> None:
    folder, written = write_files(tmp_path / "theirs", DIRECTORIES[name]), tmp_path / "ours"
    ours = WordPieceTokenizer.from_pretrained(folder)
    _assert_same(ours, transformers.AutoTokenizer.from_pretrained(folder))
    written.mkdir()
    ours.save(written)
    again = WordPieceTokenizer.from_pretrained(written)
    assert again.identity == ours.identity
    (written / "config.json").write_text('{"model_type": "bert"}')
    _assert_same(again, transformers.AutoTokenizer.from_pretrained(written))


def test_tokens_that_we_add_are_read_and_answered_alike_by_transformers(tmp_path: Path) -> None:
    model = make_model(BertForMaskedLM, config=replace(TINY, vocab_size=NEXT))
    model.tokenizer = WordPieceTokenizer(PIECES, Casing())
    for tokens, special in ((["<e2>", "[unused0]"], True), (["covid", "New York"], False)):
        model = bert_keras.add_tokens(model, tokens, special=special)
    bert_keras.save(model, tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    _assert_same(model.tokenizer, theirs)
    fed = theirs("<e2> Covid", return_tensors="pt")
    ids = {name: value.numpy().astype("int32") for name, value in fed.items()}
    hf_model = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "model")
    expected = hf_model(**fed).logits.detach().numpy()
    given = model(ids | {"masked_lm_positions": np.arange(ids["input_ids"].shape[1])[None]})
    np.testing.assert_allclose(given["masked_lm_logits"], expected, atol=1e-4, rtol=1e-5)


def _flags(draw: np.random.Generator, every: bool = False) -> dict[str, bool]:
    names = ("lstrip", "rstrip", "single_word", "normalized", "special")
    return {name: bool(draw.random() < 0.4) for name in names if every or draw.random() < 0.7}


def _drawn_files(seed: int) -> dict[str, Any]:
    """Any files with any tokens and flags, which may contradict one another."""
    draw = np.random.default_rng(seed)
    number, tokens = NEXT, []
    contents = ["<e1>", "<e2>", "covid", "New York", "[unused0]", "<E2>", "the", "##word", "é"]
    for content in draw.choice(contents, draw.integers(0, 5), replace=False).tolist():
        tokens.append((content, PIECES.index(content) if content in PIECES else number))
        number += content not in PIECES
    names = ["BertTokenizer", "PreTrainedTokenizerFast", "DistilBertTokenizer", "FooTokenizer"]
    typed = [{"__type": "AddedToken", "content": c, **_flags(draw)} for c, _ in tokens[:1]]
    mask = {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False}
    settings = {
        "do_lower_case": bool(draw.random() < 0.5),
        "strip_accents": [True, False, None][draw.integers(3)],
        "tokenize_chinese_chars": bool(draw.random() < 0.5),
        "tokenizer_class": str(draw.choice(names)),
        "added_tokens_decoder": {str(n): {"content": c, **_flags(draw)} for c, n in tokens},
        "extra_special_tokens": [content for content, _ in tokens[:2]],
        "additional_special_tokens": typed,
        "bos_token": str(draw.choice(["[CLS]", "<e2>"])),
    }
    rows = tuple(added(content, number, **_flags(draw, every=True)) for content, number in tokens)
    files = {
        "added_tokens.json": dict(tokens[:3]),
        "special_tokens_map.json": {
            "mask_token": mask, "additional_special_tokens": [c for c, _ in tokens[1:3]],
        },
        "tokenizer.json": {"tokens": rows, "lowercase": bool(draw.random() < 0.6)},
    }  # fmt: skip
    kept = {name: values for name, values in files.items() if draw.random() < 0.4}
    return {
        "tokenizer_config.json": {k: v for k, v in settings.items() if draw.random() < 0.4}, **kept
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_drawn_directory_is_read_as_by_transformers_or_refused(seed: int, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "theirs", _drawn_files(seed))
    try:
        ours = WordPieceTokenizer.from_pretrained(folder)
    except InputError as error:
        # What transformers reads all the same it reads by chance, or not as a BERT would.
        reasons = ("whose rules bert-keras lacks", "the same in normalized text", "lack [")
        if not any(reason in str(error) for reason in reasons):
            with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind
                transformers.AutoTokenizer.from_pretrained(folder)
        return
    _assert_same(ours, transformers.AutoTokenizer.from_pretrained(folder))
