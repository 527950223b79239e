"""How TF Serving may put the requests of several clients together for a model.

The file ``batching_params.pbtxt`` in a version's folder is read where the server runs with
``--enable_batching --enable_per_model_batching_parameters``.
"""

from pathlib import Path

from bert_keras.export.answers import Answers
from bert_keras.files import write_text_atomic

BATCHING_FILE = "batching_params.pbtxt"
_MOST = 32  # more rows at a time make a CPU no faster, but every client wait longer

_TEXT = """\
# Read with --enable_batching --enable_per_model_batching_parameters.
#
# As many rows as are always within the model's own limit ({limit} tokens a request, {length} the
# longest row of any signature), so that no batch exceeds it; and no more than {most}.
max_batch_size {{ value: {size} }}
# Microseconds that a request waits for company: little beside the milliseconds it takes.
batch_timeout_micros {{ value: 1000 }}
# Batches that may wait; beyond them requests are refused at once ("unavailable") and the client
# tries again, instead of waiting for longer than it has time.
max_enqueued_batches {{ value: 64 }}
# pad_variable_length_inputs stays off: the server would fill up shorter sequences of `tokens` with
# the first number of the request, a 1 in attention_mask. So requests of `tokens` that are put
# together must be of one length; the server refuses the others (FAILED_PRECONDITION).
"""


def max_batch_size(answers: Answers) -> int:
    """The most rows that a server may put together, so that they never exceed the model's limit."""
    return max(1, min(_MOST, answers.config.max_request_tokens // _longest_row(answers)))


def write_batching_parameters(answers: Answers, folder: Path) -> None:
    """Writes the parameters that fit a model.

    Args:
        answers: What the model answers.
        folder: The SavedModel.
    """
    text = _TEXT.format(
        limit=answers.config.max_request_tokens,
        length=_longest_row(answers),
        most=_MOST,
        size=max_batch_size(answers),
    )
    write_text_atomic(folder / BATCHING_FILE, text)


def _longest_row(answers: Answers) -> int:
    """The most tokens of a row: of what a text becomes, and of the sequences of ``tokens``."""
    # Longer ones are refused for themselves, in company or not.
    sequence = min(answers.model.config.max_position_embeddings, answers.config.max_request_tokens)
    return max(answers.most_row_tokens(), sequence)
