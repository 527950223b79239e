"""The columns of words and tags, where they are named."""

import re

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import read_tagged_examples

CONLLU = """\
1\tBonn\tBonn\tPROPN\tNNP\t_\t2\tnsubj\t_\tSpaceAfter=No|NER=B-LOC
2\twins\twin\tVERB\tVBZ\t_\t0\troot\t_\t_
"""


def _read(folder, text, labeled=True, **columns):
    (folder / "a.conll").write_text(text, encoding="utf-8")
    return read_tagged_examples(str(folder / "a.conll"), labeled=labeled, **columns)


@pytest.mark.parametrize(
    ("text", "tag", "message"),
    [
        (CONLLU, "MISC:NERR", 'MISC has the key \'NERR\' .*; its keys: "SpaceAfter", "NER"$'),
        (CONLLU, "MISC:ner", r"no cell of MISC has the key 'ner' \(data.tag_column\)"),
        (CONLLU, "4:NER", "no cell of UPOS has .*; none has a key, as in KEY=VALUE"),
        ("Bonn NNP O\nwins VBZ O\n", "2:NER", "no cell of column 2 has the key 'NER'"),
    ],
)
def test_a_key_that_no_cell_has_is_refused(tmp_path, text, tag, message):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text, tag_column=tag)
    assert _read(tmp_path, text, tag_column=tag, labeled=False)[0].words == ("Bonn", "wins")


WORD_AND_TAG = {"word_column": "word", "tag_column": "ner"}


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("word pos ner\nBonn NNP B-LOC\nJohn NNP\n", WORD_AND_TAG, "row 3 has 2 columns, .* has 3"),
        ("word pos ner\nJohn NNP\n", WORD_AND_TAG, "row 2 has 2 columns, the first row has 3"),
        ("word pos ner\nNew York NNP B-LOC\n", WORD_AND_TAG, "row 2 has 4 columns"),
        ("word tag\nBonn NNP B-LOC\n", {}, "row 2 has 3 columns, the first row has 2"),
        (CONLLU + "\n1\tx\n", {"word_column": "2", "tag_column": "4"}, "row 4 has 2 columns"),
        (
            "Bonn NNP B-LOC\nJohn NNP\n",
            {"word_column": "1", "tag_column": "3"},
            r"row 2 has no column '3' \(data.tag_column\); its columns: 1 to 2",
        ),
        ("word pos ner\n", WORD_AND_TAG, "a.conll holds no words"),
    ],
)
def test_a_row_without_the_named_columns_is_named(tmp_path, text, columns, message):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text, **columns)


@pytest.mark.parametrize(
    ("text", "labeled", "said"),
    [
        (
            "I PRP O\nNew York NNP B-LOC\n",
            True,
            "3 to 4 .* row 2 has the word 'New' and the tag 'NNP'",
        ),
        (
            "I PRP O\nNew York NNP B-LOC\na DT O O\n",
            False,
            "3 to 4 columns.*: row 2 has the word 'New'$",
        ),
        ("I PRP O\nBonn NNP B-LOC\n", True, ""),
    ],
)
def test_columns_by_number_of_rows_that_differ_are_warned_of(tmp_path, caplog, text, labeled, said):
    _read(tmp_path, text, word_column="1", tag_column="3", labeled=labeled)
    assert len(caplog.messages) == bool(said)
    assert re.search(said, caplog.text.strip())
