"""Lines as sentences: as the original code reads its input, and notes where they do not fit."""

import json
import logging
import re

import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer, learn_vocabulary, write_vocabulary

LINES = (
    "a line is a sentence here\r\n  another. Of two sentences \t\r\na third one\r\n"
    "\r\n \t \r\nthe second document\r\nhas two lines"
)
PROSE = (
    "The river ran past the old mill, where nobody\nhad worked for years. Children said that it\n"
    "was haunted. Their parents did not, and went\nthere on Sundays to look at the water.\n"
)


def original_documents(lines, tokenize):
    """The reading loop of the original ``create_pretraining_data.py``, for one file."""
    documents = [[]]
    for line in lines:
        line = line.strip()
        if not line:
            documents.append([])
        tokens = tokenize(line)
        if tokens:
            documents[-1].append(tokens)
    return [document for document in documents if document]


@pytest.fixture
def prepare(tmp_path):
    write_vocabulary(tmp_path / "vocab.txt", learn_vocabulary([LINES, PROSE] * 3, 300))

    def run(text, name="a.txt", **settings):
        (tmp_path / name).write_bytes(text.encode())
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        prepare_corpus([tmp_path / name], tmp_path / "vocab.txt", out, **settings)
        return Corpus.open(out)

    return run


def documents_of(corpus):
    tokens, bounds = corpus.tokens.tolist(), corpus.sentence_offsets.tolist()
    return [
        [tokens[bounds[number] : bounds[number + 1]] for number in range(first, end)]
        for first, end in corpus.documents.tolist()
    ]


def sentence_mode(corpus):
    return json.loads((corpus.path / "corpus.json").read_text())["source"]["sentences"]


def test_blank_lines_and_lines_are_documents_and_sentences_as_the_original_code_has_it(
    tmp_path, prepare
):
    corpus = prepare(LINES, split="blank-line")
    tokenizer = BertTokenizer.from_vocab(tmp_path / "vocab.txt")
    expected = original_documents(
        LINES.split("\n"), lambda line: tokenizer.encode(line).input_ids[1:-1]
    )
    assert documents_of(corpus) == expected
    assert [len(document) for document in expected] == [3, 2]
    assert sentence_mode(corpus) == "lines"


def test_the_lines_of_a_json_text_are_sentences_too(prepare):
    record = json.dumps({"text": LINES})
    for split in ("file", "blank-line"):
        corpus = prepare(record, "a.jsonl", split=split, sentences="lines")
        assert len(corpus.sentence_offsets) - 1 == 5
        assert len(corpus.documents) == (1 if split == "file" else 2)


def test_sentences_may_be_found_within_blocks(prepare):
    corpus = prepare(PROSE + "\n" + PROSE, split="blank-line", sentences="auto")
    assert corpus.documents.tolist() == [[0, 3], [3, 6]]
    assert sentence_mode(corpus) == "auto"
    assert sentence_mode(prepare(PROSE)) == "auto"


def test_another_way_is_refused(prepare):
    with pytest.raises(InputError, match=r"one of auto, lines\. Received: 'words'"):
        prepare(LINES, sentences="words")


WHOLE = "One ends here.\nso does this one.\nThe fourth\nand this.\nMore of it.\nFive.\nSix!\nOh?\n"


@pytest.mark.parametrize(
    ("text", "settings", "note"),
    [
        (WHOLE, {}, "8 of the first 8 lines look like one sentence each, and some were joined; "
         "--sentences lines"),
        (LINES.replace(". Of", " of"), {}, "5 of the first 5 lines look like one sentence each"),
        ("One is here. Two is there.\n" * 9, {"split": "blank-line"},
         "9 of the first 9 lines hold several sentences, .*--sentences auto"),
        (PROSE, {"sentences": "lines"}, "3 of the first 4 lines continue in the next line"),
        (PROSE * 3, {}, None),
        ("word " * 200_000, {}, None),
        (WHOLE, {"sentences": "lines"}, None),
        (LINES, {"split": "blank-line"}, None),
    ],
)  # fmt: skip
def test_lines_that_speak_for_the_other_way_are_named(prepare, caplog, text, settings, note):
    with caplog.at_level(logging.WARNING, "bert_keras"):
        prepare(text, **settings)
    messages = [r.getMessage() for r in caplog.records if r.module == "line_notes"]
    if note is None:
        assert messages == []
    else:
        (message,) = messages
        assert re.match(note, message)
