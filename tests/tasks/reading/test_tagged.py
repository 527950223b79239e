import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TaggedExample, read_tagged_examples


def _read(folder, text, name="a.conll"):
    (folder / name).write_bytes(text.encode())
    return read_tagged_examples(str(folder / name))


def _pairs(examples):
    return [[*zip(e.words, e.tags, strict=True)] for e in examples]


SENTENCES = [[("Empire", "B-facility"), ("State", "I-facility"), (".", "O")], [("#", "O")]]


@pytest.mark.parametrize(
    "text",
    [
        "Empire\tB-facility\nState\tI-facility\n.\tO\n\t\n#\tO\n",
        "\n\nEmpire B-facility\nState I-facility\n. O\n\n\n# O\n\n",
        "-DOCSTART- -X- O\n\nEmpire NNP B-NP B-facility\nState NNP I-NP I-facility\n. . O O\n\n"
        "-DOCSTART- -X- O\n# . O O\n",
        "Empire\tB-facility\t\n State  I-facility \n.\tO\t \n\n#\tO",
        "# sent_id = 3\n# text\nEmpire\tX\tB-facility\r\nState\tX\tI-facility\r\n.\t\tO\r\n\r\n"
        "# id 8\n#\tX\tO\r\n",
        "# text = blood type O\nEmpire\tB-facility\nState\tI-facility\n.\tO\n\n"
        "# the next of type O\n#\tO\n",
    ],
)
def test_columns_may_stand_as_any_shared_task_has_them(tmp_path, text):
    assert _pairs(_read(tmp_path, text)) == SENTENCES


def test_a_sentence_knows_its_row_and_where_its_words_stand(tmp_path):
    first, second = _read(tmp_path, "a O\nbcd O\n\n\ne f\tO\n")
    assert (first.where, second.where) == (
        f"{tmp_path}/a.conll, row 1",
        f"{tmp_path}/a.conll, row 5",
    )
    assert (first.text, first.starts) == ("a bcd", (0, 2))
    assert second.words == ("e f",)


def test_one_column_is_words_without_tags(tmp_path):
    assert [(e.words, e.tags) for e in _read(tmp_path, "One\ntwo\n\nthree\n")] == [
        (("One", "two"), None),
        (("three",), None),
    ]


@pytest.mark.parametrize(
    ("words", "tags"), [("tokens", "ner_tags"), ("words", "tags"), ("tokens", "labels")]
)
def test_json_lines_have_lists(tmp_path, words, tags):
    lines = [{words: [w for w, _ in s], tags: [t for _, t in s]} for s in SENTENCES]
    text = "\n".join(map(json.dumps, lines))
    assert _pairs(_read(tmp_path, text, "a.jsonl")) == SENTENCES
    (only,) = _read(tmp_path, json.dumps({words: ["a"]}), "b.jsonl")
    assert only.tags is None


def test_half_a_surrogate_pair_is_replaced(tmp_path):
    (example,) = _read(tmp_path, r'{"tokens": ["\ud83d"]}', "a.jsonl")
    assert example.words == ("\ufffd",)


def test_an_inside_tag_may_begin_an_entity(tmp_path):
    assert _read(tmp_path, "a O\nb I-x\nc I-y\n")[0].tags == ("O", "I-x", "I-y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\n\nb\n", "row 3 has 1 column, the first row has 2"),
        ("a\nb O\n", "row 2 has 2 columns, the first row has 1"),
        ("a\tO\n\u3000\tO\n", "row 2: the word is empty"),
        ("a\tO\n\tO\n", "row 2: the word is empty"),
        ("a\tO\nb\t\n", "row 2 has 1 column, the first row has 2"),
        ("\n\n", "holds no words"),
    ],
)
def test_bad_columns_are_named_by_their_row(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": ["a"], "tags": ["O", "O"]}, "row 1 has 1 words but 2 tags"),
        ({"tokens": ["a"], "ner_tags": [3]}, "'ner_tags' must be a list of strings"),
        ({"text": "a b"}, "no field 'tokens'; its fields: text"),
        ({"tokens": []}, "row 1 has no words"),
        ({"tokens": ["a", " "]}, "row 1: a word is empty"),
        ({"tokens": ["a"], "tags": [" "]}, "row 1: a tag is empty"),
    ],
)
def test_bad_json_records_are_named_by_their_row(tmp_path, record, message):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, json.dumps(record), "a.jsonl")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"tokens": ["a"], "ner": ["O"]},
            {"tokens": ["a"], "ner": ["O"], "tags": ["B"]},
            "row 2 has 'tags', which would be read, but of the rows before it 'ner' is read",
        ),
        ({"tokens": ["a"]}, {"tokens": ["a"], "tags": ["O"]}, "'tags'.* no row before it does"),
        ({"words": ["a"]}, {"words": ["a"], "tokens": ["b"]}, "row 2 has 'tokens'"),
    ],
)
def test_a_later_row_with_another_field_that_would_be_read_is_refused(
    tmp_path, first, second, message
):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, f"{json.dumps(first)}\n{json.dumps(second)}\n", "a.jsonl")


def test_words_may_stand_anywhere_in_a_text():
    example = TaggedExample(("b", "c"), None, "here", text="a b, c", starts=(2, 5))
    assert (example.text, example.starts) == ("a b, c", (2, 5))


def test_tweets_are_read_as_they_are(shared_data):
    examples = read_tagged_examples(str(shared_data / "wnut16" / "ner.txt"))
    assert len(examples) == 2394
    assert sum(len(example.words) for example in examples) == 46469
    assert sum(tag == "B-person" for example in examples for tag in example.tags) == 449
