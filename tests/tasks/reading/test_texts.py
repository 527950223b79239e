"""Texts with labels, from tables, lines and JSON."""

import gzip
import io
import json
import logging
import sys

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TextExample, read_text_examples
from tests.tasks.reading.rows import rows_of, write_file


def test_quotes_mean_something_in_csv_and_nothing_in_tsv(tmp_path):
    csv = 'label,review\n1,"two\nlines, and ""quotes"""\n\n0,"plain"\n'
    assert read_text_examples(write_file(tmp_path, "a.csv", csv)) == [
        TextExample('two\nlines, and "quotes"', None, "1", f"{tmp_path}/a.csv, row 2"),
        TextExample("plain", None, "0", f"{tmp_path}/a.csv, row 4"),
    ]
    tsv = '"unclosed\t1\n\nhe said "no"\t0\n'
    assert read_text_examples(write_file(tmp_path, "a.tsv", tsv)) == [
        TextExample('"unclosed', None, "1", f"{tmp_path}/a.tsv, row 1"),
        TextExample('he said "no"', None, "0", f"{tmp_path}/a.tsv, row 3"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", 'text, label\n"a fine, film", "good"\n a b ,  bad\n', ["a fine, film", "a b "]),
        ("a.csv", 'sep=;\ntext; label\n"a, b"; "good"\n  x;bad\n', ["a, b", "x"]),
        ("a.csv", 'text,label\n"  a",good\nb,bad\n', ["  a", "b"]),
        ("a.csv", "sep=\t\ntext\tlabel\n  a\t good\n b\t bad\n", ["  a", " b"]),
        ("a.tsv", 'text\tlabel\n  "a\t good\n b\tbad\n', ['  "a', " b"]),
    ],
)
def test_spaces_after_a_comma_are_none_of_a_cells(tmp_path, name, text, expected):
    rows = rows_of(write_file(tmp_path, name, text))
    assert rows == [
        (cell, None, label) for cell, label in zip(expected, ["good", "bad"], strict=True)
    ]


def test_json_labels_may_be_strings_numbers_and_lists(tmp_path):
    labels = ["pos", 3, 0.5, True, ["a", "b"], [2], [], None]
    expected = ["pos", "3", "0.5", "true", "a|b", "2", "", None]
    lines = [
        json.dumps({"text": f"text {number}", "label": label}) + "\n\n"
        for number, label in enumerate(labels)
    ]
    path = write_file(tmp_path, "a.jsonl", "".join(lines))
    assert [e.label for e in read_text_examples(path)] == expected
    assert read_text_examples(path)[1].where == f"{path}, row 3"


@pytest.mark.parametrize(
    ("first", "second", "columns", "field"),
    [
        ({"text": "a", "label": "x"}, {"text_pair": "b"}, {}, "text_pair"),
        ({"sentence": "a", "label": "x"}, {"Sentence2": "b", "sentence1": "c"}, {}, "sentence1"),
        ({"question": "a", "x": 1}, {"x": 2, "sentence": "b"}, {"labeled": False}, "sentence"),
        ({"text": "a", "question1": "b"}, {"question1": "c", "question2": "d"}, {}, "question2"),
        ({"text": "a", "score": 1}, {"label": "x"}, {"text_column": "text"}, "label"),
        ({"text": "a"}, {"label": "x"}, {}, "label"),
    ],
)
def test_a_field_that_would_be_read_is_in_every_row(tmp_path, first, second, columns, field):
    text = "\n".join(map(json.dumps, (first, first, first | second)))
    path = write_file(tmp_path, "a.jsonl", text)
    with pytest.raises(InputError, match=rf"row 3 has .*'{field}'.*, which would be read, but"):
        read_text_examples(path, **columns)


@pytest.mark.parametrize(
    ("second", "columns"),
    [
        ({"source": "web", "stars": 3}, {}),
        ({"text_pair": "b", "gold_label": "y"}, {"text_column": "text", "label_column": "label"}),
        ({"gold_label": "y", "note": None}, {"labeled": False}),
    ],
)
def test_further_fields_of_later_rows_are_passed_over_by_name(tmp_path, caplog, second, columns):
    caplog.set_level(logging.INFO, "bert_keras")
    first = {"text": "a", "label": "x"}
    rows = (first, first | second, first, first | second)
    path = write_file(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    label = "x" if columns.get("labeled", True) else None
    assert rows_of(path, **columns) == [("a", None, label)] * 4
    (line,) = caplog.messages
    assert all(line.count(f'"{name}"') == 1 for name in second)
    assert "passed over: " in line


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    path = write_file(
        tmp_path, "a.jsonl", r'{"text": "half \ud83d, \ud83d\ude00 whole", "label": "\ud83d"}'
    )
    assert rows_of(path) == [("half \ufffd, 😀 whole", None, "\ufffd")]


def test_a_table_keeps_several_labels_as_they_are_joined(tmp_path):
    path = write_file(tmp_path, "a.tsv", "text\tlabels\nx\tjoy|fear\ny\t\n")
    assert [e.label for e in read_text_examples(path)] == ["joy|fear", ""]


def test_lines_of_text_have_no_label(tmp_path):
    path = write_file(tmp_path, "a.txt", "One, two\tthree\r\n  text  \r\n\n\n")
    assert rows_of(path) == [("One, two\tthree", None, None), ("  text  ", None, None)]


def test_a_packed_file_and_standard_input_are_read_alike(tmp_path, monkeypatch):
    data = "text\tlabel\nné\t1\n".encode()
    (tmp_path / "a.TSV.gz").write_bytes(gzip.compress(data))
    assert rows_of(str(tmp_path / "a.TSV.gz")) == [("né", None, "1")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("né\nzwei\n".encode()), "ascii"))
    assert [(e.text, e.where) for e in read_text_examples("-")] == [
        ("né", "standard input, row 1"),
        ("zwei", "standard input, row 2"),
    ]


def test_windows_line_ends_are_none_of_a_cells(tmp_path):
    path = write_file(tmp_path, "a.csv", 'text,label\r\n"two\r\nlines",1\r\nplain,0\r\n')
    assert rows_of(path) == [("two\nlines", None, "1"), ("plain", None, "0")]


def test_line_ends_of_unicode_do_not_end_a_row(tmp_path):
    text = "a\u2028b\x0bc\x85d"
    assert rows_of(write_file(tmp_path, "a.tsv", f"{text}\t1\r\n")) == [(text, None, "1")]


def _written(folder, name, text):
    """The file of that name with the text in one row and a label where it is a table."""
    row = {
        "a.txt": text,
        "a.tsv": f"{text}\t1",
        "a.csv": f"{text},1",
        "b.csv": f'"{text}",1',
    }[name]
    return write_file(folder, name, f"{row}\r\n{row}\n")


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.csv", "b.csv"])
@pytest.mark.parametrize("mark", ["\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_row(tmp_path, name, mark):
    text = f"good{mark}film"
    assert [row[0] for row in rows_of(_written(tmp_path, name, text))] == [text, text]


def test_carriage_returns_in_lines_are_counted(tmp_path, caplog):
    rows_of(write_file(tmp_path, "a.txt", "good\rfilm\nbad\nso\rso\n"))
    (record,) = caplog.records
    assert "a.txt, row 1: a carriage return inside the line" in record.getMessage()
    assert "1 more" in record.getMessage()


def test_standard_input_and_files_have_the_same_rows(tmp_path, monkeypatch):
    data = "good\rfilm\r\nbad\x85film\n\nfine\u2028film"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    rows = [e.text for e in read_text_examples("-", labeled=False)]
    assert rows == ["good\rfilm", "bad\x85film", "", "fine\u2028film"]
    path = write_file(tmp_path, "a.txt", data)
    assert [e.text for e in read_text_examples(path, labeled=False)] == rows


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "a\n\n  \nb\n\n", [("a", 1), ("", 2), ("  ", 3), ("b", 4), ("", 5)]),
        ("a.tsv", "text\tlabel\na\tx\n\t\n\n\ty\n", [("a", 2), ("", 3), ("", 5)]),
        ("b.tsv", "text\na\n\nb\n", [("a", 2), ("", 3), ("b", 4)]),
        ("c.tsv", "\na\n\nb\n", [("", 1), ("a", 2), ("", 3), ("b", 4)]),
        ("a.csv", 'label,text\nx,a\ny,\nz,""\n', [("a", 2), ("", 3), ("", 4)]),
        ("b.csv", 'text\na\n""\n\nb\n', [("a", 2), ("", 3), ("", 4), ("b", 5)]),
        (
            "a.jsonl",
            '{"text": "a"}\n\n{"text": null, "label": {}}\n{"text": " "}\n',
            [("a", 1), ("", 3), (" ", 4)],
        ),
    ],
)
def test_rows_without_text_stay_where_they_are_to_be_answered(tmp_path, name, text, expected):
    examples = read_text_examples(write_file(tmp_path, name, text), labeled=False)
    assert [(e.text, e.where.number) for e in examples] == expected
    assert {e.label for e in examples} == {None}


def test_a_pair_keeps_its_empty_half(tmp_path):
    path = write_file(tmp_path, "a.csv", "text_a,text_b\na,\n,b\n")
    examples = read_text_examples(path, labeled=False)
    assert [(e.text, e.text_pair) for e in examples] == [("a", ""), ("", "b")]
    assert len(read_text_examples(write_file(tmp_path, "b.csv", "text_a,text_b\na,\na,b\n"))) == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.tsv", "index\tsentence\n7\tgood\n", "7"),
        ("a.csv", "text,pairID\ngood,x-1\n", "x-1"),
        ("a.jsonl", '{"text": "good", "idx": 7}\n', 7),
        ("b.jsonl", '{"text": "good", "id": null}\n', None),
        ("c.jsonl", '{"text": "good", "id": {"x": 1}}\n', None),
        ("b.csv", "text,note\ngood,x-1\n", None),
    ],
)
def test_an_example_knows_the_id_that_the_data_give_it(tmp_path, name, text, expected):
    (example,) = read_text_examples(write_file(tmp_path, name, text), labeled=False)
    assert example.where.id == expected


def test_a_text_of_any_length_is_read(tmp_path):
    text = "word " * 100_000
    assert rows_of(write_file(tmp_path, "a.csv", f'"{text}",1\n')) == [(text, None, "1")]


def test_single_bad_bytes_become_what_they_become_in_a_corpus(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"caf\xe9 and " + "très plain ".encode() * 20 + b"\t1\n")
    assert rows_of(str(tmp_path / "a.tsv"))[0][0].startswith("caf\ufffd and très plain")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "a\t1\nb\n", "a.tsv, row 2 has 1 column, the first row has 2"),
        ("a.csv", "text,label\na,1\nb,1,2\n", "a.csv, row 3 has 3 columns, the first row has 2"),
        ("a.tsv", "a\tb\tc\td\n", "row 1 has 4 columns and no known name among them"),
        ("a.csv", 'text,label\nfine,1\n"open,1\n', "row 3 is not valid CSV"),
        ("a.jsonl", '{"text": " "}\n', "a.jsonl holds no examples"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "row 2 is not valid JSON"),
        ("a.jsonl", '{"text": "a"}\n["a"]\n', "row 2 must be a JSON object .* Received: list"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "a"}\n', "row 2 has no field 'label'"),
        ("a.jsonl", '{"text": 5}\n', "row 1: the field 'text' must be a string. Received: int"),
        ("a.jsonl", '{"text": ["a", "b", "c"]}\n', "list of 3; two texts a row are two fields"),
        ("a.jsonl", '{"text": "a", "label": {}}\n', "row 1: a label must be .* Received: dict"),
        ("a.jsonl", '{"text": "a", "label": ["x|y"]}\n', "row 1: the labels of a list"),
        ("a.jsonl", '{"body": "a", "x": 1}\n', "no column with .* its columns: 'body', 'x'"),
        ("a.tsv", "", "a.tsv holds no examples"),
        ("a.csv", "text,label\n", "a.csv holds no examples"),
        ("a.txt", '{"text": "a"}\n', r"row 1 is a JSON object, .* save it as a \.jsonl file"),
        ("a.json", '[{"text": "a"}]', "must be a .* a .jsonl has a JSON object a line"),
        ("a.orc", "x", "must be a .tsv, .csv, .jsonl or .txt file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_text_examples(write_file(tmp_path, name, text))
    assert "\n" not in str(caught.value)


def test_labeled_rows_without_text_are_passed_over_with_a_warning(tmp_path, caplog):
    path = write_file(tmp_path, "a.csv", "label,review\n1,good\n0,\n1, \n0,bad\n")
    assert [e.text for e in read_text_examples(path)] == ["good", "bad"]
    (record,) = caplog.records
    assert "a.csv, row 3: the text is empty" in record.getMessage()
    assert "1 more" in record.getMessage()


def test_another_encoding_is_named_with_the_command_that_converts_it(tmp_path):
    (tmp_path / "a.csv").write_bytes("label,review\n1,房间很大，服务很好\n".encode("gb18030") * 9)
    with pytest.raises(InputError, match="iconv -f GB18030 -t UTF-8"):
        read_text_examples(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("name", "count", "pair", "labels"),
    [
        ("sst2/train.tsv", 6920, False, {"0", "1"}),
        ("sst2/dev.tsv", 872, False, {"0", "1"}),
        ("mrpc/msr_paraphrase_train.txt", 4076, True, {"0", "1"}),
        ("mrpc/msr_paraphrase_test.txt", 1725, True, {"0", "1"}),
        ("chnsenticorp/ChnSentiCorp_htl_all.csv", 7765, False, {"0", "1"}),
    ],
)
def test_published_files_are_read_as_they_are(shared_data, name, count, pair, labels):
    examples = read_text_examples(str(shared_data / name))
    assert len(examples) == count
    assert {example.label for example in examples} == labels
    assert all((example.text_pair is not None) == pair for example in examples)
