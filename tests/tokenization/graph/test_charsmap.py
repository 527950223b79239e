import random

import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.tokenization.graph.charsmap import build_charsmap, one_of_each

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def _normalizer(model):
    return tf_text.FastBertNormalizer(model_buffer=tf.constant(list(model), tf.uint8))


@pytest.mark.parametrize("ill_formed", [None, "", "\ufffd"])
def test_code_points_become_what_the_table_says(ill_formed):
    draw = random.Random(0)
    strings = {
        c: draw.choice(["", " ", "x", "世界", "z" * 63]) for c in draw.sample(CODE_POINTS, 5_000)
    }
    strings |= {0: "zero", 0x10FFFF: "last", 0x7F: "", 0x80: "two"}
    normalizer = _normalizer(build_charsmap(strings, ill_formed))
    known = list(strings)
    texts = [
        "".join(chr(draw.choice(draw.choice([CODE_POINTS, known]))) for _ in range(20))
        for _ in range(2_000)
    ]
    found = normalizer.normalize(tf.constant(texts)).numpy()
    expected = ["".join(strings.get(ord(c), c) for c in text).encode() for text in texts]
    assert found.tolist() == expected


def test_ill_formed_bytes_are_replaced_as_python_replaces_them():
    draw = random.Random(1)
    texts = [bytes(draw.choices(range(256), k=12)) for _ in range(5_000)]
    leads = [0x41, 0x80, 0xBF, 0xC1, 0xC2, 0xE0, 0xE4, 0xED, 0xF0, 0xF3, 0xF4, 0xF5, 0x9F, 0x90]
    texts += [bytes(draw.choices(leads, k=12)) for _ in range(20_000)]
    found = _normalizer(build_charsmap({}, "\ufffd")).normalize(tf.constant(texts)).numpy()
    assert found.tolist() == [text.decode("utf-8", "replace").encode() for text in texts]
    # And one byte for each: where characters start.
    counted = _normalizer(one_of_each()).normalize(tf.constant(texts)).numpy()
    assert [len(text) for text in counted] == [len(t.decode("utf-8", "replace")) for t in texts]


def test_one_byte_stands_for_every_code_point():
    texts = [chr(c) for c in CODE_POINTS]
    found = _normalizer(one_of_each()).normalize(tf.constant(texts)).numpy()
    assert set(found.tolist()) == {b"x"}


def test_strings_too_long_for_the_format_are_refused():
    with pytest.raises(ValueError, match="63 bytes"):
        build_charsmap({65: "a" * 64})
