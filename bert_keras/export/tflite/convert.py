"""The way from a model to the bytes of a TFLite file, with builtin operations alone."""

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.arithmetic import MASKED_SCORE, XNNPACK
from bert_keras.errors import InputError, install_command
from bert_keras.export.outputs import check_declared
from bert_keras.export.sequences import NAMES, Tensors
from bert_keras.export.session import quiet, temporary_folder, variables_read
from bert_keras.export.tflite.answers import Arrays, IdAnswers
from bert_keras.modeling.model import BertModel
from bert_keras.signals import give_way

SIGNATURE = "tokens"
# The custom operations that a file may have, by its input.
CUSTOM_OPERATIONS: dict[str, tuple[str, ...]] = {
    "tokens": (),
    "text": ("FastBertNormalize", "FastWordpieceTokenizeWithOffsets"),
}
# Products whose ranges are fixed beforehand, by the names of our layers: queries, keys and values,
# the attention's output, the first product of the feed-forward part.
_FIXED = r"/query_key_value(_\d+)?/|/attention(_\d+)?/output(_\d+)?/|/intermediate(_\d+)?/MatMul"
_BITS = 8
_NAMES_OF_CODES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


class Converter:
    """A converter of one model, for several files.

    Use it in a ``with`` block.

    Args:
        model: One of our models.
        answers: What it answers.
        length: Tokens of every sequence, at batch size 1; None leaves both open.
        masked_score: See ``TFLiteConfig``.
    """

    def __init__(
        self, model: BertModel, answers: IdAnswers, length: int | None, masked_score: float | None
    ) -> None:
        self.answers, self.length = answers, length
        arithmetic = XNNPACK(MASKED_SCORE if masked_score is None else masked_score)
        self._copy = model.copy(dtype="float32", packed=False, arithmetic=arithmetic)

    def convert(self, quantize: str, calibration: Sequence[Arrays] = ()) -> bytes:
        """The file.

        Args:
            quantize: One of ``QUANTIZATIONS``.
            calibration: For ``"int8"``: batches of real text.

        Raises:
            InputError: When an operation is not a builtin one of TFLite, or what ``"int8"`` needs
                is not installed.
        """
        with temporary_folder() as folder, quiet_converter():
            self.save(folder)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if quantize in ("float16", "dynamic"):
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if quantize == "float16":
                converter.target_spec.supported_types = [tf.float16]
            try:
                data: bytes = give_way(converter.convert)
            except Exception as error:  # whatever the converter throws, of many kinds
                reason = str(error).strip().splitlines()
                raise InputError(
                    "the model cannot be converted to TFLite with its builtin operations alone: "
                    f"{reason[0] if reason else type(error).__name__:.200}"
                ) from error
            return with_ranges(data, SIGNATURE, calibration) if quantize == "int8" else data

    def save(self, folder: str) -> None:
        """Save the graph and its variables; the converter takes signatures from a SavedModel."""
        shape = [None, None] if self.length is None else [1, self.length]

        def from_ids(**batch: tf.Tensor) -> Tensors:
            return self.answers.from_ids(self._copy, batch)

        specs = {name: tf.TensorSpec(shape, tf.int32, name) for name in NAMES}
        function = tf.function(from_ids, autograph=False).get_concrete_function(**specs)
        check_declared(function.structured_outputs, self.answers.outputs)
        module = tf.Module(name="bert")
        module.variables_read = variables_read(self._copy, [function])
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, signatures={SIGNATURE: function}, options=options)


def operations_of(data: bytes, allowed: Sequence[str] = ()) -> dict[str, int]:
    """The number of each operation in a TFLite file, the most frequent first.

    Args:
        data: The file.
        allowed: Custom operations that may be there.

    Raises:
        InputError: When there is another custom operation.
    """
    model = schema.Model.GetRootAsModel(data, 0)
    codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
    customs = [c.CustomCode().decode() if c.CustomCode() else None for c in codes]
    names = [
        custom or _NAMES_OF_CODES[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())]
        for c, custom in zip(codes, customs, strict=True)
    ]
    graphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
    counts = Counter(
        names[graph.Operators(number).OpcodeIndex()]
        for graph in graphs
        for number in range(graph.OperatorsLength())
    )
    wrong = sorted({custom for custom in customs if custom} - set(allowed))
    if wrong:
        raise InputError(f"not builtin operations of TFLite: {', '.join(wrong)}")
    return dict(counts.most_common())


@contextmanager
def quiet_converter() -> Iterator[None]:
    """Suppress the converter's warnings, such as that gradients are not saved."""
    logger = logging.getLogger("absl")
    # A filter, since TensorFlow sets the level itself meanwhile.
    logger.addFilter(_is_error)
    try:
        with quiet(), warnings.catch_warnings():
            # The converter calibrates with an interpreter that is deprecated.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter")
            yield
    finally:
        logger.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def with_ranges(data: bytes, signature: str, calibration: Sequence[dict[str, Any]]) -> bytes:
    """A file of 8-bit weights whose products have fixed ranges where that loses little.

    With fixed ranges for every product the logits of a fine-tuned MiniLM change by 0.82 in the
    root mean square; with none fixed by 0.07. Product by product (benchmarks/README.md has the
    table) most of it is lost in the second product of the feed-forward layer, whose outputs lie
    between -2 and 190 in the first layer, and in the head. Those take their ranges from each text
    as it comes. LayerNorm, softmax and the attention's own products stay in floating point: with
    them in integers it is 1.1, and the interpreter takes 2.4 times as long.

    Args:
        data: The file in float32.
        signature: Its signature.
        calibration: Batches of real text, which give the ranges.

    Raises:
        InputError: When ``ai-edge-quantizer`` is not installed.
    """
    try:
        # It prints on import.
        with _silence():
            from ai_edge_quantizer import qtyping, quantizer
    except ImportError:
        raise InputError(
            "--quantize int8 needs ai-edge-quantizer, which is not installed: "
            f"{install_command('mobile')}, or use --quantize dynamic"
        ) from None
    operation = qtyping.TFLOperationName
    with _silence():
        work = quantizer.Quantizer(data)
        work.add_dynamic_config(".*", operation.FULLY_CONNECTED, _BITS)
        work.add_static_config(".*", operation.GATHER, _BITS, _BITS)
        work.add_static_config(_FIXED, operation.FULLY_CONNECTED, _BITS, _BITS)
        ranges = work.calibrate({signature: list(calibration)}, num_threads=1)
        return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress the quantizer's progress bars and warnings."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
