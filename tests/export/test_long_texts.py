"""How far long texts are read: as if they ended there, and at no more cost than what is read."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.export.long_texts import cut_windows, read_on_host, tokens_of, tokens_read
from bert_keras.export.samples import SENTENCES
from bert_keras.tasks import predict
from bert_keras.tasks.windows import cut_windows as windows_on_host
from bert_keras.tokenization import BertTokenizer
from bert_keras.tokenization.graph import GraphTokenizer

SENTENCE = b"The ferry to the island was late again. "
# The parts of 각 are three pieces, so that a text can be cut within a character.
PARTS = [*(f"##{part}" for part in "\u1100\u1161\u11a8"), *"\u1100\u1161\u11a8"]


def test_windows_of_several_texts_are_those_of_each():
    lengths, sizes = [0, 1, 7, 8, 9, 23, 100, 250], [8, 8, 8, 8, 8, 5, 1, 60]
    windows = cut_windows(tf.constant(lengths), tf.constant(sizes), 6)
    rows = [tuple(row) for row in np.stack(windows, axis=1).tolist()]
    assert rows == [
        (text, number, start, end)
        for text, (length, size) in enumerate(zip(lengths, sizes, strict=True))
        for number, (start, end) in enumerate(windows_on_host(length, size, 6))
    ]
    assert tokens_read(tf.constant(sizes[-2:]), 6, 3).numpy().tolist() == [1 + 2, 60 + 2 * 6]
    assert not any(len(column) for column in cut_windows(*2 * [tf.constant([], tf.int32)], 6))


def test_a_text_is_read_as_if_it_ended_there(tokenizer):
    host = BertTokenizer([*tokenizer.vocab, *PARTS])
    graph = GraphTokenizer(host, 8)
    draw = random.Random(0)
    texts = [*SENTENCES, "각", "각각각 각", "각" * 40, "e\u0301" * 20, "", "   ", "x" * 30_000]
    texts += ["".join(draw.choices("aB .'é中😀,\u0301\u200b-각", k=60)) for _ in range(60)]
    texts += [SENTENCE.decode() * 400, "中" * 5000]
    most = [draw.randint(1, 40) for _ in texts]
    encoded = [text.encode() for text in texts]
    tokens = tokens_of(graph, tf.constant(encoded), tf.constant(most), 40)
    read = [text.decode() for text in tokens.texts.numpy()]
    assert read == read_on_host(host, texts, most)
    for row, (text, part, bound) in enumerate(zip(texts, read, most, strict=True)):
        assert text.startswith(part)
        whole, alone = host.encode(text), host.encode(part)
        ids, offsets = whole.input_ids[1:-1], whole.offsets[1:-1]
        length = int(tokens.lengths[row])
        # Of a character in parts up to two are left out.
        assert min(bound, len(ids)) - 2 <= length <= bound
        assert part == text or part == text[: offsets[length - 1][1] if length else 0]
        assert alone.input_ids[1:-1] == ids[:length] == tokens.ids[row, :length].numpy().tolist()
        starts, ends = (edges[row, :length].numpy().tolist() for edges in tokens[-2:])
        assert list(zip(starts, ends, strict=True)) == offsets[:length]
    whole = sum(part == text for part, text in zip(read, texts, strict=True))
    assert 10 < whole < len(texts) - 10


def inputs_of(kind, texts):
    texts = np.array(texts, object)
    if kind == "tagging":
        return {"text": texts}
    return {"context": texts, "question": np.array([b"What was late?"] * len(texts), object)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tagging", "span"])
def test_a_megabyte_is_answered_as_predict_answers_what_is_read(kind, session, make_model):
    texts = [SENTENCE * 26_000, SENTENCE, b"\xff" * 1_000_000 + b" late", b" " * 1_000_000]
    answers = session(kind).run("serving_default", inputs_of(kind, texts))
    shorter = [SENTENCE * 260, *texts[1:]]
    given = session(kind).run("serving_default", inputs_of(kind, shorter))
    for name, array in answers.items():
        if array.dtype == object:
            assert array.tolist() == given[name].tolist()
        else:
            np.testing.assert_allclose(array, given[name], atol=1e-5)
    decoded = [text.decode("utf-8", errors="replace") for text in texts[1:]]
    if kind == "tagging":
        expected = predict(make_model(kind), decoded, max_seq_length=16)
        assert answers["counts"][1:].tolist() == [len(e["entities"]) for e in expected]
    else:
        expected = predict(make_model(kind), ["What was late?"] * 3, decoded)
        assert [answer.decode() for answer in answers["answers"][1:]] == [
            e["answer"] for e in expected
        ]
        assert answers["starts"][1:].tolist() == [e["start"] for e in expected]


MEMORY = """
import resource, sys
import numpy as np
from bert_keras.export.session import ServingSession
with ServingSession(sys.argv[1]) as session:
    def ask(text):
        inputs = session.signatures["serving_default"].inputs
        session.run("serving_default", {name: np.array([text], object) for name in inputs})
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sentence = b"The ferry to the island was late again. "
    before = ask(sentence * 1000)
    print(ask(sentence * 200_000) - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tagging", "span"])
def test_eight_megabytes_take_little_more_memory_than_themselves(kind, exported):
    """A fresh process, whose peak is its own."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, exported(kind)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 100_000  # kilobytes; every character's tensors would be several times
