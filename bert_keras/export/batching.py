"""How TF Serving may put the requests of several clients together for a model.

The file ``batching_params.pbtxt`` in a version's folder is read where the server runs with
``--enable_batching --enable_per_model_batching_parameters``.
"""

from pathlib import Path

from bert_keras.config.export import SavedModelConfig
from bert_keras.files import write_text_atomic

BATCHING_FILE = "batching_params.pbtxt"
_MOST = 32  # more rows at a time make a CPU no faster, but every client wait longer

_TEXT = """\
# Read with --enable_batching --enable_per_model_batching_parameters.
#
# As many rows as are always within the model's own limit ({limit} tokens a request, {length} the
# longest row), so that putting requests together never makes one fail; and no more than {most}.
max_batch_size {{ value: {size} }}
# Microseconds that a request waits for company: little beside the milliseconds it takes.
batch_timeout_micros {{ value: 1000 }}
# Batches that may wait; beyond them requests are refused at once ("unavailable") and the client
# tries again, instead of waiting for longer than it has time.
max_enqueued_batches {{ value: 64 }}
# Requests of the signature `tokens` may be of different lengths; 0 is padding in all its inputs.
pad_variable_length_inputs: true
"""


def max_batch_size(row_tokens: int, limit: int) -> int:
    """The most rows of which none can exceed the limit of a request."""
    return max(1, min(_MOST, limit // row_tokens))


def write_batching_parameters(row_tokens: int, config: SavedModelConfig, folder: Path) -> None:
    """Writes the parameters that fit a model.

    Args:
        row_tokens: The most tokens that one row of a request can become.
        config: The settings of the export.
        folder: The SavedModel.
    """
    limit = config.max_request_tokens
    text = _TEXT.format(
        limit=limit, length=row_tokens, most=_MOST, size=max_batch_size(row_tokens, limit)
    )
    write_text_atomic(folder / BATCHING_FILE, text)
