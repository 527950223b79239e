"""Labelled data of each task, in the plainest of its formats, and texts to be answered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bert_keras.tasks import Classification, MaskedLM, MultiLabel, Regression, Span, Tagging
from tests.golden import inputs

_EXAMPLES = 24
_MAX_LENGTH = 32

TEXTS = [
    inputs.sentence(3),
    "The stranger forgot a broken basket behind the quiet school before noon.",
    "Nobody waited.",
    " ".join(inputs.sentence(number) for number in range(4)),  # longer than what is read
]
PARTNERS = [inputs.sentence(8), "A boat.", inputs.sentence(6), inputs.sentence(21)]
CONTEXTS = [" ".join(inputs.sentence(n + k) for k in range(3)) for n in (2, 30, 40, 7)]
QUESTIONS = ["What was sold?", "What was hidden near the river?", "Who?", "What was washed?"]


def _write_table(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    path = path.with_suffix(".tsv")
    lines = ["\t".join(row) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _write_pairs(path: Path) -> Path:
    rows = [
        [inputs.sentence(n), inputs.sentence(n * 3 % 17), ("no", "yes", "perhaps")[n * 5 % 3]]
        for n in range(_EXAMPLES)
    ]
    return _write_table(path, ["sentence1", "sentence2", "label"], rows)


def _write_multi_label(path: Path) -> Path:
    labels = ("calm", "calm|loud", "old", "loud|old")
    rows = [[inputs.sentence(n), labels[n * 3 % 4]] for n in range(_EXAMPLES)]
    return _write_table(path, ["sentence", "label"], rows)


def _write_regression(path: Path) -> Path:
    rows = [[inputs.sentence(n), f"{n * 7 % 11 / 4}"] for n in range(_EXAMPLES)]
    return _write_table(path, ["sentence", "label"], rows)


def _write_tagged(path: Path) -> Path:
    """The first words of a sentence are a person, what stands in its middle a thing."""
    lines = []
    for number in range(_EXAMPLES):
        words = inputs.sentence(number).removesuffix(".").split()
        tags = ["B-PER", "I-PER", "O", "B-OBJ", "I-OBJ", *["O"] * len(words)]
        lines += [f"{word} {tag}" for word, tag in zip(words, tags, strict=False)]
        lines += [". O", ""]
    path = path.with_suffix(".conll")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _write_questions(path: Path) -> Path:
    """Contexts of three sentences; the answer is the last three words of one."""
    articles = []
    for number in range(_EXAMPLES):
        sentences = [inputs.sentence(number + k) for k in range(3)]
        context = " ".join(sentences)
        answer = " ".join(sentences[number % 3].removesuffix(".").split()[-3:])
        question = {
            "id": f"q{number}",
            "question": f"What was {context.split()[3]}?",
            "answers": [{"text": answer, "answer_start": context.index(answer)}],
        }
        articles.append({"title": "", "paragraphs": [{"context": context, "qas": [question]}]})
    path = path.with_suffix(".json")
    path.write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")
    return path


def _write_texts(path: Path) -> Path:
    path = path.with_suffix(".txt")
    lines = [inputs.sentence(number) for number in range(_EXAMPLES)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


_LENGTH: dict[str, Any] = {"max_seq_length": _MAX_LENGTH}

# Each task: its settings, what writes its data, and what a trained model is asked.
TASKS: dict[str, tuple[Any, Callable[[Path], Path], tuple[Any, ...]]] = {
    "classification": (Classification(**_LENGTH), _write_pairs, (TEXTS, PARTNERS)),
    "multi_label": (MultiLabel(**_LENGTH), _write_multi_label, (TEXTS,)),
    "regression": (Regression(**_LENGTH), _write_regression, (TEXTS,)),
    "tagging": (Tagging(**_LENGTH), _write_tagged, (TEXTS,)),
    "span": (Span(**_LENGTH, doc_stride=8), _write_questions, (QUESTIONS, CONTEXTS)),
    "masked_lm": (
        MaskedLM(**_LENGTH, masking="whole_word"),
        _write_texts,
        ("The captain [MASK] the wooden bridge [MASK] noon.",),
    ),
}

# What of an answer has a meaning of its own; more may be added to it.
ANSWERS = {
    "classification": ("label", "score", "scores"),
    "multi_label": ("labels", "scores"),
    "regression": ("score",),
    "tagging": ("entities", "tags", "scores"),
    "span": ("answer", "start", "end", "score", "no_answer_score"),
}
