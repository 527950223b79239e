import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer, write_vocabulary

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


def test_its_vocabulary_wins_over_vocab_txt_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path)
    write_vocabulary(tmp_path / "vocab.txt", VOCAB[:-1])
    assert BertTokenizer.from_pretrained(tmp_path).vocab == VOCAB
    assert "vocab.txt and tokenizer.json have different vocabularies" in caplog.text


def _set(values: Any, *path_and_value: Any) -> None:
    *path, key, value = path_and_value
    for name in path:
        values = values[name]
    values[key] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("model", {"type": "BPE", "vocab": {}, "merges": []}), "must be WordPiece. Received: BPE"),
        (("model", "vocab", "国", 12), "must be 0, 1, 2"),
        (("model", "vocab", "国", 9.0), "must be 0, 1, 2"),
        (("model", "vocab", "[SEP]", "3"), "must be 0, 1, 2"),
        (("model", "vocab", {}), "must be 0, 1, 2"),
        (("model", "vocab", None), "its vocabulary must be an object. Received: None"),
        (("truncation", {"direction": None}), "the tokenizers library cannot read it"),
        (("truncation", {"direction": 5}), "the tokenizers library cannot read it"),
        (("model", "continuing_subword_prefix", "@@"), "continuing_subword_prefix of its model"),
        (("model", "max_input_chars_per_word", 200), "max_input_chars_per_word of its model"),
        (("model", "unk_token", "[PAD]"), r"unk_token of its model must be '\[UNK\]'"),
        (("model", "unk_token", "<unk>"), r"unk_token of its model must be '\[UNK\]'"),
        (("normalizer", {"type": "NFC"}), "normalizer must be a BertNormalizer"),
        (("normalizer", None), "normalizer must be a BertNormalizer"),
        (("normalizer", "clean_text", False), "that cleans the text"),
        (
            ("pre_tokenizer", {"type": "Whitespace"}),
            "its pre_tokenizer is not BERT's: .*Whitespace",
        ),
        (("pre_tokenizer", None), "its pre_tokenizer is not BERT's: null"),
        (("post_processor", "sep", ["[CLS]", 2]), "its post_processor is not BERT's"),
        (("post_processor", "cls", ["[CLS]", 7]), "its post_processor is not BERT's"),
        (("post_processor", None), "its post_processor is not BERT's: null"),
        (("decoder", "prefix", "@@"), "its decoder is not BERT's"),
        (("decoder", "cleanup", False), "its decoder is not BERT's"),
        (("decoder", None), "its decoder is not BERT's: null"),
        (("decoder", {"type": "ByteLevel"}), "its decoder is not BERT's|cannot read it"),
        (("decoder", {"type": "None of them"}), "the tokenizers library cannot read it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_pipelines_are_refused_by_the_part_that_differs(
    change: tuple[Any, ...], message: str, tmp_path: Path
) -> None:
    _write(tmp_path)
    file = tmp_path / "tokenizer.json"
    values = json.loads(file.read_text())
    _set(values, *change)
    file.write_text(json.dumps(values))
    with pytest.raises(InputError, match=message) as error:
        BertTokenizer.from_pretrained(tmp_path)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("single", ["[CLS] $A", "[CLS] $A:1 [SEP]", "$A [SEP]"])
def test_template_that_is_not_berts_is_refused(single: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    _write(tmp_path)
    pipeline = tokenizers.Tokenizer.from_file(str(file))
    for text, is_berts in (("[CLS] $A [SEP]", True), (single, False)):
        pipeline.post_processor = tokenizers.processors.TemplateProcessing(
            single=text,
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
        pipeline.save(str(file))
        if is_berts:
            assert BertTokenizer.from_pretrained(tmp_path).vocab == VOCAB
        else:
            with pytest.raises(InputError, match="its post_processor is not BERT's"):
                BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_damaged_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "change", [("decoder", None), ("decoder", "cleanup", False), ("post_processor", None)]
)
def test_parts_that_berts_own_class_puts_in_itself_may_be_missing(
    change: tuple[Any, ...], tmp_path: Path
) -> None:
    theirs = _write(tmp_path)
    file = tmp_path / "tokenizer.json"
    values = json.loads(file.read_text())
    _set(values, *change)
    file.write_text(json.dumps(values))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    ours = BertTokenizer.from_pretrained(tmp_path)
    assert ours.encode("elans", "中国").input_ids == theirs.encode("elans", "中国").ids
    assert ours.decode([5, 7, 8]) == "elans 中"
