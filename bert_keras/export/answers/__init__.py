"""What each kind of model answers, as a graph."""

from bert_keras.export.answers.base import Answers
from bert_keras.export.answers.registry import answers_of

__all__ = ["Answers", "answers_of"]
