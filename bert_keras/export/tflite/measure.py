"""A TFLite file compared with Keras: its answers, its size, its speed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export.comparison import largest_difference
from bert_keras.export.tflite.answers import Arrays, IdAnswers
from bert_keras.export.tflite.convert import operations_of
from bert_keras.export.tflite.examples import Sequences
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.task import Prediction

THREADS = (1, 2)
_RUNS = 15  # of each variant and number of threads, in turn
_KERAS_BATCH = 16
_NAMES = {"none": "float32", "whole": "keras, whole"}


@dataclass
class Measurement:
    """A row of the table.

    Attributes:
        variant: ``"keras"``, which reads what the files read; ``"whole"``, Keras with its whole
            vocabulary at its own length; or the quantization of a file.
        size: Bytes; for Keras those of its weights in float32.
        operations: The number of operations in the graph; 0 for Keras.
        largest_difference: The largest difference from Keras's answers; relative to those above 1.
        agreement: The share of decisions that are Keras's; None where an answer is a number.
        accuracy: The task's metric, a fraction; None without labels.
        milliseconds: By number of threads, the median for one text; empty for Keras.
    """

    variant: str
    size: int
    operations: int = 0
    largest_difference: float = 0.0
    agreement: float | None = None
    accuracy: float | None = None
    milliseconds: dict[int, float] = field(default_factory=dict)


class Judge:
    """A judge of files: it compares them with the model they are from.

    Args:
        model: The model in float32, with its tokenizer.
        answers: What it answers.
        sequences: The sequences to compare on.
        length: Tokens that every sequence is padded to; None leaves each as long as it is.
    """

    def __init__(
        self, model: BertModel, answers: IdAnswers, sequences: Sequences, length: int | None
    ) -> None:
        self.answers, self.sequences = answers, sequences
        self.batches = batches_of(sequences.features, model.tokenizer_or().pad_id, length)
        self.expected = self._keras(model)
        self.keras = Measurement("keras", 4 * model.count_params())
        self.keras.accuracy = self._accuracy(self.expected)

    @property
    def metric(self) -> str:
        """The name of the metric in ``accuracy``."""
        if self.sequences.masked:
            return "mlm_accuracy"
        return self.sequences.task.best_metric if self.sequences.task else "accuracy"

    def measure(self, variant: str, data: bytes) -> Measurement:
        """The measurement of a file, without the latency.

        Raises:
            InputError: When an answer is not finite, or an operation is not a builtin one.
        """
        runner = TFLiteModel(data)
        given = [self._rows(runner.run(batch), batch)[0] for batch in self.batches]
        result = Measurement(variant, len(data), sum(operations_of(data).values()))
        for row, expected in zip(given, self.expected, strict=True):
            for name, values in expected.items():
                if not np.isfinite(row[name]).all():
                    raise InputError(
                        f"the {variant} file's {name} are not finite numbers; nothing was written"
                    )
                difference = largest_difference(row[name], values)
                result.largest_difference = max(result.largest_difference, difference)
        result.agreement = self._agreement(given)
        result.accuracy = self._accuracy(given)
        return result

    def time(self, files: Sequence[tuple[Measurement, bytes]]) -> None:
        """Measure the latencies of files, in turn, so that all meet the same machine."""
        runners = [
            (row, threads, TFLiteModel(data, threads)) for row, data in files for threads in THREADS
        ]
        seconds: dict[tuple[str, int], list[float]] = {}
        for number in range(_RUNS + 1):
            batch = self.batches[number % len(self.batches)]
            for row, threads, runner in runners:
                start = time.perf_counter()
                runner.run(batch)
                if number:  # the first only warms up
                    elapsed = time.perf_counter() - start
                    seconds.setdefault((row.variant, threads), []).append(elapsed)
        for row, threads, _ in runners:
            row.milliseconds[threads] = 1000 * float(np.median(seconds[row.variant, threads]))

    def _keras(self, model: BertModel) -> list[Arrays]:
        function = tf.function(
            lambda batch: self.answers.from_ids(model, batch),
            autograph=False,
            reduce_retracing=True,
        )
        rows: list[Arrays] = []
        features = self.sequences.features
        for start in range(0, len(features), _KERAS_BATCH):
            batch = collate(features[start : start + _KERAS_BATCH], model.tokenizer_or().pad_id)
            batch = {name: batch[name] for name in ("input_ids", "attention_mask",
                                                    "token_type_ids")}  # fmt: skip
            outputs = function({name: tf.constant(value) for name, value in batch.items()})
            arrays = {name: tf.cast(v, tf.float32).numpy() for name, v in outputs.items()}
            rows += self._rows(arrays, batch)
        return rows

    def _rows(self, outputs: Arrays, batch: Arrays) -> list[Arrays]:
        """Each row's outputs, those for tokens without padding."""
        lengths = batch["attention_mask"].sum(axis=1)
        for_tokens = self.answers.token_outputs
        return [
            {name: v[row, :length] if name in for_tokens else v[row] for name, v in outputs.items()}
            for row, length in enumerate(lengths)
        ]

    def _agreement(self, given: list[Arrays]) -> float | None:
        decided, expected = map(self.answers.decisions, (given, self.expected))
        if decided is None or expected is None:
            return None
        same = [np.ravel(a == b) for a, b in zip(decided, expected, strict=True)]
        return float(np.concatenate(same).mean())

    def decisions(self) -> list[list[Any]] | None:
        """The decisions of Keras on each example; None where an answer is a number."""
        if self.sequences.task is not None:
            decided = map(self.sequences.task.decisions, self._predictions(self.expected))
            known = [values for values in decided if values is not None]
            return known or None
        found = self.answers.decisions(self.expected)
        return None if found is None else [np.ravel(one).tolist() for one in found]

    def _predictions(self, rows: list[Arrays]) -> list[Prediction]:
        sequences = self.sequences
        assert sequences.task is not None
        logits = [self.answers.logits(row) for row in rows]
        return sequences.task.decode(sequences.examples.measured, sequences.features, logits)

    def _accuracy(self, rows: list[Arrays]) -> float | None:
        sequences = self.sequences
        if sequences.masked:
            decided = self.answers.decisions(rows)
            assert decided is not None
            return float(np.mean([a == b for a, b in zip(decided, sequences.masked, strict=True)]))
        if sequences.task is None or not sequences.examples.is_labeled:
            return None
        scores = sequences.task.score(sequences.examples.measured, self._predictions(rows))
        return scores[sequences.task.best_metric]


def agreement_of(judge: Judge, whole: Judge) -> float | None:
    """The share of decisions that two models, or one at two lengths, have in common.

    Decisions on what one of them does not read are not in common. None where answers are numbers,
    and for a masked LM, whose accuracy is always known.
    """
    if judge.sequences.masked:
        return None
    decided, expected = judge.decisions(), whole.decisions()
    if decided is None or expected is None:
        return None
    same = [a == b for ones, others in zip(decided, expected, strict=True)
            for a, b in zip(ones, others, strict=True)]  # fmt: skip
    return float(np.mean(same)) if same else None


def batches_of(features: Sequence[Feature], pad_id: int, length: int | None) -> list[Arrays]:
    """The sequences as batches of one, as a phone asks."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    batches = (collate([feature], pad_id, length) for feature in features)
    return [{name: batch[name] for name in names} for batch in batches]


def table_rows(report: dict[str, Any]) -> tuple[list[str], Sequence[list[str]]]:
    """Header and rows of the report's table."""
    metric = report["metric"]
    header = ["variant", "MB", "ops", "difference", "agreement", metric, "1 thread", "2 threads"]
    rows = []
    for row in report["variants"]:
        shares = [row["agreement"], row["accuracy"]]
        rows.append(
            [
                _NAMES.get(row["variant"], row["variant"]),
                f"{row['size'] / 1e6:.2f}",
                str(row["operations"] or ""),
                "" if row["variant"] in ("keras", "whole") else f"{row['largest_difference']:.2g}",
                *("" if share is None else f"{share:.4f}" for share in shares),
                *(f"{ms:.1f} ms" for ms in row["milliseconds"].values()),
            ]
        )
        rows[-1] += [""] * (len(header) - len(rows[-1]))
    return header, rows
