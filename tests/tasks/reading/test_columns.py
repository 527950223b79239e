import json
import logging

import pytest

from bert_keras.errors import InputError, listed
from bert_keras.tasks.reading import LabelRules, read_text_examples

ONE = LabelRules(kind="one")
MESSAGES = [f"message number {n} of many" for n in range(24)]
KINDS = ["spam", "ham"] * 12


def write(folder, name, rows, header=()):
    sign = "," if name.endswith(".csv") else "\t"
    path = folder / name
    lines = [sign.join(map(str, row)) for row in [*([header] if header else []), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def rows_of(source, labels=ONE, **columns):
    found = read_text_examples(source, labels=labels, **columns)
    return [(e.text, e.text_pair, e.label) for e in found]


SWAPPED = {
    "label-first.tsv": (list(zip(KINDS, MESSAGES, strict=True)), "column 2, read as the label"),
    "repeated.tsv": (
        list(zip(KINDS, MESSAGES[:4] * 6, strict=True)),
        "column 2, read as the label, .* longer than the texts",
    ),
    "few.tsv": (list(zip(KINDS[:4], MESSAGES[:4], strict=True)), "column 2, .* longer than"),
    "id-text-label.csv": (
        [(n, *pair) for n, pair in enumerate(zip(MESSAGES, KINDS, strict=True))],
        'column 1, read as a text, has numbers: "0", "1"',
    ),
    "named-id.csv": (
        [(f"tweet-{n}", *pair) for n, pair in enumerate(zip(MESSAGES, KINDS, strict=True))],
        'column 1, read as the text, looks like an id: "tweet-0"',
    ),
    "class-title-description.csv": (
        [(n % 4 + 1, f"title {n}", text) for n, text in enumerate(MESSAGES)],
        "column 1, read as a text, has numbers",
    ),
    "id-text.tsv": (list(enumerate(MESSAGES)), "column 1, read as a text, has numbers"),
    "text-label-id.csv": (
        [(*pair, n) for n, pair in enumerate(zip(MESSAGES, KINDS, strict=True))],
        "column 3, read as the label, .*: 24 different numbers in 24 rows",
    ),
    "text-number.tsv": (
        [(text, f"{n / 7:.3f}") for n, text in enumerate(MESSAGES)],
        "column 2, .*: 24 different numbers in 24 rows; data.task = 'regression'",
    ),
}


@pytest.mark.parametrize("name", SWAPPED)
def test_columns_by_position_that_look_like_others_are_refused(tmp_path, name):
    rows, message = SWAPPED[name]
    path = write(tmp_path, name, rows)
    with pytest.raises(InputError, match=rf"{name}: {message}.*data.text_column, ") as caught:
        rows_of(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["label-first.tsv", "id-text-label.csv", "repeated.tsv"])
def test_they_are_refused_where_only_texts_are_read(tmp_path, name):
    rows, _ = SWAPPED[name]
    with pytest.raises(InputError, match=r"data.text_column, "):
        rows_of(write(tmp_path, name, rows), None)


def test_columns_without_a_header_are_named_by_their_number(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows, _ = SWAPPED["label-first.tsv"]
    path = write(tmp_path, "a.tsv", rows)
    expected = [(text, None, kind) for kind, text in rows]
    assert rows_of(path, label_column="1") == expected
    assert rows_of(path, text_column="2", label_column="1") == expected
    assert rows_of(path, None, text_column="2") == [(text, None, None) for text in MESSAGES]
    assert "text = column 2, label = column 1, without a header; row 1" in caplog.text
    assert "text = column 2, without a header; passed over: 1; row 1" in caplog.text
    rows, _ = SWAPPED["id-text-label.csv"]
    path = write(tmp_path, "b.csv", rows)
    assert rows_of(path, text_column="2") == [(text, None, kind) for _, text, kind in rows]
    four = write(tmp_path, "c.csv", [("x", *row) for row in rows])
    assert rows_of(four, text_column="3", label_column="4")[0] == (MESSAGES[0], None, "spam")
    with pytest.raises(InputError, match=r"no column '7': .* its columns are 1 to 4; data.header"):
        rows_of(four, text_column="7", header=False)


def test_a_number_that_may_be_a_name_is_asked_about(tmp_path):
    rows, _ = SWAPPED["class-title-description.csv"]
    path = write(tmp_path, "a.csv", rows)
    with pytest.raises(InputError, match="row 1 has '1' among its cells: is that row a header"):
        rows_of(path, label_column="1")
    found = rows_of(path, label_column="1", header=False)
    assert found[0] == ("title 0", MESSAGES[0], "1")
    pandas = write(tmp_path, "b.csv", [("fine", "a"), ("odd", "b")], header=("0", "1"))
    assert rows_of(pandas, text_column="0", label_column="1") == [
        ("fine", None, "a"),
        ("odd", None, "b"),
    ]


def test_a_header_of_unknown_names_is_not_taken_for_data(tmp_path):
    rows = list(zip(MESSAGES, KINDS, strict=True))
    path = write(tmp_path, "a.tsv", rows, header=("Phrase", "Kind"))
    with pytest.raises(InputError, match=r'row 1 looks like a header: .* the label "Kind"'):
        rows_of(path)
    with pytest.raises(InputError, match=r"data.text_column .* its columns: 'Phrase', 'Kind'"):
        rows_of(path, header=True)
    expected = [(text, None, kind) for text, kind in rows]
    assert rows_of(path, text_column="Phrase", label_column="Kind") == expected
    assert rows_of(path, header=False) == [("Phrase", None, "Kind"), *expected]
    numbers = [(text, n % 2) for n, text in enumerate(MESSAGES[:3])]
    path = write(tmp_path, "b.tsv", numbers, header=("Phrase", "Value"))
    for rules in (ONE, LabelRules(kind="number"), None):
        with pytest.raises(InputError, match="row 1 looks like a header"):
            rows_of(path, rules)


def test_which_column_is_what_is_said_with_an_example(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows = [(1, "a fine film", 4, "x"), (2, "dull", 1, "y")]
    path = write(tmp_path, "a.csv", rows, header=("id", "review", "stars", "label_text"))
    rows_of(path)
    rows_of(path, None)
    (tmp_path / "b.jsonl").write_text('{"premise": "a", "hypothesis": "b", "gold_label": "x"}\n')
    rows_of(str(tmp_path / "b.jsonl"))
    (tmp_path / "c.txt").write_text("first\nsecond\n")
    rows_of(str(tmp_path / "c.txt"), None)
    assert [record.getMessage() for record in caplog.records] == [
        f'{path}: text = column "review", label = column "stars"; passed over: "id", "label_text"; '
        'row 2: "a fine film" -> "4"',
        f'{path}: text = column "review"; passed over: "stars", "id", "label_text"; '
        'row 2: "a fine film"',
        f'{tmp_path}/b.jsonl: text = column "premise", second text = column "hypothesis", '
        'label = column "gold_label"; row 1: "a" + "b" -> "x"',
        f'{tmp_path}/c.txt: a text a line; row 1: "first"',
    ]


def test_a_text_with_control_characters_is_one_line_of_a_note(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a\nb \x1b[31m " + "long " * 50}))
    rows_of(str(tmp_path / "a.jsonl"), None)
    (record,) = caplog.records
    assert record.getMessage().endswith('…"')
    assert record.getMessage().isprintable()


@pytest.mark.parametrize("header", [" Text , LABEL ", "text,Gold Label", "TEXT,gold-label"])
def test_case_spaces_and_hyphens_of_a_header_make_no_difference(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\nfine,1\nodd,0\n")
    path = str(tmp_path / "a.csv")
    assert rows_of(path) == [("fine", None, "1"), ("odd", None, "0")]
    name = header.split(",")[1].strip().lower()
    assert rows_of(path, label_column=name) == [("fine", None, "1"), ("odd", None, "0")]


def test_a_column_that_the_user_names_is_not_doubted(tmp_path):
    rows = list(zip(MESSAGES, MESSAGES[::-1], strict=True))
    path = write(tmp_path, "a.tsv", rows, header=("text", "label"))
    with pytest.raises(InputError, match=r'column "label", read as the label, .* 24 different'):
        rows_of(path)
    assert len(rows_of(path, label_column="label")) == 24


def test_labels_that_the_model_knows_are_not_doubted(tmp_path):
    intents = [f"intent-{n}" for n in range(24)]
    path = write(tmp_path, "a.tsv", zip(MESSAGES, intents, strict=True), header=("text", "label"))
    with pytest.raises(InputError, match="read as the label"):
        rows_of(path)
    assert len(rows_of(path, LabelRules(kind="one", names=tuple(intents)))) == 24


def test_texts_that_are_shorter_than_their_labels_are_let_be(tmp_path):
    names = [("Li", "Chinese"), ("Ivo", "Croatian"), ("Ada", "German"), ("Bo", "Swedish")]
    rows = [(f"{text}{n}", label) for n in range(6) for text, label in names]
    assert len(rows_of(write(tmp_path, "a.tsv", rows))) == 24


@pytest.mark.parametrize(
    ("name", "sign"), [("a.csv", "\t"), ("a.csv", ";"), ("a.tsv", ","), ("a.tsv", ";")]
)
def test_a_header_by_another_separator_is_no_table_of_one_column(tmp_path, name, sign):
    (tmp_path / name).write_text(f"text{sign}label\nfine{sign}1\n")
    with pytest.raises(InputError, match=r"one column, but 2 if .*: (call it|a first line)"):
        rows_of(str(tmp_path / name), None)


@pytest.mark.parametrize(
    "names",
    [
        ("sentence1", "sentence2", "sentence3"),
        ("text_a", "text_b", "Text C"),
        ("#1 String", "#2 String", "#3 String"),
        ("question1", "question2", "question3"),
    ],
)
def test_three_texts_a_row_are_refused_unless_two_are_named(tmp_path, names):
    path = write(tmp_path, "a.csv", [("x", "y", "z", "no")], header=(*names, "label"))
    with pytest.raises(InputError, match=rf"three texts a row, {listed(names)}; .* name$"):
        rows_of(path)
    (row,) = read_text_examples(path, text_column=names[0], text_pair_column=names[1])
    assert (row.text, row.text_pair) == ("x", "y")


def test_an_unknown_layout_names_the_settings(tmp_path):
    path = write(tmp_path, "a.csv", [("x", "y", 1, 0)], header=("id", "body", "toxic", "rude"))
    with pytest.raises(
        InputError, match=r"row 1 has 4 columns .*; data.text_column, .* give their numbers"
    ):
        rows_of(path)


@pytest.mark.parametrize(
    ("name", "count"),
    [("rte/train.tsv", 2490), ("cola/train.tsv", 8551), ("sst2/dev.tsv", 872)],
)
def test_published_files_are_not_doubted(shared_data, name, count):
    assert len(rows_of(str(shared_data / name))) == count


@pytest.mark.parametrize(("sign", "first"), [(";", "sep=;"), (",", "sep=,"), ("\t", '"sep=\t"')])
def test_the_separator_that_excel_writes_into_the_first_line_is_read(tmp_path, caplog, sign, first):
    caplog.set_level(logging.INFO)
    (tmp_path / "a.csv").write_text(f'{first}\r\ntext{sign}label\r\n"a{sign} b"{sign}1\r\n')
    (example,) = read_text_examples(str(tmp_path / "a.csv"))
    assert (example.text, example.label) == (f"a{sign} b", "1")
    assert (example.where.number, caplog.messages[0].partition(": ")[2]) == (
        3,
        f"{sign!r} separates the cells, as the first line says",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "Satz;Art\nja;1\nnein, nie;0\n", "row 3 has 2 columns, .* 1; if ';' .*sep=;"),
        ("a.csv", "Satz;Art\nja;1\nnein;0\n", "each row has 1 ';': .*sep=;"),
        ("a.csv", "Satz\tArt\nja\t1\nnein\t0\n", "each row has .*call it .tsv"),
        ("a.csv", "text,label\nyes, indeed,1\n", "row 2 has 3 columns, .* in double quotes"),
    ],
)
def test_a_table_by_another_separator_names_the_way_out(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_text_examples(str(tmp_path / name), labeled=False)


def test_lines_of_columns_that_are_read_as_texts_are_warned_of(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("fine film\tgood\nbad film\tbad\nno film\tbad\n")
    assert len(read_text_examples(str(tmp_path / "a.txt"), labeled=False)) == 3
    assert "each row has 1 '\\t'; data.text_column = '1'" in caplog.text
    caplog.clear()
    read_text_examples(str(tmp_path / "a.txt"), "1", labeled=False)
    assert not caplog.text


def test_lists_of_labels_may_be_longer_than_the_texts(tmp_path):
    rows = [(f"text {n}", f"[{n % 2}, {int(n % 3 == 0)}, {int(n % 4 == 0)}]") for n in range(12)]
    rules = LabelRules(kind="several", names=("x", "y", "z"))
    path = write(tmp_path, "a.tsv", rows, header=("text", "labels"))
    assert read_text_examples(path, labels=rules)[0].label == "y|z"


def test_columns_that_another_separator_would_give_name_the_way_out(tmp_path):
    (tmp_path / "sts.csv").write_text("a dog\ta cat\t2.5\n")
    with pytest.raises(InputError, match=r"one column, but 3 if '\\t' separates .* call it \.tsv"):
        read_text_examples(str(tmp_path / "sts.csv"), label_column="3")
