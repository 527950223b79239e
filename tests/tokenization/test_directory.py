"""What a directory says of its tokenizer, read and written back."""

import json
import logging
import string
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer, Casing, write_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SMALL = [*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase)]
CAPITALS = [*string.ascii_uppercase, *(f"##{c}" for c in string.ascii_uppercase)]
CHINESE = [*"的一是不了人我在有他这中国"]
CYRILLIC = [*"абвгдежзийклмнопрстуфхцчшщъыьэюя"]


def _write(directory: Path, vocab: list[str], config: Any = None) -> Path:
    write_vocabulary(directory / "vocab.txt", [*SPECIAL, *vocab])
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory


def _pipeline(directory: Path, **options: Any) -> None:
    vocab = (directory / "vocab.txt").read_text().split()
    ids = {piece: number for number, piece in enumerate(vocab)}
    tokenizers.BertWordPieceTokenizer(ids, **options).save(str(directory / "tokenizer.json"))


@pytest.mark.parametrize(
    ("vocab", "is_cased"),
    [
        (SMALL + CHINESE, False),
        # As Google's chinese_L-12_H-768_A-12: these stand in it as <S> and <T>.
        (["<S>", "<T>", *CHINESE, *SMALL], False),
        (["<URL>", "[USER]", "NBA", "iPhone", "X", *SMALL], False),
        (CHINESE, False),
        (SMALL + CAPITALS, True),
        (["<s>", *CHINESE, *SMALL, *CAPITALS], True),
        # A multilingual vocabulary lacks the capitals of many rare letters.
        ([*SMALL, *CAPITALS, *CYRILLIC, *CYRILLIC[0].upper(), *"ŋðþłıħ"], True),
        (CYRILLIC, False),
        (CYRILLIC + [c.upper() for c in CYRILLIC], True),
        (["the", "cat", "##s"], False),
        (["The", "cat", "the"], True),
    ],
)
def test_casing_goes_by_the_letters_that_words_need_and_is_said(
    vocab: list[str], is_cased: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bert_keras")
    tokenizer = BertTokenizer.from_pretrained(_write(tmp_path, vocab))
    assert tokenizer.casing == Casing(do_lower_case=not is_cased)
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"casing taken as {'cased' if is_cased else 'uncased'}: " in message
    assert f"convert --{'uncased' if is_cased else 'cased'}" in message


def test_casing_can_be_given_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write(tmp_path, SMALL + CAPITALS, {"do_lower_case": True, "never_split": None})
    _pipeline(tmp_path)
    given = Casing(do_lower_case=False)
    tokenizer = BertTokenizer.from_pretrained(tmp_path, given)
    assert tokenizer.casing == given
    (tmp_path / "out").mkdir()
    tokenizer.save(tmp_path / "out")
    assert BertTokenizer.from_pretrained(tmp_path / "out").casing == given
    assert not (tmp_path / "out" / "tokenizer.json").exists()  # it says the other casing


def test_settings_without_casing_leave_it_to_tokenizer_json_then_to_transformers_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bert_keras")
    _write(tmp_path, SMALL + CAPITALS, {"model_max_length": 512})
    assert BertTokenizer.from_pretrained(tmp_path).casing.do_lower_case
    assert "has no do_lower_case, as in transformers" in caplog.text
    _pipeline(tmp_path, lowercase=False)
    assert not BertTokenizer.from_pretrained(tmp_path).casing.do_lower_case
    assert "taken as cased: tokenizer.json says so" in caplog.text


def test_what_came_with_a_tokenizer_is_written_with_it(tmp_path: Path) -> None:
    foreign = {
        "padding_side": "left",
        "clean_up_tokenization_spaces": True,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    place = {"name_or_path": "/home/me/model", "tokenizer_file": None}
    config = {"do_lower_case": False, "tokenizer_class": "BertTokenizerFast"} | foreign | place
    _write(tmp_path, SMALL + CAPITALS, config)
    _pipeline(tmp_path, lowercase=False)
    (tmp_path / "special_tokens_map.json").write_text('{"pad_token": "[PAD]"}')
    (tmp_path / "out").mkdir()
    BertTokenizer.from_pretrained(tmp_path).save(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert foreign.items() <= written.items()
    assert not place.keys() & written.keys()
    assert written["tokenizer_class"] == "BertTokenizer"
    for name in ("vocab.txt", "tokenizer.json", "special_tokens_map.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()


NO_TYPES = {"model_input_names": ["input_ids", "attention_mask"]}
DISTIL = {"tokenizer_class": "DistilBertTokenizerFast"}


@pytest.mark.parametrize(
    ("config", "model_type", "warning"),
    [
        (NO_TYPES, "bert", "model_input_names has no token_type_ids: "),
        (NO_TYPES, None, "model_input_names has no token_type_ids: "),
        (DISTIL, "bert", "DistilBertTokenizer, which makes no token_type_ids: "),
        ({"model_input_names": ["input_ids", "token_type_ids"]} | DISTIL, "bert", ""),
        ({}, "bert", ""),
        (DISTIL | NO_TYPES, "distilbert", ""),
        (DISTIL | NO_TYPES, None, ""),
    ],
    ids=str,
)
def test_pair_that_transformers_gives_one_type_is_named(
    config: Any,
    model_type: str | None,
    warning: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _write(tmp_path, SMALL, {"do_lower_case": True} | config)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    tokenizer = BertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.encode("a", "b").token_type_ids == [0, 0, 0, 1, 1]
    assert (warning in caplog.text) if warning else not caplog.messages


@pytest.mark.parametrize(
    ("source", "positions", "written"),
    [(None, 512, 512), (256, 512, 256), (512, 128, 128), (1e30, 512, 512), (10**30, 64, 64)],
)
def test_length_is_the_smaller_of_the_source_and_the_positions(
    source: Any, positions: int, written: int, tmp_path: Path
) -> None:
    config = {"do_lower_case": True} | ({} if source is None else {"model_max_length": source})
    _write(tmp_path, SMALL, config)
    (tmp_path / "out").mkdir()
    BertTokenizer.from_pretrained(tmp_path).save(tmp_path / "out", positions)
    assert BertTokenizer.from_pretrained(tmp_path / "out").model_max_length == written


@pytest.mark.parametrize("length", [0, -1, "512", True])
def test_length_that_is_none_is_refused(length: Any, tmp_path: Path) -> None:
    _write(tmp_path, SMALL, {"model_max_length": length})
    with pytest.raises(InputError, match="model_max_length must be a number above 0"):
        BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"pad_token": "<pad>"}, r'pad_token must be \[PAD\]. Received: "<pad>"'),
        ({"mask_token": {"content": "<mask>"}}, r'mask_token must be \[MASK\]. Received: "<mask>"'),
        ({"unk_token": None}, r"unk_token must be \[UNK\]. Received: null"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize must be true"),
        ({"split_special_tokens": True}, "split_special_tokens must be false"),
        ({"wordpieces_prefix": "@@"}, 'wordpieces_prefix must be "##"'),
        ({"word_tokenizer_type": "mecab"}, 'word_tokenizer_type must be "basic". .*"mecab"'),
        ({"never_split": ["[MASK]", "co2"]}, "never_split names 'co2'"),
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "'BertJapaneseTokenizer', whose rules"),
        ({"tokenizer_class": "RobertaTokenizerFast"}, "'RobertaTokenizerFast', whose rules"),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, "'PreTrainedTokenizerFast', whose rules"),
    ],
)
def test_settings_that_ask_for_other_rules_are_refused_by_name(
    config: dict[str, Any], word: str, tmp_path: Path
) -> None:
    _write(tmp_path, SMALL, {"do_lower_case": True} | config)
    with pytest.raises(InputError, match=word) as error:
        BertTokenizer.from_pretrained(tmp_path)
    assert "tokenizer_config.json" in str(error.value)


def test_settings_that_mean_what_bert_does_are_none_to_refuse(tmp_path: Path) -> None:
    harmless = {"do_basic_tokenize": True, "never_split": ["[MASK]"], "wordpieces_prefix": None}
    _write(tmp_path, SMALL, {"tokenizer_class": "ElectraTokenizerFast"} | harmless)
    assert BertTokenizer.from_pretrained(tmp_path).vocab == [*SPECIAL, *SMALL]


def test_class_that_config_json_names_counts_where_the_settings_name_none(tmp_path: Path) -> None:
    _write(tmp_path, SMALL, {"do_lower_case": False})
    (tmp_path / "config.json").write_text('{"tokenizer_class": "BertJapaneseTokenizer"}')
    with pytest.raises(InputError, match=r"config\.json: tokenizer_class is 'BertJapanese"):
        BertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["truncation", "padding"])
def test_side_that_is_not_followed_is_named(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"do_lower_case": True, f"{name}_side": "left"}
    BertTokenizer.from_pretrained(_write(tmp_path, SMALL, config))
    assert f"tokenizer_config.json: {name}_side 'left' is kept, but" in caplog.text
    assert len(caplog.messages) == 1
    caplog.clear()
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    _pipeline(tmp_path)
    pipeline = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    if name == "truncation":
        pipeline.enable_truncation(8, direction="left")
    else:
        pipeline.enable_padding(direction="left")
    pipeline.save(str(tmp_path / "tokenizer.json"))
    BertTokenizer.from_pretrained(tmp_path)
    assert f"tokenizer.json: {name}_side 'left' is kept, but" in caplog.text
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("strip_accents", [None, True, False])
def test_lower_cased_text_gives_the_pieces_that_the_text_lower_cased_first_gives(
    strip_accents: bool | None, tmp_path: Path
) -> None:
    vocab = [*SPECIAL, *SMALL, *CAPITALS, "é", "##é", "nb", "ca"]
    tokenizer = BertTokenizer(vocab, Casing(do_lower_case=False, strip_accents=strip_accents))
    for text in ("NBA [MASK] Élan", "Cafés"):
        first = text.lower().replace("[mask]", "[MASK]")
        assert tokenizer.lowercased().tokenize(text) == tokenizer.tokenize(first)
    tokenizer.lowercased().save(tmp_path)  # the files stay of the tokenizer that came
    assert BertTokenizer.from_pretrained(tmp_path).casing == tokenizer.casing


@pytest.mark.parametrize(
    "value", [True, 3, "x", [], [3], {"a": 1}, [["[PAD]"]], "\ud800"], ids=repr
)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("tokenizer_config.json", ("never_split",)),
        ("tokenizer_config.json", ("tokenizer_class",)),
        ("tokenizer_config.json", ("mask_token",)),
        ("tokenizer_config.json", ("extra_special_tokens",)),
        ("tokenizer_config.json", ("added_tokens_decoder",)),
        ("special_tokens_map.json", ("additional_special_tokens",)),
        ("special_tokens_map.json", ("unk_token",)),
        ("added_tokens.json", ("<e1>",)),
        ("tokenizer.json", ("added_tokens",)),
        ("tokenizer.json", ("truncation",)),
        ("tokenizer.json", ("model", "vocab")),
        ("tokenizer.json", ("model", "vocab", "[PAD]")),
        ("tokenizer.json", ("normalizer", "lowercase")),
        ("tokenizer.json", ("post_processor",)),
    ],
    ids=str,
)
def test_value_of_another_type_is_read_or_refused_in_one_line(
    name: str, path: tuple[str, ...], value: Any, tmp_path: Path
) -> None:
    _write(tmp_path, SMALL, {"do_lower_case": True})
    _pipeline(tmp_path)
    file = tmp_path / name
    values = inner = json.loads(file.read_text()) if file.exists() else {}
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(values))
    message = str(tmp_path)
    try:
        BertTokenizer.from_pretrained(tmp_path).encode("the <e1>")
    except InputError as error:
        message = str(error)
    assert str(tmp_path) in message
    assert "\n" not in message
