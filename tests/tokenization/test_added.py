"""Added tokens, against the ``tokenizers`` library and what files declare."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization import AddedToken, Casing, WordPieceTokenizer, check_reading
from tests.support.tokenizer_files import (
    DIRECTORIES,
    NEXT,
    PIECES,
    SLOT,
    TEXTS,
    added,
    drawn_texts,
    write_files,
)

ALL_TEXTS = [*TEXTS, *drawn_texts()]
TOKENS = (
    AddedToken("<e1>", SLOT, special=True, normalized=False),
    AddedToken("<e2>", NEXT, special=True, normalized=False),
    AddedToken("covid", NEXT + 1),
)
# Those whose tokenizer.json alone says all, so that the library reads it as transformers does.
ALONE = [
    name for name, files in DIRECTORIES.items()
    if "tokenizer.json" in files and "another" not in name and "E1" not in str(files)
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer(PIECES, Casing(), added=TOKENS)


def _assert_as_the_library(ours: WordPieceTokenizer, file: Path) -> None:
    theirs = tokenizers.Tokenizer.from_file(str(file))
    theirs.no_truncation()
    theirs.no_padding()
    pairs = [*ALL_TEXTS[1:], ALL_TEXTS[0]]
    encodings = ours.encode_batch(ALL_TEXTS, pairs)
    for text, pair, encoding in zip(ALL_TEXTS, pairs, encodings, strict=True):
        expected = theirs.encode(text, pair)
        assert encoding.input_ids == expected.ids, (text, pair)
        assert encoding.token_type_ids == expected.type_ids, (text, pair)
        assert encoding.offsets == expected.offsets, (text, pair)
        assert ours.encode(text, pair).input_ids == expected.ids
        assert ours.decode(expected.ids) == theirs.decode(expected.ids), text
    plain = [theirs.encode(text, add_special_tokens=False).ids for text in ALL_TEXTS]
    assert ours.encode_sentences(ALL_TEXTS) == plain


@pytest.mark.parametrize("name", ALONE)
def test_directory_is_read_as_the_library_reads_its_tokenizer_json(
    name: str, tmp_path: Path
) -> None:
    write_files(tmp_path, DIRECTORIES[name])
    tokenizer = WordPieceTokenizer.from_pretrained(tmp_path)
    _assert_as_the_library(tokenizer, tmp_path / "tokenizer.json")
    check_reading(tokenizer, ALL_TEXTS)


def test_tokens_in_slots_and_behind_the_vocabulary_stay_whole(
    tokenizer: WordPieceTokenizer,
) -> None:
    assert tokenizer.vocab == [*PIECES, "<e2>", "covid"]
    encoding = tokenizer.encode("<e1>New <e2> covid19", "Covid")
    assert encoding.tokens == [
        *("[CLS]", "<e1>", "new", "<e2>", "covid", "1", "##9", "[SEP]", "covid", "[SEP]")
    ]
    assert encoding.offsets[1:4] == [(0, 4), (4, 7), (8, 12)]
    assert tokenizer.decode(encoding.input_ids) == "new covid 19 covid"


@pytest.mark.parametrize("name", [*DIRECTORIES])
def test_what_is_written_is_read_again_and_by_the_library(name: str, tmp_path: Path) -> None:
    first = WordPieceTokenizer.from_pretrained(write_files(tmp_path / "theirs", DIRECTORIES[name]))
    folder = tmp_path / "ours"
    folder.mkdir()
    first.save(folder)
    again = WordPieceTokenizer.from_pretrained(folder)
    assert again.identity == first.identity
    assert again.vocab == first.vocab
    if (folder / "tokenizer.json").exists():
        _assert_as_the_library(first, folder / "tokenizer.json")
    else:
        assert not first.added


def test_pickle_copy_and_lowercased_keep_them(tokenizer: WordPieceTokenizer) -> None:
    cased = WordPieceTokenizer(PIECES, Casing(do_lower_case=False), added=TOKENS)
    sent = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    for other in (sent, copy.deepcopy(tokenizer)):
        assert other.identity == tokenizer.identity
        assert other.encode_sentences(ALL_TEXTS) == tokenizer.encode_sentences(ALL_TEXTS)
    text = "the <e1> Covid COVID <e2>"
    lowered = cased.lowercased()
    assert lowered.encode(text).input_ids == tokenizer.encode(text).input_ids
    assert lowered.added == TOKENS


def test_added_tokens_of_a_directory_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bert_keras")
    WordPieceTokenizer.from_pretrained(write_files(tmp_path, DIRECTORIES["tokenizer.json"]))
    assert f"3 added tokens: <e1> ({SLOT}), <e2> ({NEXT}), covid ({NEXT + 1})" in caplog.text


def test_identity_tells_tokenizers_with_and_without_them_apart(
    tokenizer: WordPieceTokenizer,
) -> None:
    identities = [tokenizer.identity, WordPieceTokenizer(PIECES).identity]
    identities.append(WordPieceTokenizer(PIECES, added=TOKENS[:1]).identity)
    assert len({json.dumps(identity) for identity in identities}) == 3
    assert "added" not in identities[1]


_SETTINGS = "tokenizer_config.json"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"added_tokens.json": {"<e2>": NEXT + 1}}, f"{NEXT + 1}, but the next free one is {NEXT}"),
        ({"added_tokens.json": {"<e2>": 5}}, r"5, but that is the id of '\[unused0\]'; rename"),
        ({"added_tokens.json": {"<e1>": NEXT}}, f"{NEXT}, but it is number {SLOT} of the vocab"),
        ({"added_tokens.json": {"<e2>": "150"}}, "the id of '<e2>' must be a number"),
        ({"added_tokens.json": {"": NEXT}}, "must have a content"),
        (
            {_SETTINGS: {"added_tokens_decoder": {str(NEXT + 7): {"content": "<e2>"}}}},
            "ids must have no gap",
        ),
        ({_SETTINGS: {"added_tokens_decoder": ["<e2>"]}}, "must be an object of tokens. Received"),
        (
            {_SETTINGS: {"added_tokens_decoder": {str(NEXT): {"content": "<e2>", "regex": True}}}},
            "'<e2>' is not understood",
        ),
        ({_SETTINGS: {"extra_special_tokens": "<e2>"}}, "must be a list of tokens"),
        ({_SETTINGS: {"extra_special_tokens": [3]}}, "must have a content. Received: 3"),
        ({"special_tokens_map.json": {"sep_token": "</s>"}}, r"sep_token must be \[SEP\]"),
        ({"tokenizer.json": {"tokens": (added("<e2>", NEXT + 3),)}}, "no gap"),
        (
            {_SETTINGS: {"image_token": {"content": "<e2>"}}},
            'image_token must be a text, or an object with "__type": "AddedToken"',
        ),
        ({_SETTINGS: {"model_specific_special_tokens": ["<e2>"]}}, "must be an object of tokens"),
        ({"added_tokens.json": {"\u0301": NEXT}}, "is empty in normalized text; leave it out"),
        ({"added_tokens.json": {"\u200b": NEXT}}, "is empty in normalized text; leave it out"),
        (
            {
                _SETTINGS: {
                    "added_tokens_decoder": {
                        str(NEXT): {"content": " ", "lstrip": True},
                        str(NEXT + 1): {"content": "<e2>", "rstrip": True},
                    }
                }
            },
            "the added token ' ' is of spaces with lstrip, and '<e2>' takes spaces with rstrip",
        ),
        (
            {"added_tokens.json": {"<e2>": NEXT, "<E2>": NEXT + 1}},
            "'<e2>' and '<E2>' are the same in normalized text",
        ),
    ],
)
def test_tokens_that_cannot_have_their_ids_are_refused(
    files: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_files(tmp_path, {_SETTINGS: {}} | files)
    with pytest.raises(InputError, match=message) as error:
        WordPieceTokenizer.from_pretrained(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_names_of_tokens_are_kept_where_their_file_is_not_read_again(tmp_path: Path) -> None:
    files = {
        _SETTINGS: {},
        "special_tokens_map.json": {"bos_token": "<e2>", "x_token": {"content": "<e1>"}},
    }
    tokenizer = WordPieceTokenizer.from_pretrained(write_files(tmp_path / "theirs", files))
    (tmp_path / "ours").mkdir()
    tokenizer.save(tmp_path / "ours")
    written = json.loads((tmp_path / "ours" / _SETTINGS).read_text())
    assert "added_tokens_decoder" in written
    assert (written["bos_token"], written["x_token"]) == ("<e2>", "<e1>")


def test_tokens_of_the_models_own_are_read_where_transformers_reads_them(tmp_path: Path) -> None:
    own = {"model_specific_special_tokens": {"x": "<e2>"}}

    def read(name: str, files: dict[str, Any]) -> WordPieceTokenizer:
        return WordPieceTokenizer.from_pretrained(write_files(tmp_path / name, files))

    assert read("alone", {_SETTINGS: own}).vocab[NEXT:] == ["<e2>"]
    assert read("beside", {_SETTINGS: own | {"image_token": "<e1>"}}).vocab == PIECES
    (token,) = read(
        "named", {_SETTINGS: {"image_token": "covid"}, "added_tokens.json": {"covid": NEXT}}
    ).added
    assert token.special


@pytest.mark.parametrize("token", [AddedToken("x1", NEXT + 1), AddedToken("x1", SLOT)])
def test_constructor_refuses_ids_that_are_taken_or_leave_a_gap(token: AddedToken) -> None:
    with pytest.raises(InputError, match=f"'x1' the id {token.id}, but"):
        WordPieceTokenizer(PIECES, added=[token])


def test_tokens_that_differ_in_normalized_text_are_none_to_refuse(tmp_path: Path) -> None:
    files = {_SETTINGS: {"do_lower_case": False}, "added_tokens.json": {"<e2>": NEXT, "<E2>": 151}}
    tokenizer = WordPieceTokenizer.from_pretrained(write_files(tmp_path, files))
    assert tokenizer.tokenize("<E2><e2>") == ["<E2>", "<e2>"]


def test_file_that_is_taken_as_it_is_must_add_berts_special_tokens(tmp_path: Path) -> None:
    def drop(values: Any) -> None:
        del values["added_tokens"][4]

    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    write_files(tmp_path, {_SETTINGS: settings, "tokenizer.json": {"change": drop}})
    with pytest.raises(InputError, match=r"its special added_tokens lack \[MASK\]"):
        WordPieceTokenizer.from_pretrained(tmp_path)
    write_files(tmp_path, {_SETTINGS: settings | {"mask_token": "[MASK]"}})
    assert WordPieceTokenizer.from_pretrained(tmp_path).tokenize("[MASK]") == ["[MASK]"]


@pytest.mark.parametrize("name", [name for name in DIRECTORIES if "another" in name])
def test_files_that_contradict_each_other_are_named(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = WordPieceTokenizer.from_pretrained(write_files(tmp_path, DIRECTORIES[name]))
    assert "than tokenizer_config.json; the latter counts for BERT's own class" in caplog.text
    assert "tokenizer.json" not in tokenizer.files.companions
