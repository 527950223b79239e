"""The readers on TFDS data sets that are built here: nothing is downloaded."""

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import (
    ChoiceExample,
    QuestionExample,
    read_choice_examples,
    read_question_examples,
    read_tagged_examples,
    read_text_examples,
)
from bert_keras.tasks.reading.rankings import read_lists

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of themselves


@pytest.fixture(scope="module")
def tfds():
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def data_dir(tfds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    f = tfds.features
    answers = f.Sequence({"text": f.Text(), "answer_start": np.int32})
    sets = {
        "glue/sst2": (
            {"label": f.ClassLabel(names=["negative", "positive"]), "sentence": f.Text()},
            [
                {"label": 1, "sentence": "très bon"},
                {"label": -1, "sentence": "?"},
            ],
        ),
        "glue/stsb": (
            {"sentence1": f.Text(), "sentence2": f.Text(), "label": np.float32},
            [{"sentence1": "a", "sentence2": "b", "label": 3.8}],
        ),
        "emotions": (
            {"text": f.Text(), "labels": f.Sequence(f.ClassLabel(names=["joy", "fear", "awe"]))},
            [{"text": "ah", "labels": [0, 2]}, {"text": "oh", "labels": []}],
        ),
        "lists": (
            {"query": f.Text(), "documents": f.Sequence(f.Text()), "labels": f.Sequence(np.int32)},
            [{"query": "q", "documents": ["très bon", "b"], "labels": [1, 0]}],
        ),
        "conll": (
            {"tokens": f.Sequence(f.Text()), "ner": f.Sequence(f.ClassLabel(names=["O", "B-x"]))},
            [{"tokens": ["Zürich", "is"], "ner": [1, 0]}],
        ),
        "little_swag": (
            {"context": f.Text(), "endings": f.Sequence(f.Text()), "label": np.int32,
             "source_id": f.Text(), "mood": f.Text()},
            [{"context": "A b.", "endings": ["c", "d", "é"], "label": 2, "source_id": "x",
              "mood": "y"}],
        ),
        "little_squad": (
            {"id": f.Text(), "question": f.Text(), "context": f.Text(), "answers": answers,
             "is_impossible": np.bool_},
            [
                {"id": "q", "question": "Q?", "context": "A b.", "is_impossible": False,
                 "answers": [{"text": "A", "answer_start": 0}, {"text": "b", "answer_start": 2}]},
                {"id": "r", "question": "R?", "context": "A b.", "is_impossible": True,
                 "answers": []},
            ],
        ),
    }  # fmt: skip
    for name, (features, rows) in sets.items():
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name.partition("/")[0],
            config=name.partition("/")[2] or None,
            version="2.0.0",  # that of GLUE, so that it is found where TFDS would look for it
            features=f.FeaturesDict(features),
            split_datasets={"train": list(enumerate(rows)), "dev": list(enumerate(rows[:1]))},
            data_dir=folder,
            disable_shuffling=True,
        )
    return folder


@pytest.fixture(autouse=True)
def here(tfds, data_dir, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


def test_class_labels_of_texts_are_their_names_and_hidden_ones_none():
    examples = read_text_examples("tfds:glue/sst2")
    assert [(e.text, e.text_pair, e.label) for e in examples] == [
        ("très bon", None, "positive"),
        ("?", None, None),
    ]
    assert examples[1].where == "tfds:glue/sst2, row 2"
    assert len(read_text_examples("tfds:glue/sst2:dev")) == 1


def test_numbers_keep_their_digits_and_lists_are_joined():
    (pair,) = read_text_examples("tfds:glue/stsb")
    assert (pair.text, pair.text_pair, pair.label) == ("a", "b", "3.8")
    assert [e.label for e in read_text_examples("tfds:emotions")] == ["joy|awe", ""]


def test_words_and_tags_are_read():
    (example,) = read_tagged_examples("tfds:conll")
    assert (example.words, example.tags) == (("Zürich", "is"), ("B-x", "O"))


def test_questions_are_read():
    assert read_question_examples("tfds:little_squad") == [
        QuestionExample("q", "Q?", "A b.", (("A", 0), ("b", 2)), False, "tfds:little_squad, row 1"),
        QuestionExample("r", "R?", "A b.", (), True, "tfds:little_squad, row 2"),
    ]


def test_choices_are_read():
    assert read_choice_examples("tfds:little_swag", ignored=("mood",)) == [
        ChoiceExample("A b.", "", ("c", "d", "é"), 2, "tfds:little_swag, row 1")
    ]
    with pytest.raises(InputError, match="tfds:little_swag has 'mood', which multiple choice does"):
        read_choice_examples("tfds:little_swag")


@pytest.mark.parametrize(
    ("read", "source", "message"),
    [
        (read_text_examples, "tfds:nothing", "no TFDS data set nothing"),
        (read_text_examples, "tfds:conll", "no column with one of the names"),
        (read_text_examples, "tfds:glue/sst2:test", "no split 'test'.*its splits: dev, train"),
        (read_text_examples, "tfds:glue/sst2:dev:sentence", "name a column by its own option"),
        (read_tagged_examples, "tfds:glue/sst2", "no field 'tokens' or 'words'; its fields: 'idx'"),
        (read_question_examples, "tfds:glue/sst2", "no field 'question'"),
    ],
)
def test_what_a_data_set_lacks_is_said_in_one_line(read, source, message):
    with pytest.raises(InputError, match=message) as caught:
        read(source)
    assert "\n" not in str(caught.value)


def test_a_column_of_a_data_set_can_be_named():
    (example,) = read_text_examples(
        "tfds:glue/stsb", text_column="sentence2", label_column="sentence1"
    )
    assert (example.text, example.text_pair, example.label) == ("b", None, "a")
    with pytest.raises(InputError, match="no column 'x'; its columns: 'idx', 'label', 'sentence1'"):
        read_text_examples("tfds:glue/stsb", text_column="x")


def test_lists_of_documents_are_pairs():
    found = [(pair.text, pair.text_pair, pair.label) for pair in read_lists("tfds:lists")]
    assert found == [("q", "très bon", "1"), ("q", "b", "0")]
    assert read_lists("tfds:glue/stsb") is None
