import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "elan", "Élan", "##s", "中", "国", "中国"]


def _write(directory: Path, **options: Any) -> Any:
    """What ``tokenizers`` itself writes for a BERT of these options."""
    ids = {piece: number for number, piece in enumerate(VOCAB)}
    pipeline = tokenizers.BertWordPieceTokenizer(ids, **options)
    pipeline.save(str(directory / "tokenizer.json"))
    return pipeline


@pytest.mark.parametrize(
    "options",
    [
        {"lowercase": True},
        {"lowercase": False},
        {"lowercase": False, "strip_accents": True},
        {"handle_chinese_chars": False},
    ],
    ids=str,
)
def test_directory_with_tokenizer_json_alone_encodes_as_the_library(
    options: dict[str, Any], tmp_path: Path
) -> None:
    theirs = _write(tmp_path, **options)
    ours = BertTokenizer.from_pretrained(tmp_path)
    assert ours.vocab == VOCAB
    for text in ("Élans elan ELAN", "中国 élan", "[MASK]s"):
        assert ours.encode(text).input_ids == theirs.encode(text).ids, text


def test_vocab_txt_goes_first_where_both_are_there(tmp_path: Path) -> None:
    _write(tmp_path)
    BertTokenizer(VOCAB[:-1]).save(tmp_path)
    assert BertTokenizer.from_pretrained(tmp_path).vocab == VOCAB[:-1]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "must be WordPiece"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}}, "must be 0, 1, 2"),
        ({"normalizer": {"type": "NFC"}}, "must be a BertNormalizer"),
        ({"normalizer": None}, "must be a BertNormalizer"),
        ({"added_tokens": [{"id": 11, "content": "<new>"}]}, "beyond its vocabulary: <new>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_pipelines_are_refused(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    _write(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=word):
        BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_damaged_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        BertTokenizer.from_pretrained(tmp_path)
