"""Labeled data as examples, each with the row it comes from. Imports no TensorFlow."""

from bert_keras.tasks.reading.choices import ChoiceExample, read_choice_examples
from bert_keras.tasks.reading.conll import has_words
from bert_keras.tasks.reading.labels import LABEL_SEPARATOR, LabelRules
from bert_keras.tasks.reading.questions import QuestionExample, read_question_examples
from bert_keras.tasks.reading.sources import Place, and_more, place, shown_name
from bert_keras.tasks.reading.tagged import (
    TaggedExample,
    note_on_raw_text,
    read_tagged_examples,
)
from bert_keras.tasks.reading.texts import TextExample, read_text_examples

__all__ = [
    "LABEL_SEPARATOR",
    "ChoiceExample",
    "LabelRules",
    "Place",
    "QuestionExample",
    "TaggedExample",
    "TextExample",
    "and_more",
    "has_words",
    "note_on_raw_text",
    "place",
    "read_choice_examples",
    "read_question_examples",
    "read_tagged_examples",
    "read_text_examples",
    "shown_name",
]
