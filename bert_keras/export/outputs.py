"""The outputs of exported models, each declared once: for SavedModel, TFLite and ``predict``."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.modeling import BertEncoder
from bert_keras.tasks import Prediction

NEXT_SENTENCE = ("next", "random")  # by their numbers in training


class Output(NamedTuple):
    """An output of an exported model.

    Attributes:
        name: Its name in the file.
        dtype: Its type.
        axes: A letter for each axis: B rows, C labels, L tokens, H hidden, E entities, M masked
            words, K candidates, V vocabulary.
        meaning: Its meaning, for documentation.
        of_answer: A row of it from an answer of ``predict``; None where an answer does not have it.
    """

    name: str
    dtype: tf.DType
    axes: str
    meaning: str
    of_answer: Callable[[Prediction], Any] | None = None

    @property
    def is_by_token(self) -> bool:
        """Tell whether it has a value for each token."""
        return "L" in self.axes


LABEL = Output("labels", tf.string, "B", "the likeliest label", lambda a: a["label"])
SCORE = Output("scores", tf.float32, "B", "its probability", lambda a: a["score"])
PROBABILITIES = Output(
    "probabilities", tf.float32, "BC", "of each label", lambda a: list(a["scores"].values())
)
CLASSES = Output(
    "classes", tf.string, "BC", "the labels that they are of", lambda a: list(a["scores"])
)
GIVEN_LABELS = Output(
    "labels",
    tf.string,
    "BC",
    "those whose probability reaches their threshold, in their order, and then empty ones",
    lambda a: a["labels"] + [""] * (len(a["scores"]) - len(a["labels"])),
)
NUMBER = Output("scores", tf.float32, "B", "the number", lambda a: a["score"])
NUMBERS = Output("scores", tf.float32, "BC", "the numbers", lambda a: list(a["scores"].values()))
NAMES = Output("names", tf.string, "BC", "the names of the numbers", lambda a: list(a["scores"]))
TOKEN_PROBABILITIES = Output("probabilities", tf.float32, "BLC", "of each label for each token")
SPAN = (
    Output("answers", tf.string, "B", "empty where there is none", lambda a: a["answer"]),
    Output("starts", tf.int32, "B", "its first character (code point)", lambda a: a["start"]),
    Output("ends", tf.int32, "B", "behind its last character", lambda a: a["end"]),
    Output("scores", tf.float32, "B", "its probability among the best", lambda a: a["score"]),
    Output(
        "no_answer_scores",
        tf.float32,
        "B",
        "how much likelier no answer is than the best one, in logits",
        lambda a: a["no_answer_score"],
    ),
)
SPAN_LOGITS = (
    Output("start_logits", tf.float32, "BL", "of an answer's first token; at padding far below"),
    Output("end_logits", tf.float32, "BL", "of its last token"),
)
ENTITIES = (
    Output("labels", tf.string, "BE", "of the entities, and then empty ones"),
    Output("texts", tf.string, "BE", "their texts"),
    Output("starts", tf.int32, "BE", "their first characters (code points), and then -1"),
    Output("ends", tf.int32, "BE", "behind their last characters"),
    Output("scores", tf.float32, "BE", "their probabilities, and then 0"),
    Output("counts", tf.int32, "B", "how many there are"),
)
CANDIDATES = (
    Output("tokens", tf.string, "BMK", "the likeliest word pieces for each [MASK]"),
    Output("scores", tf.float32, "BMK", "their probabilities, and then 0"),
    Output("positions", tf.int32, "BM", "of the [MASK]s among the tokens, and then -1"),
)
CHOICE_LOGITS = Output(
    "logits",
    tf.float32,
    "B",
    "of a choice: those of one context have its choices' probabilities as their softmax",
)
PIECE_LOGITS = Output("logits", tf.float32, "BV", "of every word piece at the first [MASK]")
SENTENCE = Output("sentence_embedding", tf.float32, "BH", "pooled as the model was trained")
SEQUENCE = Output("sequence_output", tf.float32, "BLH", "the last layer's output; 0 at padding")
POOLED = Output("pooled_output", tf.float32, "BH", "of models with a pooler")
POOLED_BY_HAND = (
    Output("cls_embedding", tf.float32, "BH", "the last layer's output for [CLS]"),
    Output("mean_embedding", tf.float32, "BH", "the mean over the real tokens"),
    Output("attention_mask", tf.int32, "BL", "1 for real tokens"),
)


def encoder_outputs(model: BertEncoder) -> tuple[Output, ...]:
    """The outputs of an encoder with or without a pooler."""
    return (SEQUENCE,) if model.pooler is None else (SEQUENCE, POOLED)


def check_declared(outputs: dict[str, Any], declared: Sequence[Output]) -> None:
    """Check that a graph gives what is declared.

    Args:
        outputs: Tensors, or their specs, by name.
        declared: The outputs.
    """
    given = {name: (value.dtype, len(value.shape)) for name, value in outputs.items()}
    wanted = {output.name: (output.dtype, len(output.axes)) for output in declared}
    assert given == wanted, f"outputs are not as declared: {given} instead of {wanted}"


def arrays_of(declared: Sequence[Output], answers: Sequence[Prediction]) -> dict[str, np.ndarray]:
    """The declared outputs that answers of ``predict`` have, words as ``str``."""
    return {
        output.name: np.array(
            [output.of_answer(answer) for answer in answers],
            object if output.dtype == tf.string else None,
        )
        for output in declared
        if output.of_answer
    }
