"""The maskings of the same batch in data_pipeline.py: ours, keras-hub's and transformers'."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from synthetic_corpus import SyntheticCorpus

from bert_keras.config import DataConfig
from bert_keras.data.pretraining import make_masking

Maskings = dict[str, Callable[[], object]]


def our_masking(
    corpus: SyntheticCorpus, config: DataConfig, examples: Any, word_starts: np.ndarray
) -> Callable[[], object]:
    """Mask the examples once, with a new draw at every call."""
    masking = make_masking(corpus.tokenizer, config)
    ids, attention_mask = tf.constant(examples.input_ids), tf.constant(examples.attention_mask)

    @tf.function
    def mask(step: tf.Tensor) -> dict[str, tf.Tensor]:
        draws = masking.draw(len(examples.input_ids), 0, step)
        return masking(ids, attention_mask, draws, tf.constant(word_starts))

    steps = iter(range(1 << 62))
    return lambda: mask(tf.constant(next(steps), tf.int64))


def keras_hub_masking(corpus: SyntheticCorpus, config: DataConfig, examples: Any) -> Maskings:
    """keras-hub's layer on the same batch, in a graph as ``Dataset.map`` runs it.

    It masks single tokens; whole words it has none.
    """
    try:
        import keras_hub
    except ImportError:
        return {}
    layer = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=corpus.tokenizer.vocab_size,
        mask_selection_rate=config.masking_rate,
        mask_selection_length=config.max_predictions_per_seq,
        mask_token_id=corpus.tokenizer.mask_id,
        unselectable_token_ids=[corpus.tokenizer.pad_id, *corpus.tokenizer.template.special_ids],
    )
    ids = tf.constant(examples.input_ids)
    return {"mask tokens, keras-hub": tf.function(lambda: layer(ids))}


def transformers_masking(
    corpus: SyntheticCorpus, config: DataConfig, examples: Any, word_starts: np.ndarray
) -> Maskings:
    """The collator of transformers on the same examples, as lists: as a data loader gives them.

    Its whole words come from the offsets of the tokens in the text, and become [MASK] always.
    """
    try:
        import torch  # noqa: F401 - the collator needs it
        from transformers import BertTokenizer, DataCollatorForLanguageModeling
    except ImportError:
        return {}
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    with tempfile.TemporaryDirectory() as directory:
        vocab = Path(directory, "vocab.txt")
        pieces = (
            special.get(number, f"word{number}") for number in range(corpus.tokenizer.vocab_size)
        )
        vocab.write_text("\n".join(pieces) + "\n", encoding="utf-8")
        tokenizer = BertTokenizer(str(vocab))
    rate = config.masking_rate
    tokens = DataCollatorForLanguageModeling(tokenizer, mlm_probability=rate)
    words = DataCollatorForLanguageModeling(
        tokenizer,
        mlm_probability=rate,
        whole_word_mask=True,
        mask_replace_prob=1.0,
        random_replace_prob=0.0,
    )
    rows = [
        {"input_ids": ids, "attention_mask": mask}
        for ids, mask in zip(
            examples.input_ids.tolist(), examples.attention_mask.tolist(), strict=True
        )
    ]
    # As if every token had one character, and a space stood before every word.
    ends = 2 * np.arange(word_starts.shape[1]) + 1
    offsets = np.stack([ends - 2 + word_starts, np.broadcast_to(ends, word_starts.shape)], axis=-1)
    rows_with_offsets = [
        row | {"offset_mapping": pairs} for row, pairs in zip(rows, offsets.tolist(), strict=True)
    ]
    return {
        "mask tokens, transformers": lambda: tokens(rows),
        "mask whole words, transformers": lambda: words(rows_with_offsets),
    }
