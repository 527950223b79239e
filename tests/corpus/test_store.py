import json
import logging
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.store import token_dtype
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    SequenceTemplate,
    WordPieceTokenizer,
    learn_vocabulary,
    write_vocabulary,
)
from tests.support.files import flip

WORDS = "apple bread cloud dream eagle flame grass house island jewel".split()  # noqa: SIM905


def _document(number):
    first, second = WORDS[number % 10], WORDS[number // 10 % 10]
    return f"The {first} is here. A {second} was there. Number {number}.\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(40):
        (folder / f"{number:02}.txt").write_text(_document(number))
    texts = [_document(number) for number in range(100)]
    write_vocabulary(folder / "vocab", learn_vocabulary(texts, 200))
    prepare_corpus([folder], folder / "vocab", folder / "out")
    return folder


@pytest.fixture
def damaged(prepared, tmp_path):
    shutil.copytree(prepared / "out", tmp_path / "out")
    return tmp_path / "out"


def _texts(corpus):
    bounds = corpus.sentence_offsets[corpus.documents]
    return {corpus.tokenizer.decode(corpus.tokens[start:end]) for start, end in bounds}


def test_an_opened_corpus_has_what_training_reads(prepared):
    corpus = Corpus.open(prepared / "out")
    assert isinstance(corpus.tokens, np.memmap)
    assert corpus.sentence_offsets[0] == 0
    assert corpus.sentence_offsets[-1] == len(corpus.tokens) == corpus.num_tokens
    assert corpus.documents.shape == (40, 2)
    assert corpus.documents.max() == len(corpus.sentence_offsets) - 1
    assert (corpus.tokenizer.pad_id, corpus.tokenizer.mask_id) == (0, 4)
    assert corpus.tokenizer.template == SequenceTemplate.bert(cls_id=2, sep_id=3)
    assert corpus.vocab_size == len(corpus.tokenizer.vocab)
    assert corpus.tokens.max() < corpus.vocab_size


def test_corpus_json_names_word_pieces_as_it_always_has(prepared):
    description = json.loads((prepared / "out" / "corpus.json").read_text())
    assert list(description)[:5] == [
        "format_version", "vocab_hash", "vocab_size", "casing", "arrays_hash",
    ]  # fmt: skip
    corpus = Corpus.open(prepared / "out")
    assert corpus.tokenizer.identity == {
        "vocab_hash": description["vocab_hash"], "casing": description["casing"],
    }  # fmt: skip
    assert list(json.loads(corpus.identity)) == ["vocab_hash", "casing", "arrays_hash"]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(1 << 16, "uint16"), ((1 << 16) + 1, "int32")])
def test_ids_take_two_bytes_as_long_as_the_largest_fits(vocab_size, dtype):
    assert token_dtype(vocab_size) == dtype
    assert vocab_size - 1 <= np.iinfo(dtype).max


def test_a_tokenizer_that_is_given_must_be_the_corpus_own(prepared):
    own = Corpus.open(prepared / "out").tokenizer
    assert Corpus.open(prepared / "out", own).tokenizer is own
    other = WordPieceTokenizer([*own.vocab, "more"])
    with pytest.raises(InputError, match=r"was prepared with another tokenizer"):
        Corpus.open(prepared / "out", other)


def test_split_shares_out_whole_documents(prepared):
    corpus = Corpus.open(prepared / "out")
    train, held_out = corpus.split(0.3)
    assert _texts(train) | _texts(held_out) == _texts(corpus)
    assert not _texts(train) & _texts(held_out)
    assert 4 <= len(held_out.documents) <= 20
    assert train.num_tokens + held_out.num_tokens == corpus.num_tokens
    assert train.tokens is corpus.tokens


def test_other_files_do_not_move_a_document_to_the_other_side(prepared, tmp_path):
    files = [prepared / f"{number:02}.txt" for number in (31, 7, 12, 3, 25, 18, 5, 39)]
    prepare_corpus(files, prepared / "vocab", tmp_path / "some")
    some = Corpus.open(tmp_path / "some")
    every_held_out = _texts(Corpus.open(prepared / "out").split(0.4)[1])
    assert _texts(some.split(0.4)[1]) == _texts(some) & every_held_out != set()


@pytest.mark.parametrize("fraction", [1e-9, 0.999_999])
def test_both_sides_get_a_document(prepared, fraction):
    sizes = [len(side.documents) for side in Corpus.open(prepared / "out").split(fraction)]
    assert sorted(sizes) == [1, 39]


def test_nothing_is_held_out_without_a_fraction_or_a_second_document(prepared, tmp_path):
    corpus = Corpus.open(prepared / "out")
    assert [len(side.documents) for side in corpus.split(0)] == [40, 0]
    prepare_corpus([prepared / "01.txt"], prepared / "vocab", tmp_path / "one")
    assert [len(s.documents) for s in Corpus.open(tmp_path / "one").split(0.5)] == [1, 0]
    with pytest.raises(InputError, match="eval_fraction"):
        corpus.split(1.0)


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a corpus"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize("name", ["tokens", "sentence_offsets", "document_offsets"])
@pytest.mark.parametrize("size", [0, 40, -2])
def test_a_cut_array_is_refused_in_one_line(damaged, name, size):
    file = damaged / f"{name}.npy"
    content = file.read_bytes()
    file.write_bytes(content[:size])
    with pytest.raises(InputError, match="damaged") as caught:
        Corpus.open(damaged)
    assert "\n" not in str(caught.value)
    assert f"{name}.npy" in str(caught.value)
    file.unlink()
    with pytest.raises(InputError, match="missing"):
        Corpus.open(damaged)


def test_arrays_that_do_not_belong_together_are_refused(damaged):
    offsets = np.load(damaged / "sentence_offsets.npy")
    offsets[3] = offsets[2]
    np.save(damaged / "sentence_offsets.npy", offsets)
    with pytest.raises(InputError, match="do not ascend"):
        Corpus.open(damaged)
    np.save(damaged / "sentence_offsets.npy", offsets.astype(object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        Corpus.open(damaged)


def test_another_vocabulary_is_refused(damaged):
    with (damaged / "vocab.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(InputError, match="not the vocabulary"):
        Corpus.open(damaged)


def test_a_corpus_is_told_by_what_it_holds_wherever_its_text_was(prepared, tmp_path):
    text, changed = "The apple is here. A bread was there.", "The bread is here. A apple was there."
    identities, sizes = [], []
    for number, (folder, content) in enumerate((("a", text), ("b", text), ("a", changed))):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "text.txt").write_text(content)
        prepare_corpus([tmp_path / folder], prepared / "vocab", tmp_path / str(number))
        corpus = Corpus.open(tmp_path / str(number))
        identities.append(corpus.identity)
        sizes.append((corpus.num_tokens, corpus.documents.tolist()))
    assert sizes[0] == sizes[1] == sizes[2]
    assert identities[0] == identities[1] != identities[2]


def test_a_corpus_of_before_the_hash_opens_and_is_told_by_its_description(damaged, caplog):
    path = damaged / "corpus.json"
    description = json.loads(path.read_text())
    del description["arrays_hash"], description["hashes"]
    path.write_text(json.dumps(description))
    assert Corpus.open(damaged).identity == path.read_text()
    with caplog.at_level(logging.INFO, "bert_keras"):
        Corpus.open(damaged).verify()
    assert "damage cannot be found" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 4}, "corpus format 4"),
        ({"counts": {"tokens": 1}}, "damaged"),
        ({"counts": None}, "damaged"),
        ({"casing": {"do_lower_case": 3}}, "true or false"),
        ({"vocab_hash": ""}, "not the vocabulary"),
        ({"arrays_hash": "0" * 64}, r"corpus.json is damaged \(.*arrays_hash is not that of"),
        ({"hashes": {"tokens.npy": "0" * 64}}, r"corpus.json is damaged"),
        ({"hashes": {"tokens.npy": "x"}}, r"corpus.json is damaged"),
    ],
)
def test_a_description_that_cannot_be_right_is_refused(damaged, change, message):
    path = damaged / "corpus.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        Corpus.open(damaged)
    path.write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        Corpus.open(damaged)


ARRAYS = ("tokens.npy", "sentence_offsets.npy", "document_offsets.npy")


def _refusal(path: Path) -> str:
    """What a run says of a corpus as it begins: one line, or nothing."""
    try:
        Corpus.open(path).verify()
    except InputError as error:
        return str(error)
    return ""


def test_a_whole_corpus_passes_wherever_it_lies(damaged, tmp_path):
    assert _refusal(damaged) == ""
    damaged.rename(tmp_path / "moved")
    assert _refusal(tmp_path / "moved") == ""


@pytest.mark.parametrize("name", [*ARRAYS, "vocab.txt"])
@pytest.mark.parametrize("harm", ["a bit", "cut", "longer", "missing"])
def test_a_damaged_file_is_named_with_what_to_do(damaged, name, harm):
    file = damaged / name
    data = file.read_bytes()
    if harm == "a bit":  # the ids and offsets stay possible ones
        flip(file, {"tokens.npy": 130, "vocab.txt": 31}.get(name, -16))
    elif harm == "cut":
        file.write_bytes(data[:-3])
    elif harm == "longer":
        file.write_bytes(data + b"more\n")
    else:
        file.unlink()
    message = _refusal(damaged)
    assert message.startswith(f"{file} is damaged (")
    assert message.endswith("; prepare the corpus again")


def test_one_prepared_before_each_file_had_a_hash_is_checked_as_a_whole(damaged):
    path = damaged / "corpus.json"
    description = json.loads(path.read_text())
    del description["hashes"]
    path.write_text(json.dumps(description))
    assert _refusal(damaged) == ""
    flip(damaged / "tokens.npy", 130)
    assert " or ".join(ARRAYS) + " is damaged" in _refusal(damaged)


def test_no_flipped_byte_changes_what_a_run_reads(damaged):
    """Anywhere in any file, the header and the description included; the source may say anything.

    What is refused is one line; what passes must hold the same as before.
    """
    draw = random.Random(0)
    whole = Corpus.open(damaged)
    read = [np.array(a) for a in (whole.tokens, whole.sentence_offsets, whole.documents)]
    refused = 0
    for name in (*ARRAYS, "vocab.txt", "corpus.json"):
        file = damaged / name
        kept = file.read_bytes()
        header = range(0, min(len(kept), 128), 2)
        for position in [*header, *draw.sample(range(len(kept)), 40)]:
            flip(file, position, 1 << draw.randrange(8))
            message = _refusal(damaged)
            refused += bool(message)
            assert "\n" not in message
            if not message:
                corpus = Corpus.open(damaged)
                arrays = (corpus.tokens, corpus.sentence_offsets, corpus.documents)
                assert all(np.array_equal(a, b) for a, b in zip(read, arrays, strict=True))
                assert corpus.tokenizer.identity == whole.tokenizer.identity
            file.write_bytes(kept)
    assert refused > 400


def test_hashing_that_takes_long_says_so_once(damaged, monkeypatch, caplog):
    from bert_keras.corpus import hashes

    monkeypatch.setattr(hashes, "_SECONDS_IN_SILENCE", -1.0)
    with caplog.at_level(logging.INFO, "bert_keras"):
        Corpus.open(damaged).verify()
    (line,) = caplog.messages
    assert "hashing its files to find damage" in line
