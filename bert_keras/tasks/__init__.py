"""The uses of a trained model: fine-tuning on a task, its score, its answers."""

import bert_keras.backend  # noqa: F401 - before Keras is imported
from bert_keras.tasks.answer_files import numbered, write_answers
from bert_keras.tasks.answering import AnsweringTask, Confusion, Mistake
from bert_keras.tasks.calibrate import calibrate
from bert_keras.tasks.classification import Classification
from bert_keras.tasks.contrastive import Contrastive
from bert_keras.tasks.deciding import DecidingTask
from bert_keras.tasks.distillation import Distillation
from bert_keras.tasks.evaluate import (
    Evaluation,
    answer,
    answer_rows,
    answering,
    evaluate,
    predict,
)
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.finetune import finetune
from bert_keras.tasks.masked_lm import Candidate, MaskedLM, fill_mask
from bert_keras.tasks.multi_label import MultiLabel
from bert_keras.tasks.multiple_choice import MultipleChoice
from bert_keras.tasks.ranking import Ranking
from bert_keras.tasks.registry import register, task_of
from bert_keras.tasks.regression import Regression
from bert_keras.tasks.sentences import SentenceTask
from bert_keras.tasks.similarity import Similarity
from bert_keras.tasks.span import Span
from bert_keras.tasks.tagging import Tagging
from bert_keras.tasks.task import Prediction, Task

__all__ = [
    "AnsweringTask",
    "Candidate",
    "Classification",
    "Confusion",
    "Contrastive",
    "DecidingTask",
    "Distillation",
    "Evaluation",
    "Feature",
    "MaskedLM",
    "Mistake",
    "MultiLabel",
    "MultipleChoice",
    "Prediction",
    "Ranking",
    "Regression",
    "SentenceTask",
    "Similarity",
    "Span",
    "Tagging",
    "Task",
    "answer",
    "answer_rows",
    "answering",
    "calibrate",
    "evaluate",
    "fill_mask",
    "finetune",
    "numbered",
    "predict",
    "register",
    "task_of",
    "write_answers",
]
