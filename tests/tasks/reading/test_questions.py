import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import QuestionExample, read_question_examples

CONTEXT = "The tower is 324 meters tall."


def _squad(*questions, context=CONTEXT):
    return {"version": "x", "data": [{"paragraphs": [{"context": context, "qas": [*questions]}]}]}


def _read(folder, data, name="a.json"):
    text = data if isinstance(data, str) else json.dumps(data)
    (folder / name).write_text(text, encoding="utf-8")
    return read_question_examples(str(folder / name))


def test_both_versions_of_squad_are_read(tmp_path):
    answers = [{"text": "324 meters", "answer_start": 13}, {"text": "324", "answer_start": 13}]
    one = {"id": "q1", "question": "How tall?", "answers": answers}
    two = {"id": "q2", "question": "How old?", "answers": [], "is_impossible": True,
           "plausible_answers": answers}  # fmt: skip
    three = {"id": "q3", "question": "Whose?"}
    where = f"{tmp_path}/a.json, question"
    expected = (("324 meters", 13), ("324", 13))
    assert _read(tmp_path, _squad(one, two, three)) == [
        QuestionExample("q1", "How tall?", CONTEXT, expected, False, f"{where} q1"),
        QuestionExample("q2", "How old?", CONTEXT, (), True, f"{where} q2"),
        QuestionExample("q3", "Whose?", CONTEXT, (), False, f"{where} q3"),
    ]


def test_half_a_surrogate_pair_is_replaced_and_offsets_stay(tmp_path):
    text = json.dumps(_squad({"question": "\ud83d?", "answers": [{"text": "b", "answer_start": 2}]},
                             context="\ud83d b"))  # fmt: skip
    (example,) = _read(tmp_path, text)
    assert (example.question, example.context) == ("\ufffd?", "\ufffd b")
    assert example.answers == (("b", 2),)


def test_json_lines_are_read_with_and_without_answers(tmp_path):
    records = [
        {"id": "a", "question": "Q?", "context": "C.",
         "answers": {"text": ["C"], "answer_start": [0]}},
        {"question": "Q?", "context": "C.", "answers": {"text": [], "answer_start": []}},
        {"question": "Q?", "context": "C."},
    ]  # fmt: skip
    examples = _read(tmp_path, "\n".join(map(json.dumps, records)), "a.jsonl")
    assert [(e.id, e.answers, e.is_impossible) for e in examples] == [
        ("a", (("C", 0),), False),
        ("2", (), True),  # an empty list of answers is one without answer, as officially
        ("3", (), False),
    ]
    assert examples[2].where == f"{tmp_path}/a.jsonl, row 3"


@pytest.mark.parametrize("said", [{}, {"is_impossible": False}])
def test_null_in_place_of_answers_says_nothing(tmp_path, said):
    (example,) = _read(tmp_path, _squad({"question": "Q?", "answers": None, **said}))
    assert (example.answers, example.is_impossible) == ((), False)


def test_a_question_without_answer_may_have_an_empty_one(tmp_path):
    answers = [{"text": "", "answer_start": -1}]
    for given in (answers, None, []):
        question = {"question": "Q?", "answers": given, "is_impossible": True}
        (example,) = _read(tmp_path, _squad(question))
        assert (example.answers, example.is_impossible) == ((), True)


@pytest.mark.parametrize(
    "answers",
    ["", "324", 0, False, {}, {"text": [], "answer_start": None},
     {"text": "32", "answer_start": [13, 14]}, {"text": "", "answer_start": ""}],
)  # fmt: skip
def test_answers_are_a_list_or_an_object_of_lists(tmp_path, answers):
    with pytest.raises(InputError, match="question 1: 'answers' must be a list, or an object"):
        _read(tmp_path, _squad({"question": "Q?", "answers": answers}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "a.json is not valid JSON"),
        ("[" * 100_000, "a.json is not valid JSON"),
        ("[]", "must be a JSON object with the field 'data'.* Received: list"),
        ('{"data": [], "data": []}', "a.json is not clear: the key 'data' comes twice"),
        ({"data": 5}, "has no list 'data'"),
        ({"data": [{"title": "x"}]}, "article 1 has no list 'paragraphs'"),
        (
            {"data": [{"paragraphs": [{"context": "x"}]}]},
            "article 1, paragraph 1 has no list 'qas'",
        ),
        (_squad(5), "question 1 must be a JSON object"),
        (_squad({"id": "q", "question": ""}), "question q: the question is empty"),
        (_squad({"id": "q", "question": 5}), "'question' must be a string. Received: int"),
        (_squad({"question": "Q"}, context=" "), "question 1: the context is empty"),
        (_squad({"question": "Q"}, context=None), "'context' must be a string. Received: nothing"),
        (_squad({"id": "q", "question": "Q", "answers": [{"text": "x"}]}), "every answer must"),
        (
            _squad({"id": "q", "question": "Q", "answers": [{"text": "x", "answer_start": "1"}]}),
            "every answer must",
        ),
        (_squad({"id": "q", "question": "Q", "is_impossible": 1}), "'is_impossible' must be"),
        (
            _squad(
                {
                    "id": "q",
                    "question": "Q",
                    "is_impossible": True,
                    "answers": [{"text": "324", "answer_start": 13}],
                }
            ),
            "question q: 'is_impossible' is true, but 'answers' has \"324\"",
        ),
        (_squad(), "holds no questions"),
    ],
)
def test_what_is_not_squad_is_said_in_one_line(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, data)
    assert "\n" not in str(caught.value)


def test_xquad_is_read_and_its_answers_stand_where_they_should(shared_data):
    examples = read_question_examples(str(shared_data / "xquad" / "xquad.en.json"))
    assert len(examples) == 1190
    for example in examples:
        ((text, start),) = example.answers
        assert example.context[start : start + len(text)] == text
