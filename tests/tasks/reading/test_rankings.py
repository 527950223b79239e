"""Lists of documents as pairs: fields of rows, positives and negatives, BEIR's judgements."""

import io
import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.reading.rankings import by_query, read_lists


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def contents(examples):
    return [(example.text, example.text_pair, example.label) for example in examples]


def test_lists_are_a_pair_for_each_document(tmp_path):
    source = write(
        tmp_path / "train.jsonl",
        {"query": "q", "documents": ["a", "b"], "labels": [1, 0.25], "id": 7},
        {"query": "p", "documents": ["c"], "labels": [0], "id": 8},
    )
    examples = read_lists(source)
    assert contents(examples) == [("q", "a", "1"), ("q", "b", "0.25"), ("p", "c", "0")]
    assert examples[1].where == f"{source}, row 1"
    assert [example.where.ids for example in examples] == [
        {"id": 7, "document": 0}, {"id": 7, "document": 1}, {"id": 8, "document": 0},
    ]  # fmt: skip
    source = write(tmp_path / "docs.jsonl", {"question": "q", "docs": ["a"], "score": [3]})
    assert contents(read_lists(source)) == [("q", "a", "3")]


def test_lists_to_be_answered_need_no_labels(tmp_path):
    source = write(tmp_path / "asked.jsonl", {"query": "q", "documents": ["a", "b"]})
    assert contents(read_lists(source, labeled=False)) == [("q", "a", None), ("q", "b", None)]


def test_a_positive_has_the_label_1_and_its_negatives_0(tmp_path):
    rows = {"query": "q", "positive": "a", "negatives": ["b", "c"]}, {"query": "p", "positive": "d"}
    examples = read_lists(write(tmp_path / "train.jsonl", *rows))
    expected = [("q", "a", "1"), ("q", "b", "0"), ("q", "c", "0"), ("p", "d", "1")]
    assert contents(examples) == expected
    numbers = [(example.where.number, example.where.ids) for example in examples]
    assert numbers == [(1, {"document": n}) for n in range(3)] + [(2, {"document": 0})]
    (tmp_path / "train.csv").write_text("anchor,positive,negative_1,more\nq,a,b,x\n")
    found = read_lists(str(tmp_path / "train.csv"), ignored=("more",))
    assert contents(found) == [("q", "a", "1"), ("q", "b", "0")]


def test_lists_come_by_standard_input_too(monkeypatch):
    line = b'{"query": "q", "documents": ["a", "b"], "labels": [1, 0]}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line)))
    assert contents(read_lists("-")) == [("q", "a", "1"), ("q", "b", "0")]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a query\ta document\t1\n")))
    assert read_lists("-") is None


def test_columns_of_pairs_that_are_to_be_left_out_are_refused(tmp_path):
    source = write(tmp_path / "pairs.jsonl", {"query": "q", "document": "a", "label": 1, "x": 2})
    with pytest.raises(InputError, match=r"leave out data\.ignore_columns.* Received: 'x'"):
        read_lists(source, ignored=("x",))


@pytest.mark.parametrize("place", ["qrels/train.tsv", "train.tsv"])
def test_judgements_name_the_texts_of_the_files_beside_them_or_above(place, tmp_path):
    title = {"_id": "d1", "title": "A", "text": "a"}
    write(tmp_path / "corpus.jsonl", title, {"_id": "d2", "text": "b"})
    write(tmp_path / "queries.jsonl", {"_id": "q1", "text": "who?"})
    (tmp_path / "qrels").mkdir()
    file = tmp_path / place
    file.write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    examples = read_lists(str(file))
    assert contents(examples) == [("who?", "A a", "2"), ("who?", "b", "0")]
    assert examples[1].where == f"{file}, row 3 (query 'q1', document 'd2')"
    (tmp_path / "corpus.jsonl").unlink()
    with pytest.raises(InputError, match=r"names texts of BEIR's corpus\.jsonl"):
        read_lists(str(file))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.jsonl", '{"query": "q", "document": "a", "label": 1}\n'),
        ("pairs.csv", "query,document,label\nq,a,1\n"),
        ("pairs.tsv", "a text\ta text\t1\n"),
        ("lines.txt", "positive\n"),
    ],
)
def test_pairs_are_left_to_their_reader(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert read_lists(str(tmp_path / name)) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query": "q", "documents": ["a"]}, "row 1 has no field 'labels'"),
        ({"documents": ["a"], "labels": [1]}, "row 1 has no field 'query'"),
        ({"query": "q", "documents": ["a"], "labels": [1], "x": 1}, "has 'x', which a ranking"),
        (
            {"query": "q", "documents": ["a"], "labels": [1], "scores": [1]},
            "'labels', 'scores', which say the same",
        ),
        ({"query": "q", "documents": "a", "labels": [1]}, "'documents' must be a list.*str"),
        ({"query": "q", "documents": ["a"], "labels": [1, 0]}, "1 documents, 2 labels"),
        ({"query": "q", "documents": [], "labels": []}, "0 documents, 0 labels"),
        ({"query": "q", "documents": ["a", " "], "labels": [1, 0]}, r"documents\[1\] is empty"),
        ({"query": " ", "documents": ["a"], "labels": [1]}, "the query or .* is empty"),
        ({"query": "q", "documents": ["a"], "labels": ["good"]}, r"labels\[0\] must be a number"),
        ({"query": "q", "documents": ["a"], "labels": [True]}, r"labels\[0\] must be a number"),
        ({"query": "q", "documents": [3], "labels": [1]}, r"documents\[0\]' must be a string"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_read_is_named(row, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_lists(write(tmp_path / "train.jsonl", row))


def test_a_field_to_leave_out_must_be_there(tmp_path):
    source = write(tmp_path / "train.jsonl", {"query": "q", "documents": ["a"], "labels": [1]})
    with pytest.raises(InputError, match="has no 'source' to leave out"):
        read_lists(source, ignored=("source",))


def pair(query, document, label, row=1):
    return TextExample(query, document, label, f"train.tsv, row {row}")


def test_the_documents_of_a_query_stand_together_and_each_once(caplog):
    rows = [("q", "a", "1"), ("p", "a", "0"), ("q", "b", "0"), ("q", "a", "1.0")]
    examples = by_query([pair(*row, row=number) for number, row in enumerate(rows, 1)])
    assert contents(examples) == [("q", "a", "1"), ("q", "b", "0"), ("p", "a", "0")]
    assert "train.tsv, row 4: the pair was there before; it is read once" in caplog.text


def test_two_labels_of_a_pair_and_a_single_text_are_refused():
    message = 'row 2 gives "a" the label 0 for the query "q", and train.tsv, row 1 gives it 1'
    with pytest.raises(InputError, match=message):
        by_query([pair("q", "a", "1"), pair("q", "a", "0", row=2)])
    with pytest.raises(InputError, match="row 1 has one text; a ranker reads two"):
        by_query([pair("q", None, "1")])
