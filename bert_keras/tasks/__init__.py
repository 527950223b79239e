"""What a trained model is used for: fine-tuning on a task, its score, its answers."""

from bert_keras.tasks.answer_files import numbered, write_answers
from bert_keras.tasks.classification import Classification
from bert_keras.tasks.evaluate import Evaluation, answer, answer_rows, evaluate, predict
from bert_keras.tasks.fill_mask import Candidate, fill_mask
from bert_keras.tasks.finetune import finetune
from bert_keras.tasks.masked_lm import MaskedLM
from bert_keras.tasks.multi_label import MultiLabel
from bert_keras.tasks.registry import task_of
from bert_keras.tasks.regression import Regression
from bert_keras.tasks.span import Span
from bert_keras.tasks.tagging import Tagging

__all__ = [
    "Candidate",
    "Classification",
    "Evaluation",
    "MaskedLM",
    "MultiLabel",
    "Regression",
    "Span",
    "Tagging",
    "answer",
    "answer_rows",
    "evaluate",
    "fill_mask",
    "finetune",
    "numbered",
    "predict",
    "task_of",
    "write_answers",
]
