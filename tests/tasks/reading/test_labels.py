import ast
import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import MultiLabelBinarizer

from bert_keras.errors import InputError
from bert_keras.tasks.reading import LabelRules, read_text_examples

SEVERAL = LabelRules(kind="several")
ONE = LabelRules(kind="one")
NAMES = ("anger", "joy", "fear")


def jsonl(folder, labels):
    path = folder / "a.jsonl"
    rows = [{"text": f"text number {n}", "labels": value} for n, value in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def table(folder, cells, name="a.tsv"):
    path = folder / name
    path.write_text("text\tlabels\n" + "".join(f"text {n}\t{c}\n" for n, c in enumerate(cells)))
    return str(path)


def labels_of(source, rules=SEVERAL, **settings):
    return [e.label for e in read_text_examples(source, labels=rules, **settings)]


def test_lists_of_0_and_1_are_read_as_scikit_learn_writes_them(tmp_path, caplog):
    sets = [{"anger", "joy"}, set(), {"fear"}, {"joy"}]
    rows = MultiLabelBinarizer(classes=NAMES).fit_transform(sets)
    rules = LabelRules(kind="several", names=NAMES)
    expected = ["anger|joy", "", "fear", "joy"]
    caplog.set_level(logging.INFO)
    for kind in (float, int, bool):
        assert labels_of(jsonl(tmp_path, rows.astype(kind).tolist()), rules) == expected
    assert 'lists of 0 and 1 are read as "anger", "joy", "fear"' in caplog.text
    cells = [json.dumps(row) for row in rows.tolist()]
    assert labels_of(table(tmp_path, cells), rules) == expected


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        ([[1.0, 0.0]], (), r"row 1: the label is a list of numbers, \[1.0, 0.0\]: name the 2 "),
        ([[True, False]], (), "data.labels = "),
        ([[0, 1], [1, 1]], (), "data.labels = "),
        ([[1, 0, 1], [0]], (), "data.labels = "),
        ([[1.0, 0.0], [1.0]], ("a", "b"), "row 2: the list has 1 numbers, but there are 2 labels"),
        ([[1.0, 0.0]], ("a", "b", "c"), r'has 2 numbers, but there are 3 labels: "a", "b", "c"'),
        ([[1.0, 0.3]], ("a", "b"), "row 1: a list of numbers must have a 1 .* Received: 0.3"),
        ([[1.0, 0.0], ["a"]], ("a", "b"), "row 2: a list of numbers must .* Received: 'a'"),
    ],
)
def test_lists_of_numbers_that_do_not_fit_are_refused(tmp_path, rows, names, message):
    with pytest.raises(InputError, match=message):
        labels_of(jsonl(tmp_path, rows), LabelRules(kind="several", names=names))


def test_whole_numbers_that_are_no_0_and_1_are_the_labels_themselves(tmp_path):
    assert labels_of(jsonl(tmp_path, [[3, 10], [27], [], [0]])) == ["3|10", "27", "", "0"]
    assert labels_of(jsonl(tmp_path, [[0], [1], [1]])) == ["0", "1", "1"]
    assert labels_of(jsonl(tmp_path, [["0", "1"], ["1", "0"]])) == ["0|1", "1|0"]


def test_one_label_alone_may_stand_in_a_list(tmp_path):
    assert labels_of(jsonl(tmp_path, [["a"], [3], [0.5]]), ONE) == ["a", "3", "0.5"]
    assert labels_of(jsonl(tmp_path, [[3.8]]), LabelRules(kind="number")) == ["3.8"]
    for row in (["a", "b"], [1.0, 0.0], []):
        with pytest.raises(InputError, match=r"row 1: a list of . labels where one .*multi_label"):
            labels_of(jsonl(tmp_path, [row]), ONE)


@pytest.mark.parametrize("write", [json.dumps, str])
def test_a_list_in_a_cell_is_read_as_json_or_python_write_it(tmp_path, write):
    lists = [["anger"], ["anger", "joy"], [], ["it's", 'a "word"'], ["no, not", "[x]"]]
    cells = [write(item) for item in lists]
    assert [ast.literal_eval(cell) for cell in cells] == lists
    assert labels_of(table(tmp_path, cells)) == ["|".join(item) for item in lists]


@pytest.mark.parametrize("cell", [str(np.array(["a", "b"])), "['a' 'b']", "[a, b]", "['a', open]"])
def test_a_cell_that_is_nearly_a_list_is_refused(tmp_path, cell):
    with pytest.raises(
        InputError, match=r"row 3: several labels must be written as a\|b or as a list"
    ):
        labels_of(table(tmp_path, ["a", cell]))


def test_labels_that_are_others_joined_are_refused_with_the_separator(tmp_path, caplog):
    path = table(tmp_path, ["anger", "joy", "anger, joy"])
    with pytest.raises(InputError, match=r"row 4: the label 'anger, joy' is .*_separator = ','"):
        labels_of(path)
    rules = LabelRules(kind="several", separator=",")
    assert labels_of(path, rules) == ["anger", "joy", "anger|joy"]
    assert not caplog.records
    labels_of(path, ONE)
    assert "data.task = 'multi_label' reads several labels" in caplog.text
    caplog.clear()
    labels_of(table(tmp_path, ["Paris; France", "Oslo"]))
    assert "row 2: the label \"Paris; France\" holds ';'; data.label_separator" in caplog.text


def test_commas_in_a_list_are_no_separators(tmp_path, caplog):
    rows = [["a, b"], ["a"], ["b"]]
    assert labels_of(jsonl(tmp_path, rows)) == ["a, b", "a", "b"]
    assert not caplog.records


def test_a_column_for_each_label_is_read(tmp_path, caplog):
    path = tmp_path / "toxic.csv"
    path.write_text("id,text,toxic,insult,note\n7,a,1,0,x\n8,b,0.0,TRUE,y\n9,c,,false,z\n")
    caplog.set_level(logging.INFO)
    assert labels_of(str(path), label_columns=("toxic", "insult")) == ["toxic", "insult", ""]
    assert 'a label each = columns "toxic", "insult"; passed over: "id", "note"' in caplog.text
    assert 'row 2: "a" -> "toxic"' in caplog.text
    known = LabelRules(kind="several", names=("toxic", "insult"))
    assert labels_of(str(path), known) == ["toxic", "insult", ""]
    with pytest.raises(InputError, match="a column for 'insult' but none for 'threat'"):
        labels_of(str(path), LabelRules(kind="several", names=("insult", "threat")))
    with pytest.raises(InputError, match="no column 'threat'; its columns: 'id', 'text', 'toxic'"):
        labels_of(str(path), label_columns=("toxic", "threat"))
    (tmp_path / "a.jsonl").write_text('{"text": "a", "x": true, "y": 0}\n')
    assert labels_of(str(tmp_path / "a.jsonl"), label_columns=("x", "y")) == ["x"]


def test_a_label_column_that_is_not_0_or_1_names_row_and_column(tmp_path):
    path = tmp_path / "toxic.csv"
    path.write_text("text,toxic,insult\na,1,0\nb,0,-1\n")
    with pytest.raises(InputError, match=r"row 3: the column 'insult' .* must be 0 or 1.*'-1'"):
        labels_of(str(path), label_columns=("toxic", "insult"))
    rules = LabelRules(kind="several", ignored=("-1",))
    assert labels_of(str(path), rules, label_columns=("toxic", "insult")) == ["toxic"]


@pytest.mark.parametrize(
    ("values", "ignored", "expected"),
    [
        (["a", "-", "b"], "-", ["a", "b"]),
        (["a", None, "b"], "null", ["a", "b"]),
        (["a", float("nan"), "b"], "NaN", ["a", "b"]),
        (["a", "", "b"], "", ["a", "b"]),
        ([1, -1, 0], "-1", ["1", "0"]),
    ],
)
def test_rows_of_ignored_labels_are_left_out_and_counted(
    tmp_path, caplog, values, ignored, expected
):
    caplog.set_level(logging.INFO)
    rules = LabelRules(kind="one", ignored=(ignored,))
    assert labels_of(jsonl(tmp_path, values), rules) == expected
    assert "data.ignore_labels leaves out 1 of the rows" in caplog.text


def test_one_of_several_labels_that_is_ignored_leaves_the_row_out(tmp_path):
    rules = LabelRules(kind="several", ignored=("unclear",))
    rows = ["a|unclear", "b", '["unclear"]']
    assert labels_of(table(tmp_path, rows), rules) == ["b"]
    assert labels_of(jsonl(tmp_path, [["a", "unclear"], ["b"]]), rules) == ["b"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["a", "-", "b", "-"], 'row 3: the label "-" (2 rows)'),
        (["a", "NaN", "N/A"], 'row 3: the label "NaN" (1 rows), "N/A" (1 rows)'),
        (["0", "1", "-1"], 'row 4: the label "-1" (1 rows)'),
        (["0.0", "-1.0", "1.0"], 'row 3: the label "-1.0" (1 rows)'),
    ],
)
def test_labels_that_stand_for_none_are_named_with_their_counts(tmp_path, caplog, cells, said):
    assert labels_of(table(tmp_path, cells), ONE) == cells
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "data.ignore_labels = [" in record.getMessage()


@pytest.mark.parametrize("cells", [["a", "-1"], ["-2", "-1", "1"], ["none", "favor"]])
def test_labels_that_are_labels_are_let_be(tmp_path, caplog, cells):
    assert labels_of(table(tmp_path, cells), ONE) == cells
    assert not caplog.records


def test_labels_that_the_task_knows_or_refuses_itself_are_not_doubted(tmp_path, caplog):
    cells = ["a", "-", "-1"]
    assert labels_of(table(tmp_path, cells), replace(ONE, names=("a", "b"))) == cells
    assert not caplog.records


def test_json_without_a_label_has_none(tmp_path):
    assert labels_of(jsonl(tmp_path, ["a", None, float("nan")]), ONE) == ["a", None, None]


@pytest.mark.parametrize(
    ("values", "rules", "expected"),
    [
        ([1.0, 1, 0, 0.5], ONE, ["1", "1", "0", "0.5"]),
        ([1.0, 0.0, 0.5], ONE, ["1.0", "0.0", "0.5"]),
        ([1, 0.0], replace(ONE, names=("0.0", "1.0")), ["1.0", "0.0"]),
        ([1.0, 0], replace(ONE, names=("0", "1")), ["1", "0"]),
        ([[1.0], [1], 1.0, 1], ONE, ["1", "1", "1", "1"]),
        ([[3], 3.0, 4.0], SEVERAL, ["3", "3", "4.0"]),
        ([True, 1, 1.0], ONE, ["true", "1", "1"]),
        ([1, 1.0], LabelRules(kind="number"), ["1", "1.0"]),
        (["1", "1.0"], ONE, ["1", "1.0"]),
        ([1, -1.0, -1], replace(ONE, ignored=("-1",)), ["1"]),
    ],
)
def test_equal_numbers_of_json_are_one_label(tmp_path, values, rules, expected):
    assert labels_of(jsonl(tmp_path, values), rules) == expected


def test_numbers_of_json_make_as_many_classes_as_numpy_finds(tmp_path):
    values = [1, 1.0, 2.0, 2, 10, 0.0, 3.5]
    assert len(set(labels_of(jsonl(tmp_path, values), ONE))) == len(np.unique(values))
