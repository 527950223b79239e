"""Files of answers, read back by others' readers."""

import csv
import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks import (
    Classification,
    MultiLabel,
    Ranking,
    Span,
    Tagging,
    numbered,
    write_answers,
)
from bert_keras.tasks.reading import QuestionExample, TaggedExample, TextExample, place


def _where(number, identity=None):
    return place(f"a.csv, row {number}", number, {"id": identity}, "id" if identity else "")


def _example(text, number, identity=None, pair=None):
    return TextExample(text, pair, None, _where(number, identity))


def _label(label, score):
    return {"label": label, "score": score, "scores": {"bad": 1 - score, "very good": score}}


EXAMPLES = [
    _example('good, "fine"\nfilm', 2, "x1"),
    _example("", 3, "x2"),
    _example("a\rb\tc", 5, "x3"),
]
ANSWERS = [_label("very good", 0.75), None, _label("bad", 0.25)]


def test_answers_carry_row_and_id():
    first, empty, last = numbered(EXAMPLES, ANSWERS)
    assert (first["row"], first["id"], first["label"]) == (2, "x1", "very good")
    assert empty is None
    assert (last["row"], last["id"]) == (5, "x3")


def test_answers_to_judged_pairs_carry_the_ids_of_query_and_document(tmp_path):
    for name, identity in (("corpus", "c7"), ("queries", "q7")):
        text = json.dumps({"_id": identity, "text": "a text"})
        (tmp_path / f"{name}.jsonl").write_text(text)
    file = tmp_path / "test.tsv"
    file.write_text("query-id\tcorpus-id\tscore\nq7\tc7\t1\n")
    (example,) = Ranking().read_texts(str(file))
    expected = {"row": 2, "query-id": "q7", "corpus-id": "c7", "score": 0.5}
    assert numbered([example], [{"score": 0.5}]) == [expected]
    write_answers(tmp_path / "a.csv", Ranking(), [example], [{"score": 0.5}])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as table:
        (row,) = csv.DictReader(table)
    assert (row["query-id"], row["corpus-id"], row["text_pair"]) == ("q7", "c7", "a text")


def test_answers_to_texts_of_no_file_count_from_one():
    examples = [Classification().from_text("a"), Classification().from_text("b")]
    rows = numbered(examples, [_label("bad", 0.5)] * 2)
    assert [list(row)[:2] for row in rows] == [["row", "label"]] * 2
    assert [row["row"] for row in rows] == [1, 2]


def test_json_lines_have_every_row(tmp_path):
    write_answers(tmp_path / "a.jsonl", Classification(), EXAMPLES, ANSWERS)
    with (tmp_path / "a.jsonl").open(encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    assert [row["text"] for row in rows] == [e.text for e in EXAMPLES]
    assert rows[0] == {"row": 2, "id": "x1", "text": EXAMPLES[0].text, **ANSWERS[0]}
    assert rows[1] == {"row": 3, "id": "x2", "text": "", "label": None, "score": None,
                       "scores": None}  # fmt: skip


def test_a_csv_is_read_back_by_pythons_reader(tmp_path):
    path = tmp_path / "a.csv"
    write_answers(path, Classification(), EXAMPLES, ANSWERS)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    header = ["row", "id", "text", "label", "score", "score_bad", "score_very good"]
    assert list(rows[0]) == header
    assert [row["text"] for row in rows] == [e.text for e in EXAMPLES]
    assert rows[1] == dict.fromkeys(header, "") | {"row": "3", "id": "x2"}
    assert [row["score_very good"] for row in rows] == ["0.75", "", "0.25"]


def test_a_tsv_has_a_line_a_row_and_no_quotes(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    write_answers(tmp_path / "a.tsv", Classification(), EXAMPLES, ANSWERS)
    lines = (tmp_path / "a.tsv").read_bytes().decode().split("\n")
    assert [line.split("\t")[:4] for line in lines[1:-1]] == [
        ["2", "x1", 'good, "fine" film', "very good"],
        ["3", "x2", "", ""],
        ["5", "x3", "a b c", "bad"],
    ]
    assert "2 rows had tabs or line ends" in caplog.text


def test_pairs_and_several_labels(tmp_path):
    examples = [_example("a", 1, pair="b"), _example("c", 2, pair="d")]
    answers = [{"labels": ["x", "y"], "scores": {"x": 0.9, "y": 0.8}},
               {"labels": [], "scores": {"x": 0.1, "y": 0.2}}]  # fmt: skip
    write_answers(tmp_path / "a.csv", MultiLabel(), examples, answers)
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "row,text,text_pair,labels,score_x,score_y",
        "1,a,b,x|y,0.9,0.8",
        "2,c,d,,0.1,0.2",
    ]


def test_entities_are_json_in_a_cell(tmp_path):
    entities = [{"label": "PER", "start": 0, "end": 4, "text": "Anna", "score": 0.5}]
    answer = {"entities": entities, "words": ["Anna"], "tags": ["B-PER"], "scores": [0.5]}
    examples = [TaggedExample.from_text("Anna", _where(4))]
    write_answers(tmp_path / "a.csv", Tagging(), examples, [answer])
    with (tmp_path / "a.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert json.loads(row["entities"]) == entities
    assert (row["row"], json.loads(row["tags"])) == ("4", ["B-PER"])


def _question(identity, number=1):
    return QuestionExample(identity, "Who?", "Anna.", (), False, _where(number, identity))


def _answer(text):
    return {"answer": text, "start": 0, "end": len(text), "score": 0.5, "no_answer_score": -1.0,
            "nbest": []}  # fmt: skip


def test_squads_format_has_an_answer_by_id(tmp_path):
    examples = [_question("q1"), _question("q2"), _question("q3")]
    write_answers(tmp_path / "p.json", Span(), examples, [_answer("Anna"), _answer(""), None])
    read = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert read == {"q1": "Anna", "q2": "", "q3": ""}


def test_two_questions_of_one_id_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"row 2: another question has the id 'q1'.* \.jsonl"):
        write_answers(
            tmp_path / "p.json", Span(), [_question("q1"), _question("q1", 2)], [_answer("")] * 2
        )
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(InputError, match="already exists; remove it or choose another name"):
        write_answers(tmp_path / "a.csv", Classification(), EXAMPLES, ANSWERS)
    assert (tmp_path / "a.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.xlsx", r"written as \.csv, \.tsv, \.jsonl, \.json"), ("a.json", "SQuAD's format")],
)
def test_a_format_that_does_not_fit_is_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        write_answers(tmp_path / name, Classification(), EXAMPLES, ANSWERS)
