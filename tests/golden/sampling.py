"""The corpus that is made of text, and the batches that are sampled from it."""

from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import bert_keras
from bert_keras.config import MASKINGS
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.tokenization import Casing, learn_vocabulary
from tests.golden import inputs

BATCH_SIZE = 8
NEXT_SENTENCE = ("nsp", "sop", "none")
MODES = tuple(product(NEXT_SENTENCE, MASKINGS))


def data_config(next_sentence: str, masking: str, **changes: Any) -> bert_keras.DataConfig:
    """How one mode samples; sequences so short that texts are cut, and some far shorter."""
    settings = {"max_seq_length": 32, "max_predictions_per_seq": 5, "short_seq_prob": 0.2}
    return bert_keras.DataConfig(
        next_sentence=next_sentence, masking=masking, **(settings | changes)
    )


def batches(
    corpus: bert_keras.Corpus, mode: tuple[str, str], count: int, start: int = 0
) -> list[dict[str, np.ndarray]]:
    """Batches of a mode, from step ``start`` on."""
    dataset = pretraining_dataset(corpus, data_config(*mode), BATCH_SIZE, seed=5, start_step=start)
    return list(dataset.take(count).as_numpy_iterator())


def corpus_values(folder: Path) -> dict[str, Any]:
    """The ids of the corpus, exactly, and a vocabulary learned from its text."""
    corpus = bert_keras.Corpus.open(inputs.make_corpus(folder))
    train, held_out = corpus.split(0.2)
    lines = [line for document in inputs.documents() for line in document]
    learned = learn_vocabulary(lines, 200, Casing())
    return {
        "corpus/vocabulary": corpus.tokenizer.vocab_hash,
        "corpus/tokens": _hash(corpus.tokens),
        "corpus/sentences": _hash(corpus.sentence_offsets),
        "corpus/documents": _hash(corpus.documents),
        "corpus/first tokens": corpus.tokens[:40].tolist(),
        "corpus/counts": [len(corpus.tokens), len(corpus.sentence_offsets), len(corpus.documents)],
        "corpus/held out": [
            len(train.documents),
            _hash(train.documents),
            _hash(held_out.documents),
        ],
        "vocabulary learned/hash": sha256("\n".join(learned).encode()).hexdigest(),
        "vocabulary learned/last": learned[-12:],
    }


def sampling_values(folder: Path) -> dict[str, Any]:
    """Two neighbouring batches and one of a later epoch of every mode, exactly."""
    corpus = bert_keras.Corpus.open(inputs.make_corpus(folder))
    values: dict[str, Any] = {}
    for mode in MODES:
        sampled = [*batches(corpus, mode, 2), *batches(corpus, mode, 1, start=40)]
        name = " ".join(mode)
        for key in sampled[0]:
            values[f"{name}/{key}"] = [_hash(batch[key]) for batch in sampled]
        for key in ("input_ids", "masked_lm_positions", "masked_lm_ids"):
            values[f"{name}/first {key}"] = sampled[0][key][0].tolist()
    return values


def _hash(array: np.ndarray) -> str:
    """What the numbers are, whatever whole numbers they are stored as."""
    whole = np.ascontiguousarray(array).astype("<i8")
    assert np.array_equal(whole, array)
    return sha256(f"{whole.shape}".encode() + whole.tobytes()).hexdigest()[:16]
