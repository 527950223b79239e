"""A model as one TFLite file, measured beside Keras before it is written."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bert_keras.config.checks import check_settings, readable_length
from bert_keras.config.export import TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.export.comparison import TOLERANCE
from bert_keras.export.pairs import with_pair
from bert_keras.export.report import Report
from bert_keras.export.samples import SENTENCES
from bert_keras.export.tflite.answers import IdAnswers, id_answers_of
from bert_keras.export.tflite.convert import CUSTOM_OPERATIONS, Converter, operations_of
from bert_keras.export.tflite.examples import (
    Examples,
    as_file_reads,
    as_keras_reads,
    for_ranges,
    own_length,
    read_examples,
)
from bert_keras.export.tflite.guard import check_accuracy, check_can_be_told, what_is_cut
from bert_keras.export.tflite.measure import Judge, Measurement, agreement_of, batches_of
from bert_keras.export.tflite.metadata import unlike_mediapipe, with_metadata
from bert_keras.export.tflite.prune import pruned
from bert_keras.files import refuse_existing, write_bytes_atomic
from bert_keras.modeling.model import BertModel
from bert_keras.saving.build import check_vocabulary_size
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task, trained_length
from bert_keras.tokenization import Tokenizer, WordPieceTokenizer, check_reading, require_wordpiece

_logger = logging.getLogger("bert_keras")

_DEFAULT_LENGTH = 128
_NAMES = {"none": "float32", "whole": "keras, whole"}


def export_tflite(
    model: BertModel,
    tokenizer: Tokenizer | None,
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

    With ``input="text"`` the tokenizer stands in front of that, as two custom operations of
    tensorflow-text beside builtin ones. The signature is ``text``, the inputs ``text``, or
    ``text_a`` and ``text_b``, or ``question`` and ``context``, string [1]; outputs by token are
    joined by ``byte_starts``, ``byte_ends`` and ``word_ids``, int32 [1, L] (see
    ``PhoneTokenizer.encode``). The answers are those to the host's ids.

    Args:
        model: One of our models.
        tokenizer: What its text is read with; ``None`` takes the one it was loaded with.
        path: The file.
        config: The settings.
        data: Examples of the task, with labels or without, to measure on (and, for int8, to take
            the ranges from); ``None`` takes built-in text.
        **settings: Fields of ``TFLiteConfig`` that win over ``config``, such as ``length=64``.

    Returns:
        What was measured: ``variants`` has a row for Keras, for float32 and for what was asked, and
        before them one for Keras at its own length with its whole vocabulary (``"whole"``), where
        that reads more than the files do. ``cut`` says how many texts and tokens are cut at
        ``length``, ``ranges`` where those of 8 bits are from, ``drop`` the points that were lost
        from the first row to the last.

    Raises:
        InputError: When a setting does not suit, the model cannot be converted, float32 answers
            differ by over 1e-4, or more is lost than ``max_accuracy_drop``; nothing is written.
            Also when the examples cannot show a drop at all, or are pairs and the model was
            trained on single texts, or the other way round.
        OSError: When the file cannot be written.

    Example:
        >>> report = export_tflite(load("run"), None, "films.tflite", data="dev.tsv", length=32)
        >>> report["file"], report["length"]
        ('films.tflite', 32)
    """
    config, path = _with_settings(config or TFLiteConfig(), settings), Path(path)
    whole, length = _checked(model, tokenizer, path, config)
    config = with_pair(config, whole)
    reference = whole
    if config.prune_vocab is not None:
        reference = pruned(whole, whole.tokenizer, config.prune_vocab)
    answers = id_answers_of(reference)
    padded = None if config.dynamic else length
    text_input = _text_input(reference, answers, config, padded, length)
    if config.input == "tokens":
        _note_on_long_texts(reference)
    examples = read_examples(reference, data)
    sequences = as_file_reads(examples, reference.tokenizer, length)
    judge = Judge(reference, answers, sequences, padded)
    before = _judge_whole(judge, whole)
    check_can_be_told([*before, judge], config.max_accuracy_drop)
    calibration = for_ranges(examples, reference.tokenizer, length)
    converter = Converter(reference, answers, padded, config.masked_score)
    other_rules = unlike_mediapipe(reference.tokenizer)
    if other_rules and config.input == "tokens":
        _logger.warning("the file is not for MediaPipe and names it no tokenizer: %s", other_rules)
    batches = batches_of(calibration, reference.tokenizer.pad_id, padded)
    files = _converted(converter, judge, config.quantize, batches, reference.tokenizer)
    rows = [*(one.keras for one in before), judge.keras]
    reasons = _read_less(config, sequences.cut, length)
    drop = check_accuracy(judge.metric, [*rows, files[-1][0]], config.max_accuracy_drop, reasons)
    judge.time(files)
    content, text_report = files[-1][1], None
    if text_input is not None:
        text_report, content = text_input.measured_in_front_of(content, answers.labels)
    write_bytes_atomic(path, content)
    return {
        "file": str(path),
        "model": type(model).__name__,
        "settings": asdict(config) | {"length": padded},
        "signature": config.input,
        "outputs": {output.name: output.meaning for output in answers.outputs},
        "texts": len(sequences.features if sequences.masked else examples.measured),
        "source": examples.source,
        "own_length": own_length(whole),
        "length": length,
        "cut": sequences.cut,
        "ranges": _ranges(examples, calibration) if config.quantize == "int8" else None,
        "metric": judge.metric,
        "drop": drop,
        "variants": [asdict(row) for row in (*rows, *(row for row, _ in files))],
        "word_pieces": reference.tokenizer.vocab_size,
        "word_pieces_before": whole.tokenizer.vocab_size,
        "operations": operations_of(content, CUSTOM_OPERATIONS[config.input]),
        "bytes": len(content),
        "text_input": text_report,
        "unlike_mediapipe": other_rules,
    }


def _converted(
    converter: Converter,
    judge: Judge,
    quantize: str,
    calibration: Sequence[Any],
    tokenizer: WordPieceTokenizer,
) -> list[tuple[Measurement, bytes]]:
    """The float32 file and the one that is asked for, with what was measured of them."""
    files: list[tuple[Measurement, bytes]] = []
    for variant in dict.fromkeys(("none", quantize)):
        content = with_metadata(
            converter.convert(variant, calibration),
            tokenizer.vocab,
            judge.answers.labels,
            not unlike_mediapipe(tokenizer),
        )
        files.append((judge.measure(variant, content), content))
        _check_float32(files[0][0])
    return files


def _with_settings(config: TFLiteConfig, settings: dict[str, Any]) -> TFLiteConfig:
    check_settings(config, settings)
    return replace(config, **settings)


def _checked(
    model: Any, tokenizer: Tokenizer | None, path: Path, config: TFLiteConfig
) -> tuple[Any, int]:
    """The model in float32 with its tokenizer, and the length of its sequences."""
    tokenizer = model.tokenizer_or(tokenizer)
    require_wordpiece(tokenizer, "a TFLite file", "export saved-model --input tokens")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file, such as {path}.tflite")
    refuse_existing(path)
    check_vocabulary_size(tokenizer, model.config, path)
    check_reading(tokenizer, SENTENCES)
    longest = model.config.max_position_embeddings
    default = trained_length(model) or min(_DEFAULT_LENGTH, model.default_length)
    length = config.length or min(default, longest)
    readable_length("length", length, longest)
    if model.dtype_policy.name == "float32" and model.tokenizer is tokenizer:
        return model, length
    reference = model.copy(dtype="float32")
    reference.tokenizer = tokenizer
    return reference, length


def _text_input(
    model: Any, answers: IdAnswers, config: TFLiteConfig, padded: int | None, length: int
) -> Any:
    """What puts the tokenizer in front of files, where that is asked for."""
    if config.input != "text":
        return None
    # Only here: the rest of an export needs no tensorflow-text.
    from bert_keras.export.tflite.text_input import TextInput

    truncation, windows = _long_texts(model)
    if windows:
        raise InputError(
            "the model reads a long text in windows, and a file that takes text one sequence: give "
            "--input tokens, and the app asks for each window and averages"
        )
    return TextInput(model, answers, padded, length, bool(config.pair), truncation)


def _long_texts(model: Any) -> tuple[str, bool]:
    """The part of a long text that the model was trained on, and whether in windows."""
    task = task_of(model) if has_task(model) else None
    return getattr(task, "truncation", "head"), getattr(task, "windows", False)


def _note_on_long_texts(model: Any) -> None:
    """Says what an app that makes the ids itself has to do with long texts."""
    truncation, windows = _long_texts(model)
    if windows:
        _logger.warning(
            "the model reads long texts in windows: the app has to ask for each and average "
            "(export/mobile/README.md); MediaPipe reads the beginning alone"
        )
    elif truncation != "head":
        _logger.warning(
            "the model was trained on truncation = %r: the app has to cut long texts so, or take "
            "--input text; MediaPipe reads the beginning alone", truncation,
        )  # fmt: skip


def _check_float32(row: Measurement) -> None:
    if row.largest_difference > TOLERANCE:
        raise InputError(
            f"the float32 file disagrees with Keras: answers differ by up to "
            f"{row.largest_difference:.2g}, more than {TOLERANCE}; nothing was written"
        )


def _judge_whole(judge: Judge, whole: Any) -> list[Judge]:
    """What measures Keras at its own length with its whole vocabulary, unless the files read that.

    The row of what the files read gets its agreement with it.
    """
    examples = replace(judge.sequences.examples, model=whole)
    sequences = as_keras_reads(examples, whole.tokenizer)
    if sequences.inputs() == judge.sequences.inputs():
        return []
    own = Judge(whole, id_answers_of(whole), sequences, None)
    own.keras.variant = "whole"
    judge.keras.agreement = agreement_of(judge, own)
    return [own]


def _read_less(config: TFLiteConfig, cut: dict[str, int], length: int) -> list[str]:
    """Why a file may read less than the model does, each with its way out."""
    reasons = []
    if config.prune_vocab is not None:
        reasons.append("words are spelled in other pieces (give --prune-vocab more text)")
    if cut["texts"]:
        reasons.append(f"{what_is_cut(cut, length)} (try a larger --length)")
    return reasons or [f"{length} tokens are read at a time (try a larger --length)"]


def _ranges(examples: Examples, calibration: Sequence[Any]) -> dict[str, Any]:
    """Where the ranges of 8 bits are from."""
    return {
        "source": examples.source,
        "texts": len(examples.rest),
        "sequences": len(calibration),
        "measured_too": examples.ranges_of_measured,
    }


def table_rows(report: Report) -> tuple[list[str], Sequence[list[str]]]:
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
