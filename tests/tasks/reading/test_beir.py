import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading.beir import ids_of, read_judgements, read_passages, scores_by_query
from tests.tasks.reading.rows import write_file

HEADER = "query-id\tcorpus-id\tscore\n"


def passages(folder, name, *objects):
    text = "".join(json.dumps(values) + "\n" for values in objects)
    return read_passages(write_file(folder, name, text))


def test_of_beirs_files_title_and_text_are_one(tmp_path):
    first, second, third = passages(
        tmp_path, "corpus.jsonl",
        {"_id": "d1", "title": "A title.", "text": "A text.", "metadata": {}},
        {"_id": "d2", "title": "", "text": " Another. "},
        {"_id": "d3", "title": "Alone", "text": ""},
    )  # fmt: skip
    assert [p.text for p in (first, second, third)] == ["A title. A text.", "Another.", "Alone"]
    assert (first.where, first.where.id) == (f"{tmp_path}/corpus.jsonl, row 1", "d1")
    (query,) = passages(tmp_path, "queries.jsonl", {"_id": "7", "text": "Who?", "metadata": None})
    assert (query.text, query.where.id) == ("Who?", "7")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"_id": "d1", "text": "b"}, "row 2 has the id 'd1' of .*row 1"),
        ({"_id": "d2", "text": "", "title": " "}, r"row 2 has an empty text \(_id 'd2'\)"),
        ({"_id": "", "text": "b"}, "row 2: the field '_id' is empty"),
        ({"_id": 2, "text": "b"}, "row 2: the field '_id' must be a string. Received: int"),
        ({"_id": "d2", "text": ["b"]}, "row 2: the field 'text' must be a string"),
        ({"_id": "d2", "text": "b", "title": 3}, "row 2: the field 'title' must be a string"),
        ({"_id": "d2"}, "row 2 has no field 'text'; its fields: '_id'"),
        ({"text": "b"}, "row 2 has no field '_id'"),
    ],
)
def test_a_row_that_is_not_beirs_is_refused(row, message, tmp_path):
    with pytest.raises(InputError, match=message):
        passages(tmp_path, "corpus.jsonl", {"_id": "d1", "text": "a"}, row)


def test_other_formats_are_read_as_ever(tmp_path, caplog):
    lines = read_passages(write_file(tmp_path, "texts.txt", "one\n\ntwo\n"))
    assert [(p.text, p.where.number) for p in lines] == [("one", 1), ("", 2), ("two", 3)]
    assert "row 2: the text is empty; its vector is that of no words" in caplog.text
    table = write_file(tmp_path, "texts.csv", "id,body\nx,one\ny,two\n")
    assert [(p.text, p.where.id) for p in read_passages(table, "body")] == [
        ("one", "x"),
        ("two", "y"),
    ]
    objects = passages(tmp_path, "texts.jsonl", {"text": "one", "id": 4})
    assert ids_of(objects) == ["4"]
    pairs = write_file(tmp_path, "pairs.tsv", "text_a\ttext_b\none\ttwo\n")
    with pytest.raises(InputError, match=r"row 2 has two texts; .*--text-column"):
        read_passages(pairs)
    assert [p.text for p in read_passages(pairs, "text_b")] == ["two"]


def test_blank_texts_are_left_out_or_refused_where_they_mean_nothing(tmp_path, caplog):
    file = write_file(tmp_path, "texts.txt", "one\n\ntwo\n  \n")
    found = read_passages(file, blanks="left out")
    assert [(p.text, p.where.number) for p in found] == [("one", 1), ("two", 3)]
    assert "row 2: the text is empty; it is left out, and 1 more like it" in caplog.text
    with pytest.raises(InputError, match="row 2: the text is empty, and nothing is like it"):
        read_passages(file, blanks="refused")
    with pytest.raises(InputError, match="has no text that is not blank"):
        read_passages(write_file(tmp_path, "blank.txt", "\n\n"), blanks="left out")


def test_ids_are_needed_for_judgements(tmp_path):
    with pytest.raises(InputError, match="row 1 has no id, by which judgements could name it"):
        ids_of(read_passages(write_file(tmp_path, "texts.txt", "one\n")))
    table = write_file(tmp_path, "texts.csv", "id,text\nx,one\nx,two\n")
    with pytest.raises(InputError, match=r"row 3 has the id 'x' of .*row 2"):
        ids_of(read_passages(table))


def judgements(folder, text):
    return read_judgements(write_file(folder, "test.tsv", text), {"q1", "q2"}, {"d1", "d2"})


def test_judgements_are_by_query_and_document(tmp_path):
    text = f"{HEADER}q1\td1\t2\nq1\td2\t0\n\nq2\td1\t-1\r\n"
    found = judgements(tmp_path, text)
    assert scores_by_query(found) == {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": -1}}
    assert found[1].where == f"{tmp_path}/test.tsv, row 3 (query 'q1', document 'd2')"
    assert [judgement.where.number for judgement in found] == [2, 3, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "test.tsv holds no judgement for any query"),
        (HEADER, "test.tsv holds no judgement for any query"),
        ("q1\td1\t1\n", "row 1 must be the header of judgements, with tabs: query-id corpus-id"),
        ("q1 0 d1 1\n", "row 1 must be the header"),  # TREC's own format
        (f"{HEADER}q3\td1\t1\n", "row 2 judges for a query that is not there: 'q3'"),
        (f"{HEADER}q1\td3\t1\n", "row 2 judges a document that is not there: 'd3'"),
        (f"{HEADER}q1\td1\t1\nq1\td1\t1\n", "row 3 judges 'd1' for 'q1' a second time"),
        (f"{HEADER}q1\td1\n", "row 2 must have 3 cells with tabs between them. Received: 2"),
        (f"{HEADER}q1\td1\t1.0\n", "row 2: the score must be a whole number. Received: '1.0'"),
        (f"{HEADER}q1\td1\t\n", "row 2: the score must be a whole number. Received: ''"),
        (f"{HEADER}q1\td1\t²\n", "row 2: the score must be a whole number"),
        (f"{HEADER}q1\td1\t{'9' * 5000}\n", "row 2: the score must be a whole number"),
        (f"{HEADER}q1\td1\tnan\n", "row 2: the score must be a whole number"),
    ],
)
def test_judgements_that_cannot_be_used_are_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        judgements(tmp_path, text)
    assert len(str(caught.value)) < 300
