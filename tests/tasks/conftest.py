"""A small model with a vocabulary, and examples that can be learned."""

import random

import pytest

from bert_keras.modeling import BertEncoder
from bert_keras.saving import save
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.models import NO_DROPOUT, small_config

GOOD = ["a fine film", "great fun", "lovely and warm", "a joy to watch", "brilliant work"]
BAD = ["a dull film", "no fun", "cold and slow", "a pain to watch", "sloppy work"]
FILLERS = ["indeed", "as i said", "for all i know", "and that is that", "once more", "by the way"]


def _write_reviews(path, count=64, seed=0):
    """A TSV file of texts and labels, of different lengths."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label = draw.choice(["good", "bad"])
        fillers = draw.sample(FILLERS, draw.randint(0, 4))
        text = " ".join([draw.choice(GOOD if label == "good" else BAD), *fillers])
        rows.append(f"{text}\t{label}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def write_reviews():
    return _write_reviews


@pytest.fixture(scope="session")
def tokenizer():
    texts = [*GOOD, *BAD, *FILLERS, "abcdefghijklmnopqrstuvwxyz 0123456789 . , ! ?"]
    return BertTokenizer(learn_vocabulary(texts, 200, Casing()))


@pytest.fixture(scope="session")
def encoder_path(tokenizer, tmp_path_factory):
    """A model directory of an encoder of random weights."""
    config = small_config(
        tokenizer.vocab_size, num_hidden_layers=2, initializer_range=0.1, **NO_DROPOUT
    )
    path = tmp_path_factory.mktemp("models") / "encoder"
    save(BertEncoder(config), path, tokenizer)
    return path


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    _write_reviews(folder / "train.tsv", 64)
    _write_reviews(folder / "dev.tsv", 40, seed=1)
    return folder
