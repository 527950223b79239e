"""Filling masked words in: the masked-LM head read out (Devlin et al. 2018, section 3.1)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import Tokenizer


class Candidate(NamedTuple):
    """A word piece and its probability in [0, 1]."""

    token: str
    score: float


def fill_mask(
    model: BertModel, text: str, top: int = 5, tokenizer: Tokenizer | None = None
) -> list[list[Candidate]]:
    """The likeliest word pieces for each [MASK] in a text.

    Args:
        model: A ``BertForMaskedLM`` or ``BertForPreTraining``.
        text: Text with one [MASK] or more.
        top: How many candidates to give for each.
        tokenizer: By default the one the model was loaded with.

    Returns:
        For each [MASK] in its order, ``top`` candidates, likeliest first.

    Raises:
        InputError: When there is no [MASK], no masked-LM head, or the text is too long.

    Example:
        >>> (candidates,) = fill_mask(load("model"), "a fine [MASK]", top=3)
        >>> candidates[0].score >= candidates[1].score >= candidates[2].score
        True
    """
    tokenizer = model.tokenizer_or(tokenizer)
    if not hasattr(model, "masked_lm_head"):
        raise InputError(f"a {type(model).__name__} has no masked-LM head to fill masks with")
    if top < 1:
        raise InputError(f"top must be at least 1. Received: {top}")
    encoding = tokenizer.encode(text)
    ids, longest = encoding.input_ids, model.config.max_position_embeddings
    if len(ids) > longest:
        raise InputError(f"the text has {len(ids)} tokens, but the model reads {longest} at most")
    positions = [index for index, piece in enumerate(ids) if piece == tokenizer.mask_id]
    if not positions:
        mask = tokenizer.vocab[tokenizer.mask_id]
        raise InputError(f"the text has no {mask} to fill. Received: {text!r}")
    batch = {
        "input_ids": tf.constant([ids], tf.int32),
        "token_type_ids": tf.constant([encoding.token_type_ids], tf.int32),
        "masked_lm_positions": tf.constant([positions], tf.int32),
    }
    logits = tf.cast(model(batch, training=False)["masked_lm_logits"][0], tf.float32)
    # A model may have rows for more word pieces than its vocabulary names.
    scores = tf.nn.softmax(logits[:, : tokenizer.vocab_size]).numpy()
    if not np.isfinite(scores).all():
        raise InputError("the model's weights are not finite numbers: its training went wrong")
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :top]
    return [
        [Candidate(tokenizer.vocab[piece], float(row[piece])) for piece in pieces]
        for row, pieces in zip(scores, best, strict=True)
    ]
