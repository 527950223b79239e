import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading.groups import GroupExample, read_group_examples
from tests.tasks.reading.rows import write_file


def read(folder, name, *rows, **how):
    """The examples of JSON lines, or of a text."""
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    return read_group_examples(write_file(folder, name, text), **how)


def test_json_lines_have_any_number_of_negatives(tmp_path):
    rows = [
        {"query": "who left?", "positive": "Anna left.", "negatives": ["Bert stayed.", "Who?"]},
        {"query": "who stayed?", "positive": "Bert stayed.", "negatives": []},
    ]
    first, second = read(tmp_path, "train.jsonl", *rows)
    where = f"{tmp_path}/train.jsonl, row 1"
    assert first == GroupExample("who left?", "Anna left.", ("Bert stayed.", "Who?"), where)
    assert second.texts == ("who stayed?", "Bert stayed.")


def test_a_table_has_a_column_for_each_negative_and_may_leave_the_last_ones_empty(tmp_path):
    table = "anchor,positive,negative_1,negative_2\na,b,c,d\ne,f,g,\nh,i,,\n"
    negatives = [example.negatives for example in read(tmp_path, "train.csv", table)]
    assert negatives == [("c", "d"), ("g",), ()]


@pytest.mark.parametrize(
    "names",
    ["anchor\tpositive\tnegative", "premise\tentailment\tcontradiction", "Query\tpos\tneg"],
)
def test_the_names_of_published_data_are_known(names, tmp_path):
    (example,) = read(tmp_path, "train.tsv", f"{names}\none\ttwo\tthree\n")
    assert example.texts == ("one", "two", "three")


def test_lines_of_text_are_their_own_positives(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    first, second = read(tmp_path, "train.txt", "one\n\ntwo\n")
    assert (first.texts, second.texts) == (("one", "one"), ("two", "two"))
    assert second.where.endswith("row 3")
    assert "its own positive" in caplog.text


def test_what_was_read_as_what_is_said(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    read(tmp_path, "train.tsv", "id\tquestion\tanswer\n7\twho?\tAnna\n")
    assert 'anchor = "question", positive = "answer"; passed over: "id"; "who?" + "Anna"' in (
        caplog.text
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"anchor": "a"}, "row 1 has no positive"),
        ({"positive": "a"}, "row 1 has no anchor"),
        ({"anchor": "a", "query": "b", "positive": "c"}, "'anchor', 'query', which say the same"),
        ({"anchor": "a", "positive": " "}, "row 1: 'positive' is empty"),
        ({"anchor": "a", "positive": "b", "negatives": ["c", ""]}, "row 1: 'negatives 2' is empty"),
        ({"anchor": "a", "positive": "b", "negatives": [1]}, "'negatives 1' must be a string"),
        ({"anchor": "a", "positive": "b", "negatives": "c", "negative": "d"}, "negatives twice"),
        ({"anchor": "a", "positive": "b", "negatives": ["b"]}, "the positive and a negative, too"),
        ({"anchor": "a", "positive": ["b"]}, "'positive' must be a string"),
        (
            {"anchor": "a", "positive": "b", "score": 1},
            "'score', which is not known.*--ignore-column 'score'",
        ),
    ],
)
def test_a_row_that_is_not_understood_is_named(row, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(tmp_path, "train.jsonl", row)


def test_a_table_is_told_by_its_header_and_an_empty_cell_by_its_column(tmp_path):
    with pytest.raises(
        InputError, match=r"train.csv, row 1, its header, has no anchor .* 'a', 'b'"
    ):
        read(tmp_path, "train.csv", "a,b\nc,d\n")
    table = "anchor,positive,negative_1,negative_2\na,b,,d\n"
    with pytest.raises(InputError, match=r"row 2: 'negative_1' is empty"):
        read(tmp_path, "train.csv", table)


def test_columns_that_the_user_names_are_passed_over_and_must_be_there(tmp_path):
    row = {"anchor": "a", "positive": "b", "score": 1}
    (example,) = read(tmp_path, "train.jsonl", row, ignored=("score",))
    assert example.texts == ("a", "b")
    with pytest.raises(InputError, match="has no 'rank' to leave out"):
        read(tmp_path, "train.jsonl", row, ignored=("score", "rank"))
    with pytest.raises(InputError, match="has no columns to leave out"):
        read(tmp_path, "train.txt", "one\n", ignored=("score",))


@pytest.mark.parametrize("name", ["train.jsonl", "train.csv", "train.txt"])
def test_an_empty_file_holds_no_examples(name, tmp_path):
    with pytest.raises(InputError, match="holds no examples"):
        read(tmp_path, name, "")
