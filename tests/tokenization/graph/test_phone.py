"""The tokenizer for phones, run by TFLite's own kernels."""

import csv
import json
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.lite.python.interpreter import InterpreterWithCustomOps

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from bert_keras.tokenization.graph.phone import PhoneTokenizer, unordered_marks
from bert_keras.tokenization.graph.rules import LETTER, host_kinds, kept_marks
from tests.tokenization.graph.pairs import hostile_texts, pair_of

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter")


class Phone:
    """A host's tokenizer and its file in the interpreter."""

    def __init__(self, host, max_length, truncation="head"):
        self.host, self.max_length, self.truncation = host, max_length, truncation
        phone = PhoneTokenizer(host, max_length, truncation)
        one = {"text": tf.TensorSpec([1], tf.string, "text")}
        two = {name: tf.TensorSpec([1], tf.string, name) for name in ("text", "text_pair")}
        self._runners = [_runner(phone, specs) for specs in (one, two)]

    def run(self, *texts):
        names = ("text", "text_pair")
        sent = {n: np.array([t], object) for n, t in zip(names, texts, strict=False)}
        return {n: v[0].tolist() for n, v in self._runners[len(texts) - 1](**sent).items()}

    def assert_equal(self, *texts, with_offsets=True):
        """Compares one text or pair; returns how many tokens it has."""
        decoded = [text.decode("utf-8", "replace") for text in texts]
        expected = self.host.encode(
            *decoded, max_length=self.max_length, truncation=self.truncation
        )
        given = self.run(*texts)
        assert given["input_ids"] == expected.input_ids, texts
        assert given["token_type_ids"] == expected.token_type_ids, texts
        assert given["attention_mask"] == [1] * len(expected.input_ids)
        if with_offsets:
            rows = (given[n] for n in ("byte_starts", "byte_ends", "token_type_ids"))
            for (start, end, segment), offsets in zip(
                zip(*rows, strict=True), expected.offsets, strict=True
            ):
                places = (len(texts[segment][:n].decode("utf-8", "replace")) for n in (start, end))
                assert tuple(places) == offsets, texts
        return len(expected.input_ids)


def _runner(phone, specs):
    function = tf.function(lambda **texts: phone.encode(*texts.values()), autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function(**specs)], phone
    )
    converter.allow_custom_ops = True
    interpreter = InterpreterWithCustomOps(
        custom_op_registerers=tf_text.tflite_registrar.SELECT_TFTEXT_OPS,
        model_content=converter.convert(),
    )
    return interpreter.get_signature_runner()


@pytest.fixture(scope="module")
def phone_of():
    known = {}

    def get(casing="uncased", max_length=48, vocab=None, truncation="head"):
        key = (casing, max_length, vocab and tuple(vocab), truncation)
        if key not in known:
            host = pair_of(casing).host
            host = host if vocab is None else BertTokenizer(vocab, host.casing)
            known[key] = Phone(host, max_length, truncation)
        return known[key]

    return get


@pytest.fixture(scope="module")
def plain_vocabulary():
    """The hostile vocabulary with one of the marks that stay in a text, not several."""
    host = pair_of("uncased").host
    marks = set(map(chr, kept_marks(Casing()))) - {"\u302e"}
    return [piece for piece in host.vocab if not marks & set(piece)]


def in_order(text):
    """Whether no mark that stays is there: where such change places, so do offsets."""
    kept = kept_marks(Casing())
    return not any(
        ord(c) in kept or c in "\U0001d15f\u0344" for c in text.decode("utf-8", "replace")
    )


@pytest.mark.system
@pytest.mark.parametrize("truncation", ["tail", "head_tail"])
def test_the_kept_part_of_long_texts_is_the_hosts(phone_of, plain_vocabulary, truncation):
    phone = phone_of(max_length=12, vocab=plain_vocabulary, truncation=truncation)
    texts = list(hostile_texts(14, 150))
    assert sum(phone.assert_equal(t, with_offsets=in_order(t)) for t in texts) > 900
    for first, second in pairwise(texts[:40]):
        phone.assert_equal(first, second, with_offsets=in_order(first + second))


@pytest.mark.system
@pytest.mark.parametrize("casing", ["uncased", "cased"])
def test_ids_and_places_are_the_hosts_on_hostile_strings(phone_of, plain_vocabulary, casing):
    phone = phone_of(casing, vocab=plain_vocabulary)
    texts = list(hostile_texts(11, 400))
    assert sum(phone.assert_equal(t, with_offsets=in_order(t)) for t in texts) > 3_000
    for first, second in pairwise(texts[:100]):
        phone.assert_equal(first, second, with_offsets=in_order(first + second))


@pytest.mark.slow
@pytest.mark.parametrize("casing", ["uncased", "cased", "uncased with accents, Chinese whole",
                                    "cased without accents"])  # fmt: skip
def test_ids_are_the_hosts_on_5_000_hostile_strings(phone_of, plain_vocabulary, casing):
    phone = phone_of(casing, vocab=plain_vocabulary)
    texts = list(hostile_texts(12, 5_000))
    assert sum(phone.assert_equal(t, with_offsets=in_order(t)) for t in texts) > 30_000
    for first, second in pairwise(texts[::4]):
        phone.assert_equal(first, second, with_offsets=False)


@pytest.mark.slow
def test_ids_are_the_hosts_on_every_code_point(phone_of, plain_vocabulary):
    phone = phone_of(max_length=2_000, vocab=plain_vocabulary)
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for start in range(0, len(codes), 100):
        characters = map(chr, codes[start : start + 100])
        text = "".join(f"a{c}b{c} {c} {c}e " for c in characters)
        phone.assert_equal(text.encode(), with_offsets=False)


@pytest.mark.system
def test_special_tokens_are_whole_and_only_they(phone_of):
    phone = phone_of()
    texts = ["[MASK]", "a[MASK]able", "[MASK][SEP] [CLS]a[PAD]", "[[MASK]]", "[mask] [MASK", "["]
    texts += ["MASK]", "[MA\0SK]", "[MASK\u0301]", "[MASK]\u0301a", "[UNK]]", "[É]", "[]"]
    for text in texts:
        phone.assert_equal(text.encode())


@pytest.mark.system
def test_lengths_of_words_are_counted_in_characters(phone_of):
    phone = phone_of(max_length=500)
    for letter in ("a", "é", "世", "𝒜", "ж", "E\u0301"):
        for n in (99, 100, 101, 102, 401):
            phone.assert_equal(f"{letter * n} in{letter * n}".encode())


@pytest.mark.system
@pytest.mark.parametrize("max_length", [3, 4, 7, 8])
def test_pairs_are_cut_as_the_host_cuts_them(phone_of, max_length):
    phone = phone_of(max_length=max_length)
    for first in range(7):
        for second in range(7):
            phone.assert_equal(b"a " * first, b"the " * second)


@pytest.mark.system
def test_words_are_numbered(phone_of):
    given = phone_of().run("unaffable ables, de世界t[MASK]".encode())
    host = phone_of().host._pipeline.encode("unaffable ables, de世界t", add_special_tokens=False)
    assert given["word_ids"] == [-1, *host.word_ids, max(host.word_ids) + 1, -1]


@pytest.mark.system
def test_empty_texts_have_answers(phone_of):
    phone = phone_of()
    for text in (b"", b" ", b"\xff", b"\x00\xed\xa0\x80", b"\n\xc2\xa0"):
        assert phone.assert_equal(text) == 2
        assert phone.assert_equal(text, b"") == 3


@pytest.mark.system
def test_a_long_text_is_cut(phone_of):
    for text in (b"a " * 50_000, b"a" * 200_000, b"[MASK]" * 20_000, b" " * 200_000):
        phone_of().assert_equal(text)


@pytest.mark.system
def test_where_two_marks_stay_it_is_said(phone_of, plain_vocabulary):
    """The one difference there is, and that it is the only one: marks the vocabulary knows."""
    phone, text = phone_of(), "the\u302e\u1b44 e"
    assert phone.run(text.encode())["input_ids"] != phone.host.encode(text).input_ids
    named = unordered_marks(phone.host.vocab, phone.host.casing)
    assert {"\u302e", "\u1b44"} <= set(named)
    assert unordered_marks(plain_vocabulary, Casing()) == []
    assert unordered_marks(phone.host.vocab, Casing(do_lower_case=False)) == []
    phone_of(vocab=plain_vocabulary).assert_equal(text.encode(), with_offsets=False)


def test_marks_that_stay_are_part_of_words():
    """So a word with one that is not in the vocabulary is unknown in any order."""
    assert set(host_kinds()[sorted(kept_marks(Casing()))]) == {LETTER}


def test_lengths_without_room_are_refused(phone_of):
    phone = PhoneTokenizer(phone_of().host, 2)
    assert phone.encode(tf.constant(["a"]))["input_ids"].numpy().tolist() == [[2, 3]]
    with pytest.raises(InputError, match="at least 3"):
        phone.encode(tf.constant(["a"]), tf.constant(["a"]))


def _real_texts(shared_data):
    """Texts by language."""
    texts = {"en": [], "zh": []}
    for folder in ("sst2", "mrpc", "wnut16", "sotu"):
        for file in sorted((shared_data / folder).iterdir()):
            texts["en"] += file.read_text("utf-8").splitlines()
    with (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").open(encoding="utf-8") as file:
        texts["zh"] += [row[1] for row in csv.reader(file)]
    for file in sorted((shared_data / "xquad").glob("*.json")):
        language = texts.setdefault(file.stem.split(".")[-1], [])
        for article in json.loads(file.read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                language.append(paragraph["context"])
                language += [question["question"] for question in paragraph["qas"]]
    return texts


def _compare_real(phone_of, casing, texts):
    lines = [line for language in texts.values() for line in language]
    vocab = learn_vocabulary(lines[::7], 6_000, Casing(do_lower_case=casing == "uncased"))
    phone = phone_of(casing, 128, vocab)
    for language, of_language in texts.items():
        tokens = sum(phone.assert_equal(text.encode()) for text in of_language)
        assert tokens > 10 * len(of_language) > 0, language
    assert unordered_marks(vocab, phone.host.casing) == []


def test_ids_are_the_hosts_on_some_real_text(phone_of, shared_data):
    texts = {language: some[::200] for language, some in _real_texts(shared_data).items()}
    _compare_real(phone_of, "uncased", texts)


@pytest.mark.slow
@pytest.mark.parametrize("casing", ["uncased", "cased"])
def test_ids_are_the_hosts_on_all_real_text(phone_of, shared_data, casing):
    _compare_real(phone_of, casing, _real_texts(shared_data))
