import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import ChoiceExample, read_choice_examples
from tests.tasks.reading.rows import write_file

SWAG = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n"
    '0,anetv_1,18,"He runs, fast. He","He runs, fast.",He,gold,stops.,flies.,"sings, loud.",is.,2\n'
    "1,lsmdc_2,19,She sits. She,She sits.,She,gen,a,b,c,d,0\n"
)


def read(folder, name, *rows, **how):
    """The examples of JSON lines, or of a text."""
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    return read_choice_examples(write_file(folder, name, text), **how)


def test_swags_own_file_is_read_as_it_is(tmp_path):
    first, second = read(tmp_path, "train.csv", SWAG)
    choices = ("stops.", "flies.", "sings, loud.", "is.")
    where = f"{tmp_path}/train.csv, row 2"
    assert first == ChoiceExample("He runs, fast.", "He", choices, 2, where)
    assert (second.context, second.label) == ("She sits.", 0)


def test_its_test_file_has_no_labels_and_is_answered(tmp_path):
    rows = [line.rpartition(",")[0] for line in SWAG.splitlines()]
    (example, _) = read(tmp_path, "test.csv", "\n".join(rows), labeled=False)
    assert example.label is None
    assert len(example.choices) == 4


def test_hellaswags_own_file_is_read_as_it_is(tmp_path):
    row = {
        "ind": 4, "activity_label": "Roof", "ctx_a": "A man sits.", "ctx_b": "he",
        "ctx": "A man sits. he", "split": "val", "split_type": "indomain", "label": 1,
        "endings": ["eats.", "is ripping level tiles off."], "source_id": "activitynet~x",
    }  # fmt: skip
    (example,) = read(tmp_path, "val.jsonl", row)
    assert (example.context, example.start) == ("A man sits.", "he")
    assert example.choices[example.label] == "is ripping level tiles off."


@pytest.mark.parametrize(
    ("row", "context", "start"),
    [
        ({"context": "c"}, "c", ""),
        ({"context": "c", "start": "s"}, "c", "s"),
        ({"context": "c", "question": "q"}, "c", "q"),
        ({"context": "c", "question": None}, "c", ""),
        ({"question": "q"}, "q", ""),
        ({"Context": "c", "id": 7}, "c", ""),
    ],
)
def test_a_question_or_a_start_stands_before_the_choices(tmp_path, row, context, start):
    (example,) = read(tmp_path, "a.jsonl", row | {"choices": ["a", "b"], "label": 1})
    assert (example.context, example.start, example.label) == (context, start, 1)


def test_rows_may_have_different_fields_and_numbers_of_choices(tmp_path):
    rows = [
        {"context": "c", "choices": ["a", "b"], "label": 0},
        {"question": "q", "endings": ["a", "b", "d"], "label": "2"},
    ]
    examples = read(tmp_path, "a.jsonl", *rows)
    assert [len(example.choices) for example in examples] == [2, 3]
    table = "context\tchoice0\tchoice1\tchoice2\tlabel\nc\ta\tb\t\t1\n\nd\te\tf\tg\t2\n"
    examples = read(tmp_path, "a.tsv", table)
    assert [len(example.choices) for example in examples] == [2, 3]
    assert [example.where.number for example in examples] == [2, 4]


def test_what_was_read_as_what_is_logged(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    read(tmp_path, "train.csv", SWAG)
    (record,) = caplog.records
    assert record.getMessage() == (
        f'{tmp_path}/train.csv: context = "sent1", start = "sent2", label = "label", choices = '
        '"ending0", "ending1", "ending2", "ending3"; passed over: "video-id", "fold-ind", '
        '"startphrase", "gold-source"; "He runs, fast." + "He" -> "sings, loud."'
    )


def test_a_name_that_is_not_known_is_refused_or_left_out_as_told(tmp_path):
    row = {"context": "c", "choices": ["a", "b"], "label": 1, "mood": "x", "hint": "y"}
    with pytest.raises(InputError, match=r"row 1 has 'mood', 'hint', which multiple choice does"):
        read(tmp_path, "a.jsonl", row)
    with pytest.raises(InputError, match=r"has 'hint', .*data\.ignore_columns = \[\"hint\"\]"):
        read(tmp_path, "a.jsonl", row, ignored=("mood",))
    (example,) = read(tmp_path, "a.jsonl", row, ignored=("mood", "hint"))
    assert example.label == 1
    with pytest.raises(InputError, match=r"a\.jsonl has no 'other' to leave out"):
        read(tmp_path, "a.jsonl", row, ignored=("mood", "hint", "other"))


GOOD = {"context": "c", "choices": ["a", "b"], "label": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 2}, "must be the place of the right choice, from 0 to 1. Received: 2"),
        ({"label": -1}, "from 0 to 1. Received: -1"),
        ({"label": True}, "Received: True"),
        ({"label": "B"}, "Received: 'B'"),
        ({"label": "１"}, "Received: '１'"),
        ({"label": 1.0}, "Received: 1.0"),
        ({"label": [1]}, r"Received: \[1\]"),
        ({"choices": ["a"]}, "there must be two choices or more. Received: 1"),
        ({"choices": "ab"}, "'choices' must be a list of texts. Received: str"),
        ({"choices": ["a", None]}, r"'choices\[1\]' must be a string. Received: nothing"),
        ({"choices": ["a", 5]}, r"'choices\[1\]' must be a string. Received: int"),
        ({"choices": ["a", " "]}, "row 1: 'choice 1' is empty"),
        ({"context": " "}, "row 1: 'context' is empty"),
        ({"context": 5}, "'context' must be a string. Received: int"),
        ({"endings": ["a", "b"]}, "has 'choices', 'endings', which say the same"),
        ({"start": "s", "question": "q"}, "has 'start', 'question', which say the same"),
        ({"ending0": "a"}, "has its choices twice, as 'choices', 'ending0'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, "a.jsonl", GOOD | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no examples"),
        ("context,ending0,ending1,label\n", "holds no examples"),
        ("context,start\na,b\n", "has no choices: a list 'choices' or 'endings' or, in a table"),
        ("start,ending0,ending1\na,b,c\n", "has no 'context'.*, and no 'question' in its place"),
        ("context,ending1,ending2\na,b,c\n", "numbered from 0 on, each once, as labels are"),
        ("context,ending0,ending0\na,b,c\n", "has several columns 'ending0'"),
        (f"context,ending0,ending{'9' * 5000}\na,b,c\n", "which multiple choice does not know"),
        ("context,ending0,choice0\na,b,c\n", "numbered from 0 on, each once"),
        ("context,ending0,ending1,label\na,b,c\n", "row 2 has 3 columns, the first row has 4"),
        ("context,ending0,ending1\na,b,\n", "there must be two choices or more. Received: 1"),
        ("context,ending0,ending1,ending2\na,b,,c\n", "row 2: 'choice 1' is empty"),
    ],
)
def test_a_table_that_cannot_be_read_is_said_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, "a.csv", text)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt must be a \.jsonl, \.csv or \.tsv file"):
        read(tmp_path, "a.txt", "x\n")


def test_unlabeled_rows_may_have_empty_texts_and_any_label(tmp_path):
    rows = [GOOD | {"context": "", "label": "?"}, GOOD | {"choices": ["a", ""]}]
    examples = read(tmp_path, "a.jsonl", *rows, labeled=False)
    assert [example.label for example in examples] == [None, None]
    assert examples[1].choices == ("a", "")
