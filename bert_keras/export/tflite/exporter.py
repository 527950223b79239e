"""A model as one TFLite file, measured beside Keras before it is written."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bert_keras.checkpoints.opening import check_vocabulary_size
from bert_keras.config.export import TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.export.comparison import TOLERANCE
from bert_keras.export.report import Report
from bert_keras.export.tflite.answers import id_answers_of
from bert_keras.export.tflite.convert import SIGNATURE, Converter, operations_of
from bert_keras.export.tflite.examples import make_examples
from bert_keras.export.tflite.measure import Judge, Measurement, batches_of
from bert_keras.export.tflite.metadata import with_metadata
from bert_keras.export.weights import serving_copy
from bert_keras.files import write_bytes_atomic
from bert_keras.tokenization import BertTokenizer

_DEFAULT_LENGTH = 128


def export_tflite(
    model: Any,
    tokenizer: BertTokenizer | None,
    path: str | Path,
    config: TFLiteConfig | None = None,
    data: str | None = None,
    **settings: Any,
) -> Report:
    """Writes a model as a TFLite file that takes ids and has builtin operations alone.

    Its signature ``tokens`` takes ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32
    [1, N], or [B, L] where it is dynamic; outputs as ``bert_keras.export.tflite.answers`` names
    them. Vocabulary and labels are packed in with the metadata that MediaPipe's text tasks read.
    It is written only when it has passed, run by the interpreter on held-out text.

    Args:
        model: One of our models.
        tokenizer: What its text is read with; ``None`` takes the one it was loaded with.
        path: The file.
        config: The settings.
        data: Examples of the task, with labels or without, to measure on (and, for int8, to take
            the ranges from); ``None`` takes built-in text.
        **settings: Fields of ``TFLiteConfig`` that win over ``config``, such as ``length=64``.

    Returns:
        What was measured: ``variants`` has a row for Keras, for float32 and for what was asked.

    Raises:
        InputError: When a setting does not suit, the model cannot be converted, float32 answers
            differ by over 1e-4, or more is lost than ``max_accuracy_drop``; nothing is written.
    """
    config, path = _with_settings(config or TFLiteConfig(), settings), Path(path)
    reference, length = _checked(model, tokenizer, path, config)
    answers = id_answers_of(reference)
    examples = make_examples(reference, reference.tokenizer, length, data)
    padded = None if config.dynamic else length
    judge = Judge(reference, answers, examples, padded)
    calibration = batches_of(examples.calibration, reference.tokenizer.pad_id, padded)
    converter = Converter(reference, answers, padded, config.masked_score)
    files: list[tuple[Measurement, bytes]] = []
    for variant in dict.fromkeys(("none", config.quantize)):
        content = converter.convert(variant, calibration)
        content = with_metadata(content, reference.tokenizer.vocab, answers.labels)
        files.append((judge.measure(variant, content), content))
        _check_float32(files[0][0])
    _check_accuracy(judge, files[-1][0], config)
    judge.time(files)
    write_bytes_atomic(path, content)
    return {
        "file": str(path),
        "model": type(model).__name__,
        "settings": asdict(config) | {"length": padded},
        "signature": SIGNATURE,
        "texts": len(examples.features),
        "source": examples.source,
        "metric": judge.metric,
        "variants": [asdict(row) for row in (judge.keras, *(row for row, _ in files))],
        "operations": operations_of(content),
        "bytes": len(content),
    }


def _with_settings(config: TFLiteConfig, settings: dict[str, Any]) -> TFLiteConfig:
    try:
        return replace(config, **settings)
    except TypeError as error:
        raise InputError(f"no such setting of an export: {error}") from None


def _checked(
    model: Any, tokenizer: BertTokenizer | None, path: Path, config: TFLiteConfig
) -> tuple[Any, int]:
    """The model in float32 with its tokenizer, and the length of its sequences."""
    tokenizer = tokenizer or model.tokenizer
    if tokenizer is None:
        raise InputError("the model has no tokenizer: its directory lacks vocab.txt")
    if config.input == "text":
        raise InputError(
            "TFLite has no operations that split text by BERT's rules; export with --input tokens "
            "and tokenize on the phone (export/mobile/README.md has how)"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file, such as {path}.tflite")
    check_vocabulary_size(tokenizer, model.config, path)
    longest = model.config.max_position_embeddings
    length = min(_DEFAULT_LENGTH, longest) if config.length is None else config.length
    if length > longest:
        raise InputError(f"length is {length}, but the model reads {longest} tokens at most")
    if model.dtype_policy.name == "float32" and model.tokenizer is tokenizer:
        return model, length
    reference = serving_copy(model, "float32", packed=model.packed)
    reference.tokenizer = tokenizer
    return reference, length


def _check_float32(row: Measurement) -> None:
    if row.largest_difference > TOLERANCE:
        raise InputError(
            f"the float32 file disagrees with Keras: answers differ by up to "
            f"{row.largest_difference:.2g}, more than {TOLERANCE}; nothing was written"
        )


def _check_accuracy(judge: Judge, row: Measurement, config: TFLiteConfig) -> None:
    """Raises unless what was lost is within the limit."""
    limit = config.max_accuracy_drop
    if limit is None:
        return
    if row.accuracy is not None and judge.keras.accuracy is not None:
        what, before, after = judge.metric, judge.keras.accuracy, row.accuracy
    elif row.agreement is not None:
        what, before, after = "agreement with Keras", 1.0, row.agreement
    else:
        raise InputError(
            "max_accuracy_drop needs labelled examples for such a model: give --data FILE"
        )
    drop = 100 * (before - after)
    if drop > limit:
        raise InputError(
            f"{what} falls by {drop:.2f} points, from {before:.4f} to {after:.4f}, more than the "
            f"{limit:g} allowed; nothing was written. Try --quantize dynamic or float16"
        )


def table_rows(report: Report) -> tuple[list[str], Sequence[list[str]]]:
    """Header and rows of the report's table."""
    metric = report["metric"]
    header = ["variant", "MB", "ops", "difference", "agreement", metric, "1 thread", "2 threads"]
    rows = []
    for row in report["variants"]:
        shares = [row["agreement"], row["accuracy"]]
        rows.append(
            [
                {"none": "float32"}.get(row["variant"], row["variant"]),
                f"{row['size'] / 1e6:.2f}",
                str(row["operations"] or ""),
                "" if row["variant"] == "keras" else f"{row['largest_difference']:.2g}",
                *("" if share is None else f"{share:.4f}" for share in shares),
                *(f"{ms:.1f} ms" for ms in row["milliseconds"].values()),
            ]
        )
        rows[-1] += [""] * (len(header) - len(rows[-1]))
    return header, rows
