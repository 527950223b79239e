"""The programs for phones, each compiled once."""

from functools import cache

import keras
import numpy as np
import pytest

from bert_keras.modeling import BertForSequenceClassification
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from tests.export.mobile.programs import COMPILERS, Program


@pytest.fixture(scope="session")
def make_program(repository, tmp_path_factory):
    """Compiles the program of a language; a test without a compiler is skipped."""

    @cache
    def make(language):
        folder = tmp_path_factory.mktemp(language)
        return Program(COMPILERS[language](repository, folder), folder)

    return make


@pytest.fixture(params=list(COMPILERS))
def program(request, make_program):
    """The program of each language."""
    return make_program(request.param)


@pytest.fixture(scope="session")
def trained(config, tokenizer):
    """A classifier that has learned which of two groups of words a text has more of.

    With it 200 texts of 3 to 24 words that it has not seen, and their labels.
    """
    words = [p for p in tokenizer.vocab if p.isalpha() and p.isascii() and len(p) > 2][:40]
    generator = np.random.default_rng(3)
    texts, labels = [], []
    for number in range(1_700):
        size, label = int(generator.integers(3, 25)), number % 2
        groups = (words[:20], words[20:])[:: -1 if label else 1]
        most = int(generator.integers(size // 2 + 1, size + 1))
        chosen = [*generator.choice(groups[0], most), *generator.choice(groups[1], size - most)]
        texts.append(" ".join(generator.permutation(chosen)))
        labels.append(label)
    model = BertForSequenceClassification(config, labels=["first", "second"])
    model.tokenizer = tokenizer
    encodings = tokenizer.encode_batch(texts[200:])
    batch = collate([Feature(0, e.input_ids, e.token_type_ids) for e in encodings], 0)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    given = {**batch, "labels": np.array(labels[200:])}
    model.fit(given, epochs=6, batch_size=50, shuffle=False, verbose=0)
    return model, texts[:200], np.array(labels[:200])
