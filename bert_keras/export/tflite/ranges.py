"""8 bits with ranges that are fixed beforehand on text: which products take them, and which not.

With fixed ranges for every product the logits of a fine-tuned MiniLM change by 0.82 in the root
mean square; with none fixed by 0.07. Product by product (benchmarks/README.md has the table) most
of it is lost in the second product of the feed-forward part, whose outputs lie between -2 and
190 in the first layer, and in the head. Those take their ranges from each text as it comes.
LayerNorm, softmax and the attention's own products stay in floating point: with them in integers it
is 1.1, and the interpreter takes 2.4 times as long.
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

from bert_keras.errors import InputError, install_command

# By the names of our layers: queries, keys and values, the attention's output, the first product
# of the feed-forward part.
_FIXED = r"/query_key_value(_\d+)?/|/attention(_\d+)?/output(_\d+)?/|/intermediate(_\d+)?/MatMul"
_BITS = 8


def with_ranges(data: bytes, signature: str, calibration: Sequence[dict[str, Any]]) -> bytes:
    """A file of 8-bit weights whose products have fixed ranges where that loses little.

    Args:
        data: The file in float32.
        signature: Its signature.
        calibration: Batches of real text, which give the ranges.

    Raises:
        InputError: When ``ai-edge-quantizer`` is not installed.
    """
    try:
        # On import it and what it brings speak of themselves.
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
def _silence() -> Any:
    """Keeps its progress bars and its warnings of memory from the user."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
