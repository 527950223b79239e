"""Whether what was written answers as Keras does, seen through the loader that TF Serving uses."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bert_keras.errors import InputError
from bert_keras.export.answers import Answers
from bert_keras.export.answers.base import Arrays
from bert_keras.export.samples import comparison_texts
from bert_keras.export.session import ServingSession, quiet
from bert_keras.export.signatures import DEFAULT, TOKENIZE

TOLERANCE = 1e-4  # in float32
_ROWS = 8  # texts that are compared at a time


@dataclass
class Comparison:
    """How the exported answers differ from Keras's.

    Attributes:
        texts: How many were compared.
        tokens: How many they have, as the model reads them.
        longest: The longest's tokens.
        differences: By output, the largest difference of its numbers; relative to those above 1.
        other_answers: By output of words or whole numbers, in how many places another stands.
    """

    texts: int = 0
    tokens: int = 0
    longest: int = 0
    differences: dict[str, float] = field(default_factory=dict)
    other_answers: dict[str, int] = field(default_factory=dict)

    @property
    def largest_difference(self) -> float:
        """The largest over all outputs."""
        return max(self.differences.values(), default=0.0)


def compare(answers: Answers, model: Any, folder: Path) -> Comparison:
    """Compares a SavedModel with Keras on real text.

    Args:
        answers: What was exported.
        model: The model in float32, with its tokenizer.
        folder: The SavedModel.

    Raises:
        InputError: When the graph tokenizes otherwise than the host, an answer is not finite or,
            in float32, differs by more than 1e-4.
    """
    texts = answers.columns(comparison_texts(answers.tokenizer, answers.comparison_length()))
    rows = max(1, min(_ROWS, answers.config.max_request_tokens // answers.row_tokens()))
    result = Comparison()
    with ServingSession(folder) as session, quiet():
        for start in range(0, len(texts[0]), rows):
            some = [column[start : start + rows] for column in texts]
            _compare_rows(answers, model, session, some, result)
    if answers.config.weights == "float32":
        _check(result)
    return result


def _compare_rows(
    answers: Answers,
    model: Any,
    session: ServingSession,
    texts: list[list[str]],
    result: Comparison,
) -> None:
    """Adds some texts to the result."""
    names = answers.text_inputs(answers.config)
    inputs = {
        name: np.array([text.encode() for text in column], object)
        for name, column in zip(names, texts, strict=True)
    }
    encoded = session.run(TOKENIZE, inputs)
    host = answers.host_batch(texts)
    for name, array in host.items():
        if not np.array_equal(encoded[name], array):
            raise InputError(_other_tokens(name, texts, encoded[name], array))
    result.texts += len(texts[0])
    result.tokens += int(host["attention_mask"].sum())
    result.longest = max(result.longest, host["attention_mask"].shape[1])
    given = session.run(DEFAULT, inputs)
    expected = answers.expected(model, texts)
    given = {n: _decoded(array) if array.dtype == object else array for n, array in given.items()}
    _add_differences(answers, given, expected, result)


def _add_differences(answers: Answers, given: Arrays, expected: Arrays, result: Comparison) -> None:
    weights, differences, others = answers.config.weights, result.differences, result.other_answers
    for name, theirs in expected.items():
        ours = given[name]
        if ours.shape != theirs.shape:
            # With coarser weights other entities may be found, as many or not.
            if weights == "float32":
                raise InputError(
                    f"the export disagrees with Keras: {name} is of shape {ours.shape}, "
                    f"not {theirs.shape}; nothing was written"
                )
            others[name] = others.get(name, 0) + max(ours.size, theirs.size)
        elif theirs.dtype.kind == "f":
            if not np.isfinite(ours).all():
                raise InputError(
                    f"the exported {name} are not finite numbers: with weights={weights} the "
                    "model cannot be served; nothing was written"
                )
            size = np.maximum(np.abs(theirs), 1.0)
            difference = float((np.abs(ours - theirs) / size).max(initial=0))
            differences[name] = max(differences.get(name, 0.0), difference)
        else:
            count = int(answers.is_other(name, given, expected, TOLERANCE).sum())
            others[name] = others.get(name, 0) + count


def _check(result: Comparison) -> None:
    for name, difference in result.differences.items():
        if difference > TOLERANCE:
            raise InputError(
                f"the export disagrees with Keras: {name} differ by up to {difference:.2g}, more "
                f"than {TOLERANCE}; nothing was written"
            )
    for name, count in result.other_answers.items():
        if count:
            raise InputError(
                f"the export disagrees with Keras: {count} of the {name} are others; nothing was "
                "written"
            )


def _other_tokens(name: str, texts: list[list[str]], ours: np.ndarray, theirs: np.ndarray) -> str:
    if ours.shape != theirs.shape:
        return (
            f"the graph tokenizes otherwise than the host: {name} of shape {ours.shape}, not "
            f"{theirs.shape}; nothing was written"
        )
    row = int(np.flatnonzero((ours != theirs).any(axis=1))[0])
    text = " | ".join(column[row] for column in texts)
    return f"the graph tokenizes otherwise than the host: {text!r:.80}; nothing was written"


def _decoded(array: np.ndarray) -> np.ndarray:
    flat = [value.decode("utf-8") for value in array.ravel()]
    return np.array(flat, object).reshape(array.shape)
