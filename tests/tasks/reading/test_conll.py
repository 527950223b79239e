import json
import logging

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import has_words, read_tagged_examples

CONLLU = """\
# sent_id = 1
# text = Don't go to Bonn.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
4\tto\tto\tADP\tIN\t_\t5\tcase\t_\t_
5\tBonn\tBonn\tPROPN\tNNP\t_\t3\tobl\t_\tSpaceAfter=No|NER=B-LOC
5.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t3:conj\t_
6\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# sent_id = 2
# text = # 1
1\t#\t#\tSYM\t#\t_\t0\troot\t_\t_
2\t1\t1\tNUM\tCD\t_\t1\tnummod\t_\t_
"""
NUMBERED = "1 EU NNP I-NP I-ORG\n2 rejects VBZ I-VP O\n\n1 Peter NNP I-NP I-PER\n"
CONLL2003 = """\
-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
"""
GERMEVAL = """\
#\thttp://de.wikipedia.org/wiki/Bonn [2009-10-17]
1\tBonn\tB-LOC\tB-PERpart
2\tist\tO\tO

#\thttp://de.wikipedia.org/wiki/Ulm [2009-10-17]
1\tUlm\tB-LOC\tO
"""
UNER = "# sent_id = 1\n# text = From Bonn\n1\tFrom\tO\t-\t-\n2\tBonn\tB-LOC\t-\t-\n"
CONLL2012 = """\
#begin document (bc/a); part 000
bc/a   0   0   Bonn   NNP  (TOP*  -  -  (GPE)  (ARG0*)  (12)
bc/a   0   1   wins   VBZ  *)     -  -  *      (V*)     -

bc/a   0   0   It     PRP  (TOP*) -  -  *      (12)

#end document
"""


def _read(folder, text, name="a.conll", **columns):
    (folder / name).write_text(text, encoding="utf-8")
    examples = read_tagged_examples(str(folder / name), **columns)
    return [list(zip(e.words, e.tags or [None] * len(e.words), strict=True)) for e in examples]


@pytest.mark.parametrize(
    ("text", "columns", "expected", "said"),
    [
        (
            NUMBERED,
            {},
            [[("EU", "I-ORG"), ("rejects", "O")], [("Peter", "I-PER")]],
            "2 sentences, word = column 2 ('EU'), tag = column 5 ('I-ORG'), others that "
            "data.tag_column may name: column 4 ('I-NP')",
        ),
        (
            NUMBERED,
            {"tag_column": "3"},
            [[("EU", "NNP"), ("rejects", "VBZ")], [("Peter", "NNP")]],
            "tag = column 3 ('NNP')",
        ),
        (
            CONLL2003,
            {},
            [[("EU", "B-ORG"), ("rejects", "O")], [("Peter", "B-PER")]],
            "word = column 1 ('EU'), tag = column 4 ('B-ORG')",
        ),
        (
            GERMEVAL,
            {"tag_column": "3"},
            [[("Bonn", "B-LOC"), ("ist", "O")], [("Ulm", "B-LOC")]],
            "word = column 2 ('Bonn'), tag = column 3 ('B-LOC')",
        ),
        (UNER, {}, [[("From", "O"), ("Bonn", "B-LOC")]], "tag = column 3 ('B-LOC')"),
        (
            CONLL2012,
            {"word_column": "4", "tag_column": "5"},
            [[("Bonn", "NNP"), ("wins", "VBZ")], [("It", "PRP")]],
            "word = column 4 ('Bonn'), tag = column 5 ('NNP')",
        ),
        (
            "token\tlabel\nBonn\tB-LOC\nwins\tO\n",
            {},
            [[("Bonn", "B-LOC"), ("wins", "O")]],
            "word = token ('Bonn'), tag = label ('B-LOC')",
        ),
        (
            "id\tform\tchunk\tentity\n1\tBonn\tB-NP\tB-LOC\n2\twins\tO\tO\n",
            {"tag_column": "entity"},
            [[("Bonn", "B-LOC"), ("wins", "O")]],
            "word = form ('Bonn'), tag = entity ('B-LOC')",
        ),
        ("0\tBonn\tO\n1\tis\tO\n", {}, [[("Bonn", "O"), ("is", "O")]], "word = column 2 ('Bonn')"),
        (
            "7 a O\n8 b O\n\n9 c O\n",
            {},
            [[("a", "O"), ("b", "O")], [("c", "O")]],
            "word = column 2 ('a')",
        ),
        ("7 O\n9 O\n", {}, [[("7", "O"), ("9", "O")]], "word = column 1 ('7')"),
        ("1 Bonn\n2 is\n", {}, [[("Bonn", None), ("is", None)]], "word = column 2 ('Bonn')"),
    ],
)
def test_the_columns_are_found_and_said(tmp_path, caplog, text, columns, expected, said):
    caplog.set_level(logging.INFO, "bert_keras")
    assert _read(tmp_path, text, **columns) == expected
    assert said in caplog.messages[-1]


@pytest.mark.parametrize(
    ("columns", "tags"),
    [
        ({}, ["AUX", "PART", "VERB", "ADP", "PROPN", "PUNCT"]),
        ({"tag_column": "XPOS"}, ["VB", "RB", "VB", "IN", "NNP", "."]),
        ({"tag_column": "5"}, ["VB", "RB", "VB", "IN", "NNP", "."]),
        ({"tag_column": "MISC:NER"}, ["O", "O", "O", "O", "B-LOC", "O"]),
    ],
)
def test_conllu_is_read_by_its_own_columns(tmp_path, caplog, columns, tags):
    caplog.set_level(logging.INFO, "bert_keras")
    first, second = _read(tmp_path, CONLLU, "a.conllu", **columns)
    assert first == list(zip(["Do", "n't", "go", "to", "Bonn", "."], tags, strict=True))
    assert [word for word, _ in second] == ["#", "1"]
    assert "2 ranges and empty nodes (1-2, 8.1) passed over" in caplog.text
    assert "MISC:NER" in caplog.text  # as the tags or as others that may be named


def test_the_lemmas_of_conllu_are_words_when_asked_for(tmp_path):
    (words, _) = _read(tmp_path, CONLLU, word_column="LEMMA")
    assert words[1] == ("not", "PART")


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            NUMBERED,
            {"word_column": "9"},
            r"no column '9' \(data.word_column\); .* 1 to 5",
        ),
        (
            NUMBERED,
            {"tag_column": "NER"},
            r"no column 'NER' \(data.tag_column\)",
        ),
        (CONLLU, {"tag_column": "NER"}, r"no column 'NER'.*ID, FORM, LEMMA"),
        (CONLLU.replace("AUX", "_"), {}, r"row 4: the word 'Do' has no tag"),
        (
            "1\ta\t_\t_\tNN\t_\t_\t_\t_\t_\n2\tb\t_\t_\tNN\t_\t_\t_\t_\t_\n",
            {},
            "has no UPOS; name the column of the tags: data.tag_column = 'XPOS'",
        ),
        (
            GERMEVAL.replace("B-PERpart", "O"),
            {},
            r"column 3 has 'B-LOC', and the last, 4, 'O'; .*'3'",
        ),
        (
            "a B-x N\nb O V\n",
            {},
            r"column 2 has 'B-x', and the last, 3, 'N'; .*data.tag_column = '2'",
        ),
        (CONLL2012, {}, r"row 5 has 10 columns, the first row has 11"),
        ("a O\nb c O\n", {}, r"row 2 has 3 columns, the first row has 2. Received: 'b c O'"),
        (
            "".join(f"w{n % 9} lemma{n}\n" for n in range(40)),
            {},
            r"of 40 tags 40 are different \('lemma0'\).*data.tag_column",
        ),
    ],
)
def test_columns_that_are_not_understood_are_asked_for(tmp_path, text, columns, message):
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text, **columns)
    assert "\n" not in str(caught.value)


def test_texts_to_be_answered_need_no_tags(tmp_path):
    for text in (
        GERMEVAL.replace("B-PERpart", "O"),
        CONLLU.replace("AUX", "_"),
        "a B-x N\nb O V\n",
    ):
        (first, *_) = _read(tmp_path, text, labeled=False)
        assert {tag for _, tag in first} == {None}


@pytest.mark.parametrize(
    ("text", "is_columns"),
    [
        ("# id 1\nEU B-ORG\nrejects O\n\nGermany B-LOC\ncalls O", True),
        ("\n\nEU B-ORG\nrejects O\n", True),
        ("-DOCSTART- -X- O\n\nEU NNP B-ORG\n", True),
        (CONLLU, True),
        ("the DET\nold ADJ\nking NOUN\nis VERB\n\na DET\ncat NOUN\nsits VERB\n. PUNCT\n", True),
        ("a good film\n", False),
        ("good film\nbad film\nold film\n", False),
        ("GOOD FILM\nBAD FILM\n\nOLD FILM\nNEW FILM\n", False),
        ("# a heading\nHello there\n", False),
        ("His blood is of type O\n", False),
        ("1\n2\n", False),
        ("", False),
    ],
)
def test_one_rule_tells_columns_from_raw_text(tmp_path, text, is_columns):
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert has_words(str(path)) == is_columns
    if not is_columns:
        with pytest.raises(InputError, match=r"a.txt is read as raw text, which has no tags"):
            read_tagged_examples(str(path))


@pytest.mark.parametrize(
    ("text", "is_columns"),
    [
        ("EU\tB-ORG\nrejects\tO\n", True),
        ("EU\tDET\n\nrejects\tVERB\n", True),
        ("EU B-ORG\nrejects O\n", True),
        ("text\tlabel\nEU rejects it\tgood\nso it goes\tbad\n", False),
    ],
)
def test_a_tsv_of_texts_is_a_table(tmp_path, text, is_columns):
    (tmp_path / "a.tsv").write_text(text)
    assert has_words(str(tmp_path / "a.tsv")) == is_columns


def test_a_table_of_texts_has_no_words(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nx,O\n")
    with pytest.raises(InputError, match=r"a.csv is read as raw text"):
        read_tagged_examples(str(tmp_path / "a.csv"), word_column="1")


def test_fields_of_json_lines_are_found_or_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "bert_keras")
    record = {
        "id": 1,
        "pieces": ["a", "b"],
        "words": ["c", "d"],
        "upos": ["N", "V"],
        "x": ["1", "2"],
    }
    text = json.dumps(record)
    assert _read(tmp_path, text, "a.jsonl") == [[("c", "N"), ("d", "V")]]
    assert "word = 'words' ('c'), tag = 'upos' ('N')" in caplog.text
    named = _read(tmp_path, text, "a.jsonl", word_column="pieces", tag_column="x")
    assert named == [[("a", "1"), ("b", "2")]]
    with pytest.raises(InputError, match="row 1 has no field 'y'; its fields: id, pieces, words"):
        _read(tmp_path, text, "a.jsonl", tag_column="y")
    with pytest.raises(InputError, match="no field 'y'"):
        _read(tmp_path, text, "a.jsonl", word_column="y")
