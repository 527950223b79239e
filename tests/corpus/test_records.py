import csv
import gzip
import json

import pytest

from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError

TEXTS = ["One, two.\n\nThree.", 'A "quoted" word.', "很好。", ""]


def texts_of(path, **settings):
    documents, paragraphs = [], []
    for paragraph in read_documents([path], **settings):
        if paragraph is None:
            documents.append("\n\n".join(paragraphs))
            paragraphs = []
        else:
            paragraphs.append("\n".join(paragraph))
    return documents


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [5, 1 << 18])
def test_an_array_gives_the_text_of_each_object(tmp_path, monkeypatch, indent, block):
    monkeypatch.setattr("bert_keras.corpus.decoding._BLOCK", block)
    records = [{"id": n, "text": text, "more": [{"text": "x"}]} for n, text in enumerate(TEXTS)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(records, indent=indent), encoding="utf-8")
    assert texts_of(path) == TEXTS


def test_objects_over_several_lines_and_arrays_of_strings_are_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps({"text": text}, indent=1) for text in TEXTS))
    assert texts_of(path) == TEXTS
    path.write_text(json.dumps(TEXTS))
    assert texts_of(path) == TEXTS


def test_csv_is_read_as_the_csv_module_writes_it(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [["label", "text"], *([n, text] for n, text in enumerate(TEXTS))])
    assert texts_of(path) == TEXTS
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    assert texts_of(tmp_path / "b.csv.gz") == TEXTS
    path.write_text('label, text\n1, "One, and a half"\n')  # as people type it
    assert texts_of(path) == ["One, and a half"]


def test_tsv_has_no_quotes_and_columns_go_by_name_or_number(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('1\t"One\n2\tTwo"\n')
    assert texts_of(path, text_column="2") == ['"One', 'Two"']
    path.write_text("review\tlabel\nOne\t1\n")
    assert texts_of(path, text_column="review") == ["One"]


def test_the_field_of_json_lines_can_be_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "One.", "text": "no"}\n')
    assert texts_of(path, text_column="body") == ["One."]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", '[{"body": "x"}]', "record 1 has no field 'text'; its fields: 'body'.*--text-c"),
        ("a.json", '[{"text": "x"}, 5]', "record 2 must be a JSON object.*Received: int"),
        ("a.json", '[{"text": "x"}, {"text": null}]', "record 2: .*Received: NoneType"),
        ("a.json", '[{"text": "x"}', "its array has no end"),
        ("a.json", '[{"text": "x"},\n{"text": y}]', "a.json is not valid JSON"),
        ("a.json", "prose", "a.json is not valid JSON"),
        ("a.json", '[{"text": "x", "text": "y"}]', "not clear: the key 'text' comes twice"),
        ("a.jsonl", '{"text": "x", "text": "y"}', "line 1 is not clear: the key 'text' comes tw"),
        (
            "a.json",
            '{"data": [{"text": "x"}], "version": 2}',
            "no field 'text'; its fields: 'data'",
        ),
        (
            "a.txt",
            '{"body": "x", "id": 1}\n',
            "line 1 has no field 'text'; its fields: 'body', 'id'",
        ),
        ("a.txt", '{"text": "x"}\nprose\n', "line 2 is not valid JSON"),
        (
            "a.csv",
            "review,label\nx,1\n",
            "no column 'text'; its columns: 'review', 'label'.*--text",
        ),
        ("a.csv", "text;label\nx;1\n", "no column 'text'; its columns: 'text;label'"),
        ("a.csv", "text,label\nx\n", "row 2 has 1 columns, the first row has 2"),
        ("a.csv", "text,text\nx,y\n", "several columns 'text'"),
        ("a.csv", 'text,label\n"x" y,1\n', "row 2 is not valid CSV"),
        ("a.tsv", "text\tlabel\nx\t1\ty\n", "row 2 has 3 columns"),
    ],
)
def test_what_does_not_fit_is_named_by_file_and_place(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_text(data)
    with pytest.raises(InputError, match=message) as caught:
        list(read_documents([path]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_found_before_anything_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("Text.\n")
    (tmp_path / "b.jsonl").write_text('{"body": "x"}\n')
    documents = read_documents([tmp_path / "a.txt", tmp_path / "b.jsonl"])
    with pytest.raises(InputError, match="no field 'text'"):
        next(documents)
