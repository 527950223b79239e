"""Byte-level BPE and Unigram: their directories, tokens and places (parity: ``tests/parity``)."""

import json
import logging
import pickle
import re

import numpy as np
import pytest
import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization import (
    Casing,
    SequenceTemplate,
    SubwordTokenizer,
    WordPieceTokenizer,
    read_pieces,
)
from tests.support.subwords import (
    DIRECTORIES,
    SENTENCES,
    hostile_texts,
    learned,
    put,
    write_directory,
    written,
)

TEXTS = [*SENTENCES, "", "  two  spaces ", "The <mask> fox", *hostile_texts(60, seed=2)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every kind of directory."""
    root = tmp_path_factory.mktemp("directories")
    return {name: write_directory(root / str(n), name) for n, name in enumerate(DIRECTORIES)}


@pytest.mark.parametrize("name", ["untrimmed offsets", "metaspace alone", "byte fallback"])
def test_a_tokenizer_json_that_counts_as_it_is_gives_the_librarys_encodings(folders, name):
    ours = SubwordTokenizer.from_pretrained(folders[name])
    theirs = tokenizers.Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
    for text, pair in zip(TEXTS, reversed(TEXTS), strict=True):
        for second in (None, pair):
            encoding, expected = ours.encode(text, second), theirs.encode(text, second)
            assert encoding.input_ids == expected.ids, (text, second)
            assert encoding.offsets == expected.offsets, (text, second)
            assert encoding.token_type_ids == expected.type_ids, (text, second)
        assert ours.decode(encoding.input_ids) == theirs.decode(expected.ids)


@pytest.mark.parametrize("name", DIRECTORIES)
def test_what_is_saved_is_read_as_the_same_tokenizer(folders, name, tmp_path):
    first = read_pieces(folders[name], None)
    first.save(tmp_path, positions=64)
    again = SubwordTokenizer.from_pretrained(tmp_path)
    assert again.identity == first.identity
    assert again.model_max_length == 64
    assert again.template == first.template
    expected = [encoding.input_ids for encoding in first.encode_batch(TEXTS)]
    for other in (again, pickle.loads(pickle.dumps(first))):  # noqa: S301
        assert [encoding.input_ids for encoding in other.encode_batch(TEXTS)] == expected
    with pytest.raises(InputError, match="already"):
        again.save(tmp_path)


def test_special_tokens_stand_as_in_the_papers(folders):
    layouts = {
        "roberta": SequenceTemplate.roberta(0, 2),
        "xlm-r": SequenceTemplate.roberta(0, 2),
        "albert": SequenceTemplate.bert(2, 3),
        "mpnet": SequenceTemplate.roberta(0, 2),
    }
    for name, template in layouts.items():
        assert SubwordTokenizer.from_pretrained(folders[name]).template == template
    pair = SubwordTokenizer.from_pretrained(folders["roberta"]).encode("fox", "dog")
    assert [token for token in pair.tokens if token[0] == "<"] == ["<s>", "</s>", "</s>", "</s>"]


def test_a_word_begins_with_its_space():
    bpe, unigram = learned("bpe"), learned("unigram")
    for tokenizer, expected in ((bpe, [4, 8]), (unigram, [0, 4, 8])):
        encoding = tokenizer.encode("fox the fox")
        starts = tokenizer.starts_word[encoding.input_ids[1:-1]]
        places = [start for start, _ in encoding.offsets[1:-1]]
        assert [
            place for place, is_start in zip(places, starts, strict=True) if is_start
        ] == expected
        assert tokenizer.starts_word[tokenizer.mask_id]
    assert bpe.joins_by_space
    assert not unigram.joins_by_space


def test_mpnets_word_pieces_are_read_as_berts_and_its_mask_takes_the_space(folders):
    for name in ("mpnet", "mpnet's vocab.txt"):
        tokenizer = SubwordTokenizer.from_pretrained(folders[name])
        vocab = [token for token in tokenizer.vocab if token not in ("<s>", "<pad>", "</s>")]
        bert = WordPieceTokenizer(vocab)
        text = "The NAÏVE fox, 服务!"
        assert tokenizer.tokenize(text) == bert.tokenize(text)
        encoding = tokenizer.encode("the <mask> fox")
        assert [token.content for token in tokenizer.added if token.lstrip] == ["<mask>"]
        ids = encoding.input_ids
        assert tokenizer.starts_word[ids].tolist() == [t[:2] != "##" for t in encoding.tokens]


def test_mpnets_vocabulary_without_a_token_for_unknown_words_is_refused(folders, tmp_path):
    pieces = (folders["mpnet's vocab.txt"] / "vocab.txt").read_text(encoding="utf-8")
    put(tmp_path, None, None, "mpnet")
    (tmp_path / "vocab.txt").write_text(pieces.replace("[UNK]\n", ""), encoding="utf-8")
    with pytest.raises(InputError, match=r"vocab\.txt: the vocabulary lacks \[UNK\]"):
        read_pieces(tmp_path, None)


def test_unigram_without_a_prefix_space_reads_texts_joined_by_one_as_one_text(tmp_path):
    pipeline = written(tmp_path / "model", "unigram")
    metaspace = pipeline["pre_tokenizer"]["pretokenizers"][1]
    pipeline["pre_tokenizer"] = metaspace | {"prepend_scheme": "never"}
    put(tmp_path / "model", pipeline, {"tokenizer_class": "PreTrainedTokenizerFast"})
    tokenizer = read_pieces(tmp_path / "model", None)
    assert tokenizer.joins_by_space
    first, second = tokenizer.encode_sentences(["The fox.", " The dog."])
    assert tokenizer.encode_sentences(["The fox. The dog."])[0] == first + second
    assert not tokenizer.starts_word[first[0]]  # so a corpus holds word_starts.npy


def test_a_word_begins_at_an_ideograph_too():
    # "fox" belongs to the ideograph before; a token of BPE may begin within a character.
    for kind, expected in (("bpe", {4, 8}), ("unigram", {0, 4, 5, 8, 9})):
        tokenizer = learned(kind)
        encoding = tokenizer.encode("The 酒店, 服务fox")
        starts = tokenizer.starts_word[encoding.input_ids[1:-1]]
        places = [place for place, _ in encoding.offsets[1:-1]]
        found = {place for place, is_start in zip(places, starts, strict=True) if is_start}
        assert found == expected
    bpe = learned("bpe")
    by_text = dict(zip(bpe.vocab, bpe.starts_word, strict=True))
    # Bytes: the first of U+4000 to U+4FFF, of kana, of full-width marks; and one that is no first.
    assert [bool(by_text[token]) for token in ("ä", "ã", "ï", "ģ")] == [True, False, False, False]


def test_the_words_of_bpe_are_text():
    bpe = learned("bpe")
    ids = bpe.encode_sentences(["这家酒店很好，服务也不错。"])[0]
    whole = [bpe.words[number] for number in ids if "\ufffd" not in bpe.words[number]]
    assert "，" in "".join(whole)
    assert {*"".join(whole)} <= {*"这家酒店很好，服务也不错。"}
    assert bpe.words[bpe.mask_id] == "<mask>"
    assert bpe.words[bpe.vocab.index("Ġfox")] == "fox"


def test_offsets_of_words_leave_out_the_space_before_them(folders):
    tokenizer = SubwordTokenizer.from_pretrained(folders["untrimmed offsets"])
    text = "the fox  the"
    (plain,), (words,) = tokenizer.encode_batch([text]), tokenizer.encode_words([text])
    taken = [text[start:end] for start, end in words.offsets[1:-1]]
    assert any(text[start:end].startswith(" ") for start, end in plain.offsets)
    assert "".join(taken).replace(" ", "") == "thefoxthe"
    assert all(piece == piece.strip() or not piece.strip() for piece in taken)


def test_text_is_lowered_before_the_rules_and_the_files_stay_as_they_were(tmp_path):
    tokenizer = learned("bpe")
    lowered = tokenizer.lowercased()
    assert (
        lowered.encode("THE FOX <mask>").input_ids == tokenizer.encode("the fox <mask>").input_ids
    )
    assert lowered.lowercased() is lowered
    assert lowered.identity != tokenizer.identity
    lowered.save(tmp_path)
    assert SubwordTokenizer.from_pretrained(tmp_path).identity == tokenizer.identity


def test_a_lone_surrogate_is_read_as_the_replacement_character():
    tokenizer = learned("unigram")
    assert tokenizer.tokenize("fox\ud800") == tokenizer.tokenize("fox\ufffd")


def test_a_class_whose_rules_differ_from_the_file_counts_and_that_is_said(tmp_path, caplog):
    pipeline = written(tmp_path / "model", "bpe")
    pipeline["pre_tokenizer"]["add_prefix_space"] = True
    put(tmp_path / "model", pipeline, None, "roberta")
    tokenizer = SubwordTokenizer.from_pretrained(tmp_path / "model")
    assert not tokenizer.adds_prefix_space
    assert "its pre_tokenizer differs from that of RobertaTokenizer" in caplog.text


def test_bytes_that_the_vocabulary_lacks_are_named(tmp_path, caplog):
    pipeline = written(tmp_path / "model", "bpe")
    model = pipeline["model"]
    kept = [piece for piece in model["vocab"] if piece != "Ã"]
    model["vocab"] = {piece: number for number, piece in enumerate(kept)}
    model["merges"] = []
    pipeline["added_tokens"][-1]["id"] = len(kept)
    put(tmp_path / "model", pipeline, None, "roberta")
    read_pieces(tmp_path / "model", None)
    assert "lacks 1 of the 256 bytes" in caplog.text


def test_a_directory_of_word_pieces_is_left_to_others(tmp_path):
    assert read_pieces(tmp_path, None) is None
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"")
    assert read_pieces(tmp_path, None) is None
    with pytest.raises(InputError, match="has no tokenizer of byte-level BPE or Unigram"):
        SubwordTokenizer.from_pretrained(tmp_path)


def _of(change, kind="bpe"):
    def write(folder):
        pipeline = written(folder, kind)
        change(pipeline)
        put(folder, pipeline, {"tokenizer_class": "PreTrainedTokenizerFast"})

    return write


def _file(name, text):
    def write(folder):
        folder.mkdir()
        (folder / name).write_text(text)

    return write


def _config(**config):
    def write(folder):
        put(folder, written(folder, "bpe"), config)

    return write


REFUSED = {
    r"dropout of its model must be null.*Received: 0\.1": _of(
        lambda values: values["model"].update(dropout=0.1)
    ),
    "whose pre_tokenizer has a ByteLevel. Received: Whitespace": _of(
        lambda values: values.update(pre_tokenizer={"type": "Whitespace"})
    ),
    "the tokenizers library cannot read it": _of(
        lambda values: values.update(normalizer={"type": "Guess"})
    ),
    "must put special tokens around a text": _of(lambda values: values.update(post_processor=None)),
    "its model has no unk_id": _of(lambda values: values["model"].update(unk_id=None), "unigram"),
    "unk_id of its model is no token's id. Received: 'x'": _of(
        lambda values: values["model"].update(unk_id="x"), "unigram"
    ),
    "tokenizers library cannot read it": _of(lambda values: values["model"].update(merges=["a"])),
    "PREFIX A SUFFIX.*<s>:0 .A:0 and": _of(
        lambda values: values["post_processor"]["single"].pop(), "unigram"
    ),
    "gives '<s>' the id 77777; in the vocabulary the token has number 0": _of(
        lambda values: values["post_processor"].update(cls=["<s>", 77777])
    ),
    "gives '</s>' the id 9999; in the vocabulary the token has number 2": _of(
        lambda values: values["post_processor"]["special_tokens"]["</s>"].update(ids=[9999]),
        "unigram",
    ),
    "gives '<none>' the id 0; in the vocabulary the token is not there": _of(
        lambda values: values["post_processor"].update(cls=["<none>", 0])
    ),
    "the next free one is": _of(lambda values: values["added_tokens"][-1].update(id=900)),
    "the ids of the vocabulary must be 0, 1, 2": _of(
        lambda values: values["model"]["vocab"].update(zzz=9999)
    ),
    "a tokenizer needs a mask_token": _of(lambda values: values["added_tokens"].pop()),
    "tokenizer_class is 'LlamaTokenizer'": _config(tokenizer_class="LlamaTokenizer"),
    "XLMRobertaTokenizer needs a model of type Unigram. Received: BPE": _config(
        tokenizer_class="XLMRobertaTokenizer"
    ),
    "split_special_tokens must be false": _config(split_special_tokens=True),
    "sentencepiece.bpe.model alone.*AutoTokenizer.*save_pretrained": _file(
        "sentencepiece.bpe.model", ""
    ),
    "has vocab.json, but byte-level BPE needs merges.txt too": _file("vocab.json", "{}"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_taken_is_refused_in_one_line(message, tmp_path):
    REFUSED[message](tmp_path / "model")
    with pytest.raises(InputError, match=message) as caught:
        read_pieces(tmp_path / "model", None)
    assert "\n" not in str(caught.value)


def test_messages_name_the_file_with_its_folder(tmp_path):
    pipeline = written(tmp_path / "model", "bpe")
    pipeline["post_processor"]["cls"] = ["<s>", 7]
    put(tmp_path / "model", pipeline, {"tokenizer_class": "PreTrainedTokenizerFast"})
    file = tmp_path / "model" / "tokenizer.json"
    with pytest.raises(InputError, match=f"^{re.escape(str(file))}: its post_processor"):
        read_pieces(tmp_path / "model", None)


def test_a_missing_role_names_the_file_with_its_folder(tmp_path):
    REFUSED["a tokenizer needs a mask_token"](tmp_path / "model")
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path))}.*needs a mask_token"):
        read_pieces(tmp_path / "model", None)


@pytest.mark.parametrize(
    ("strip_accents", "lowercase", "expected"),
    [(False, True, False), (True, False, True), (None, True, True), (None, False, False)],
)
def test_marks_go_where_accents_are_stripped(strip_accents, lowercase, expected, tmp_path):
    pipeline = written(tmp_path / "model", "unigram")
    pipeline["normalizer"] = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": False,
        "strip_accents": strip_accents,
        "lowercase": lowercase,
    }
    put(tmp_path / "model", pipeline, {"tokenizer_class": "PreTrainedTokenizerFast"})
    tokenizer = read_pieces(tmp_path / "model", None)
    normalizer = tokenizers.Tokenizer.from_file(str(tmp_path / "model/tokenizer.json")).normalizer
    assert (normalizer.normalize_str("e\u0301").casefold() == "e") == expected
    assert tokenizer.drops_marks == expected


def test_identities_are_the_same_under_every_version_of_the_library(tmp_path):
    """Another hash would make all corpora look damaged: ``make test-oldest`` runs this, too."""
    hashes = {kind: learned(kind).identity["rules_hash"][:16] for kind in ("bpe", "unigram")}
    assert hashes == {"bpe": "78a76fa48d9da663", "unigram": "b21b598680d039f6"}
    rules = json.loads(learned("bpe")._parts.rules)
    for part in (rules["model"], rules["pre_tokenizer"]):  # as a later version may have them
        part["new_key"] = False
    later = SubwordTokenizer(*learned("bpe")._parts._replace(rules=json.dumps(rules)))
    assert later.identity == learned("bpe").identity


def test_merges_that_make_no_token_are_named_by_their_line(tmp_path):
    folder = write_directory(tmp_path / "model", "roberta's vocab.json and merges.txt")
    with (folder / "merges.txt").open("a") as file:
        file.write("zz qq\n")
    with pytest.raises(InputError, match=r"merges.txt: line \d+ must be two tokens.*'zz qq'"):
        read_pieces(folder, None)


def test_a_casing_is_refused(folders):
    with pytest.raises(InputError, match="leave the casing out"):
        read_pieces(folders["roberta"], Casing())


def test_companions_are_kept_as_they_came(folders, tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    tokenizer = read_pieces(folders["roberta's vocab.json and merges.txt"], None)
    tokenizer.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")
    }
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "RobertaTokenizer"
    assert isinstance(tokenizer.starts_word, np.ndarray)
