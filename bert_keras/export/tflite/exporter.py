"""A model as one TFLite file, compared with Keras before it is written."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.config.checks import readable_length
from bert_keras.config.export import TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.export.comparison import TOLERANCE
from bert_keras.export.registry import with_pair, with_settings
from bert_keras.export.report import Report, decision_of
from bert_keras.export.samples import SENTENCES
from bert_keras.export.tflite.answers import Arrays, IdAnswers, id_answers_of
from bert_keras.export.tflite.convert import CUSTOM_OPERATIONS, Converter, operations_of
from bert_keras.export.tflite.examples import (
    as_file_reads,
    as_keras_reads,
    for_ranges,
    own_length,
    read_examples,
)
from bert_keras.export.tflite.guard import check_accuracy, check_examples, truncation_note
from bert_keras.export.tflite.measure import Judge, Measurement, agreement_of, batches_of
from bert_keras.export.tflite.metadata import unlike_mediapipe, with_metadata, with_thresholds
from bert_keras.export.tflite.prune import pruned
from bert_keras.files import refuse_existing, write_bytes_atomic
from bert_keras.modeling.model import BertModel
from bert_keras.saving.build import check_vocabulary_size
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task, trained_length
from bert_keras.tokenization import Tokenizer, WordPieceTokenizer, check_reading, require_wordpiece

if TYPE_CHECKING:  # it needs tensorflow-text, which other files do not
    from bert_keras.export.tflite.text_input import TextInput

_logger = logging.getLogger("bert_keras")

_DEFAULT_LENGTH = 128
_OTHER_TOKENIZERS = "export saved-model --input tokens"  # what serves them


def export_tflite(
    model: BertModel,
    tokenizer: Tokenizer | None,
    path: str | Path,
    config: TFLiteConfig | None = None,
    data: str | None = None,
    **settings: Any,
) -> Report:
    """Write a model as a TFLite file that takes ids and has builtin operations alone.

    Its signature ``tokens`` takes ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32
    [1, N], or [B, L] where it is dynamic; outputs as ``bert_keras.export.tflite.answers`` names
    them. Vocabulary and labels are packed in with the metadata that MediaPipe's text tasks read.
    It is written only when it has passed, run by the interpreter on held-out text.

    With ``input="text"`` the tokenizer is in the file too, as two custom operations of
    tensorflow-text. The signature is ``text``, the inputs ``text``, or ``text_a`` and ``text_b``,
    or ``question`` and ``context``, string [1]; ``byte_starts``, ``byte_ends`` and ``word_ids``,
    int32 [1, L], come with outputs by token (see ``PhoneTokenizer.encode``).

    Args:
        model: One of our models.
        tokenizer: What its text is read with; ``None`` takes the one it was loaded with.
        path: The file.
        config: The settings.
        data: Examples of the task, with labels or without, to measure on (and, for int8, to take
            the ranges from); ``None`` takes built-in text.
        **settings: Fields of ``TFLiteConfig`` that win over ``config``, such as ``length=64``.

    Returns:
        What was measured: ``variants`` has a row for Keras, for float32 and for what was asked;
        the first is Keras at its own length with its whole vocabulary (``"whole"``), where that
        reads more. ``cut`` counts the texts and tokens that are cut at ``length``, ``ranges`` says
        where those of 8 bits are from, ``drop`` the points lost from the first row to the last.

    Raises:
        InputError: When a setting does not suit, the model cannot be converted, float32 answers
            differ by over 1e-4, more is lost than ``max_accuracy_drop``, or the examples cannot
            show a drop or are pairs where the model reads single texts; nothing is written.
        OSError: When the file cannot be written.

    Example:
        >>> report = export_tflite(load("run"), None, "films.tflite", data="dev.tsv", length=32)
        >>> report["file"], report["length"]
        ('films.tflite', 32)
    """
    config, path = with_settings(config or TFLiteConfig(), settings), Path(path)
    whole, length = _checked(model, tokenizer, path, config)
    content, report = _Trial(whole, with_pair(config, whole), length, data).passed()
    write_bytes_atomic(path, content)
    return {"file": str(path), "model": type(model).__name__} | report


class _Trial:
    """A model on its way to a file, what it is measured on, and against what.

    Args:
        whole: The model in float32, with its tokenizer.
        config: The settings.
        length: Tokens of a sequence.
        data: The examples; None for built-in text.
    """

    def __init__(
        self, whole: BertModel, config: TFLiteConfig, length: int, data: str | None
    ) -> None:
        self.whole, self.config, self.length = whole, config, length
        self.model, self.tokenizer = whole, _tokenizer_of(whole)
        if config.prune_vocab is not None:
            self.model = pruned(whole, self.tokenizer, config.prune_vocab)
            self.tokenizer = _tokenizer_of(self.model)
        self.padded = None if config.dynamic else length
        answers = id_answers_of(self.model)
        self.text_input = _text_input(self.model, answers, config, self.padded, length)
        if config.input == "tokens":
            _warn_of_long_texts(self.model)
        self.examples = read_examples(self.model, data)
        sequences = as_file_reads(self.examples, self.tokenizer, length)
        self.judge = Judge(self.model, answers, sequences, self.padded)
        self.before = _judge_whole(self.judge, whole)
        check_examples([*self.before, self.judge], config.max_accuracy_drop)

    def passed(self) -> tuple[bytes, Report]:
        """The file, and what was measured of it.

        Raises:
            InputError: When it does not pass.
        """
        config, judge = self.config, self.judge
        calibration = for_ranges(self.examples, self.tokenizer, self.length)
        files = self._converted(batches_of(calibration, self.tokenizer.pad_id, self.padded))
        rows = [*(one.keras for one in self.before), judge.keras]
        reasons = _read_less(config, judge.sequences.cut, self.length)
        limit = config.max_accuracy_drop
        drop = check_accuracy(judge.metric, [*rows, files[-1][0]], limit, reasons)
        judge.time(files)
        content, text_report = files[-1][1], None
        if self.text_input is not None:
            labels = judge.answers.labels
            text_report, content = self.text_input.measured_in_front_of(content, labels)
        content = with_thresholds(content, judge.answers.decision.thresholds)
        return content, self._described() | {
            "ranges": self._ranges(len(calibration)) if config.quantize == "int8" else None,
            "metric": judge.metric,
            "drop": drop,
            "variants": [asdict(row) for row in (*rows, *(row for row, _ in files))],
            "word_pieces": self.tokenizer.vocab_size,
            "word_pieces_before": _tokenizer_of(self.whole).vocab_size,
            "operations": operations_of(content, CUSTOM_OPERATIONS[config.input]),
            "bytes": len(content),
            "text_input": text_report,
            "unlike_mediapipe": unlike_mediapipe(self.tokenizer),
        }

    def _described(self) -> Report:
        """The report as far as it is known before the conversion."""
        sequences, examples = self.judge.sequences, self.examples
        outputs = self.judge.answers.outputs
        return {
            "settings": asdict(self.config) | {"length": self.padded},
            "signature": self.config.input,
            "outputs": {output.name: output.meaning for output in outputs},
            "texts": len(sequences.features if sequences.masked else examples.measured),
            "source": examples.source,
            "own_length": own_length(self.whole),
            "length": self.length,
            "cut": sequences.cut,
        } | decision_of(self.model)

    def _converted(self, calibration: Sequence[Arrays]) -> list[tuple[Measurement, bytes]]:
        """The float32 file and the one that is asked for, with what was measured of them."""
        answers, vocab = self.judge.answers, self.tokenizer.vocab
        converter = Converter(self.model, answers, self.padded, self.config.masked_score)
        other_rules = unlike_mediapipe(self.tokenizer)
        if other_rules and self.config.input == "tokens":
            _logger.warning(
                "the file names MediaPipe no tokenizer, so MediaPipe refuses it: %s", other_rules
            )
        files: list[tuple[Measurement, bytes]] = []
        for variant in dict.fromkeys(("none", self.config.quantize)):
            content = converter.convert(variant, calibration)
            content = with_metadata(content, vocab, answers.labels, not other_rules)
            files.append((self.judge.measure(variant, content), content))
            _check_float32(files[0][0])
        return files

    def _ranges(self, sequences: int) -> Report:
        """The source of the ranges of 8 bits."""
        return {
            "source": self.examples.source,
            "texts": len(self.examples.rest),
            "sequences": sequences,
            "measured_too": self.examples.ranges_of_measured,
        }


def _tokenizer_of(model: BertModel) -> WordPieceTokenizer:
    return require_wordpiece(model.tokenizer_or(), "a TFLite file", _OTHER_TOKENIZERS)


def _checked(
    model: BertModel, tokenizer: Tokenizer | None, path: Path, config: TFLiteConfig
) -> tuple[BertModel, int]:
    """The model in float32 with its tokenizer, and the length of its sequences."""
    tokenizer = model.tokenizer_or(tokenizer)
    require_wordpiece(tokenizer, "a TFLite file", _OTHER_TOKENIZERS)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file, such as {path}.tflite")
    refuse_existing(path)
    check_vocabulary_size(tokenizer, model.config, path)
    check_reading(tokenizer, SENTENCES)
    longest = model.config.longest_sequence
    default = trained_length(model) or min(_DEFAULT_LENGTH, model.default_length)
    length = config.length or min(default, longest)
    readable_length("length", length, longest)
    if model.dtype_policy.name == "float32" and model.tokenizer is tokenizer:
        return model, length
    reference = model.copy(dtype="float32")
    reference.tokenizer = tokenizer
    return reference, length


def _text_input(
    model: BertModel, answers: IdAnswers, config: TFLiteConfig, padded: int | None, length: int
) -> "TextInput | None":
    """The tokenizer to put in front of files, for ``input="text"``."""
    if config.input != "text":
        return None
    # Imported here: the rest of an export does not need tensorflow-text.
    from bert_keras.export.tflite.text_input import TextInput

    truncation, windows = _long_texts(model)
    if windows:
        raise InputError(
            "the model reads a long text in windows, and a file that takes text one sequence: give "
            "--input tokens, and the app asks for each window and averages"
        )
    return TextInput(model, answers, padded, length, bool(config.pair), truncation)


def _long_texts(model: BertModel) -> tuple[str, bool]:
    """The truncation that the model was trained with, and whether it reads windows."""
    task = task_of(model) if has_task(model) else None
    return getattr(task, "truncation", "head"), getattr(task, "windows", False)


def _warn_of_long_texts(model: BertModel) -> None:
    """Warn of what an app that makes the ids itself has to do with long texts."""
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


def _judge_whole(judge: Judge, whole: BertModel) -> list[Judge]:
    """The judge of Keras at its own length with its whole vocabulary, if the files read less.

    The judge of the files gets its agreement with that.
    """
    examples = replace(judge.sequences.examples, model=whole)
    sequences = as_keras_reads(examples, whole.tokenizer_or())
    if sequences.inputs() == judge.sequences.inputs():
        return []
    own = Judge(whole, id_answers_of(whole), sequences, None)
    own.keras.variant = "whole"
    judge.keras.agreement = agreement_of(judge, own)
    return [own]


def _read_less(config: TFLiteConfig, cut: dict[str, int], length: int) -> list[str]:
    """The reasons why a file may read less than the model, each with a remedy."""
    reasons = []
    if config.prune_vocab is not None:
        reasons.append("words are spelled in other pieces (give --prune-vocab more text)")
    if cut["texts"]:
        reasons.append(f"{truncation_note(cut, length)} (try a larger --length)")
    return reasons or [f"{length} tokens are read at a time (try a larger --length)"]
