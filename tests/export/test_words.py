import random

import pytest
import tensorflow as tf

from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.words import split_words
from bert_keras.tasks.reading.words import split_words as split_on_host

CHARACTERS = "aabs.'’@#,!?-_ \t\n\u2029中文éſßSŚ1“”。，😀\u0301"


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def split(texts):
    return split_words(tf.strings.unicode_decode(texts, "UTF-8"))


def spans_of(texts):
    words = split(tf.constant([text.encode() for text in texts], tf.string))
    spans = [[] for _ in texts]
    for row, *span in zip(*(part.numpy().tolist() for part in words[:3]), strict=True):
        spans[row].append(tuple(span))
    return spans


@pytest.mark.system
def test_words_are_the_hosts_on_real_and_on_generated_text():
    draw = random.Random(0)
    texts = [*SENTENCES, *PROSE]
    for _ in range(3000):
        texts.append("".join(draw.choice(CHARACTERS) for _ in range(draw.randint(0, 14))))
    for _ in range(500):
        points = [draw.choice([draw.randrange(0xD800), draw.randrange(0x300)]) for _ in range(12)]
        texts.append("".join(map(chr, points)))
    assert spans_of(texts) == [split_on_host(text) for text in texts]


def test_nothing_has_no_words():
    assert spans_of([]) == []
    assert spans_of(["", " ", "\n"]) == [[], [], []]
