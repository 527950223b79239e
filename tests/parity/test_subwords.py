"""Byte-level BPE and Unigram, read as transformers reads them (`make parity`)."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bert_keras.tokenization import SubwordTokenizer, learn_subwords
from tests.support.subwords import DIRECTORIES, SENTENCES, hostile_texts, learned, write_directory

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::FutureWarning")]

HOSTILE = [*SENTENCES, "", " ", "  The fox", *hostile_texts(400)]


def _assert_same(ours: SubwordTokenizer, theirs: Any, texts: list[str]) -> None:
    names = theirs.convert_ids_to_tokens(range(len(theirs)))
    for number, token in theirs.added_tokens_decoder.items():
        names[number] = token.content  # the library gives the normalized text of some
    assert names == ours.vocab
    assert (ours.pad_id, ours.mask_id) == (theirs.pad_token_id, theirs.mask_token_id)
    pairs = [text or "a" for text in [*texts[1:], texts[0]]]  # an empty one is none to transformers
    for second, longest in ((None, None), (pairs, None), (None, 7), (pairs, 12)):
        cut = {} if longest is None else {"truncation": True, "max_length": longest}
        expected = theirs(
            texts, second, return_offsets_mapping=True, return_token_type_ids=True, **cut
        )
        for number, encoding in enumerate(ours.encode_batch(texts, second, longest)):
            case = (texts[number], second and second[number], longest)
            assert encoding.input_ids == expected["input_ids"][number], case
            assert encoding.offsets == expected["offset_mapping"][number], case
            assert encoding.token_type_ids == expected["token_type_ids"][number], case
    alone = theirs(texts, add_special_tokens=False)["input_ids"]
    assert ours.encode_sentences(texts) == alone
    for ids in expected["input_ids"]:
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", DIRECTORIES)
def test_directory_is_read_as_by_transformers_and_again_once_it_is_written(
    name: str, tmp_path: Path
) -> None:
    folder, written = write_directory(tmp_path / "theirs", name), tmp_path / "ours"
    ours = SubwordTokenizer.from_pretrained(folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    _assert_same(ours, theirs, HOSTILE)
    written.mkdir()
    ours.save(written)
    again = SubwordTokenizer.from_pretrained(written)
    assert again.identity == ours.identity
    _assert_same(again, transformers.AutoTokenizer.from_pretrained(written), HOSTILE[:80])
    theirs.save_pretrained(tmp_path / "saved")
    saved = SubwordTokenizer.from_pretrained(tmp_path / "saved")
    assert (saved.vocab, saved.identity) == (ours.vocab, ours.identity)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_100_000_hostile_texts_have_transformers_tokens(kind: str, tmp_path: Path) -> None:
    learned(kind).save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = hostile_texts(100_000, seed=1)
    for start in range(0, len(texts), 2_000):  # transformers keeps all lists of a call
        _assert_same(learned(kind), theirs, texts[start : start + 2_000])


@pytest.fixture(scope="module")
def real_texts(shared_data: Path) -> list[str]:
    """Texts of four kinds: reviews, questions with their articles, Chinese reviews, captions."""
    texts = []
    with open(shared_data / "sst2/dev.tsv", encoding="utf-8") as lines:
        texts += [line.split("\t")[0] for line in lines]
    xquad = json.loads((shared_data / "xquad/xquad.en.json").read_text(encoding="utf-8"))
    for article in xquad["data"]:
        for paragraph in article["paragraphs"]:
            texts.append(paragraph["context"])
            texts += [each["question"] for each in paragraph["qas"]]
    with open(
        shared_data / "chnsenticorp/ChnSentiCorp_htl_all.csv", encoding="utf-8", newline=""
    ) as rows:
        texts += [row[1] for row in list(csv.reader(rows))[1::4]]
    for language in ("en", "de"):
        with gzip.open(
            shared_data / f"multi30k/val.{language}.gz", "rt", encoding="utf-8"
        ) as lines:
            texts += lines.read().splitlines()
    return texts


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_tokenizer_learned_from_real_text_reads_it_as_transformers_does(
    kind: str, real_texts: list[str], tmp_path: Path
) -> None:
    ours = learn_subwords(real_texts, 8000, kind)
    ours.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    _assert_same(ours, theirs, real_texts)
