import csv
import json
import subprocess
import sys
from itertools import chain

import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tokenization import learn_vocabulary
from bert_keras.tokenization.graph import GraphTokenizer
from tests.tokenization.graph.pairs import hostile_texts, pair_of

SOME_CASINGS = ["uncased", "cased", "uncased with accents, Chinese whole"]
ALL_CASINGS = [
    *SOME_CASINGS,
    "cased without accents",
    "uncased with accents",
    "uncased, Chinese whole",
    "cased, Chinese whole",
    "cased without accents, Chinese whole",
]


def _compare(pair, texts, with_offsets=False, size=256):
    """Compares all texts, and each with the one that comes half the texts later as a pair."""
    tokens = sum(pair.assert_equal(b, with_offsets=with_offsets) for b in _batches(texts, size))
    half = len(texts) // 2
    for first, second in zip(
        _batches(texts[:half], size), _batches(texts[half : 2 * half], size), strict=True
    ):
        tokens += pair.assert_equal(first, second, with_offsets=with_offsets)
    return tokens


def _batches(texts, size):
    return [texts[n : n + size] for n in range(0, len(texts), size)]


def some_casings(fast):
    """Parameters of which one is in the fast tests."""
    return [pytest.param(c, marks=[] if c == fast else pytest.mark.system) for c in SOME_CASINGS]


@pytest.mark.parametrize("casing", some_casings(fast="cased"))
def test_ids_and_offsets_are_the_hosts_on_hostile_strings(casing):
    texts = list(hostile_texts(1, 600))
    assert _compare(pair_of(casing), texts, with_offsets=True) > 5_000
    assert _compare(pair_of(casing), texts) > 5_000


@pytest.mark.system
@pytest.mark.parametrize("truncation", ["tail", "head_tail"])
def test_the_kept_part_of_long_texts_is_the_hosts(truncation):
    pair = pair_of(max_length=12, truncation=truncation)
    texts = list(hostile_texts(4, 300))
    assert _compare(pair, texts, with_offsets=True) > 2_000
    long = b"the thing " * 5_000  # read to its end
    assert _compare(pair, [long + b"un", b"un " + long]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("casing", ALL_CASINGS)
def test_ids_are_the_hosts_on_100_000_hostile_strings(casing):
    assert _compare(pair_of(casing), list(hostile_texts(2, 100_000))) > 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("casing", ALL_CASINGS)
def test_offsets_are_the_hosts_on_many_hostile_strings(casing):
    texts = list(hostile_texts(3, 20_000))
    assert _compare(pair_of(casing), texts, with_offsets=True) > 200_000


@pytest.mark.slow
@pytest.mark.parametrize("casing", ALL_CASINGS)
def test_ids_are_the_hosts_on_every_code_point(casing):
    code_points = [chr(c).encode() for c in chain(range(0xD800), range(0xE000, 0x110000))]
    texts = [b"a%b%b " % (c, c) + c + b" " + c + b"e" for c in code_points]
    pair = pair_of(casing)
    assert sum(pair.assert_equal(b) for b in _batches(texts, 4_096)) > 2_000_000


@pytest.mark.parametrize("casing", some_casings(fast="cased"))  # which is traced already
def test_ids_are_the_hosts_on_code_points_of_every_block(casing):
    code_points = [c for c in range(0, 0x110000, 137) if not 0xD800 <= c < 0xE000]
    pair_of(casing).assert_equal([f"a{chr(c)}e {chr(c)} {chr(c)}e".encode() for c in code_points])


@pytest.mark.system
@pytest.mark.parametrize("casing", ["uncased", "cased"])
def test_marks_that_stay_are_put_in_order(casing):
    marks = (
        "\u1b44\U0001d165\U0001d16d\u302e\u08d4\U0001e94a\u0301\u0345\u0344\x01\ue000\u200d\u0903"
    )
    texts = [f"a{x}{y}{z}e".encode() for x in marks for y in marks for z in marks]
    texts += [f"{x}[MASK]{y}\U0001d15f{x}".encode() for x in marks for y in marks]
    pair_of(casing, 200).assert_equal(texts, with_offsets=True)


@pytest.mark.system
def test_lengths_of_words_are_counted_in_characters():
    letters = ["a", "é", "ß", "世", "𝒜", "ж", "\u302e", "E\u0301"]
    texts = [
        " ".join([letter * n, "in", letter * m]).encode()
        for letter in letters
        for n in (99, 100, 101, 102)
        for m in (1, 100, 101, 401)
    ]
    assert pair_of(max_length=500).assert_equal(texts, with_offsets=True) > 10_000


@pytest.mark.system
@pytest.mark.parametrize("max_length", [3, 4, 7, 8])
def test_pairs_are_cut_as_the_host_cuts_them(max_length):
    firsts, seconds = zip(*((i, j) for i in range(10) for j in range(10)), strict=True)
    columns = [[b"a " * n for n in column] for column in (firsts, seconds)]
    pair_of(max_length=max_length).assert_equal(*columns, with_offsets=True)


@pytest.mark.system
def test_word_ids_number_the_words_of_each_text():
    pair = pair_of()
    texts = ["unaffable ables, de世界t", "", "in-tens 𝒜ab"]
    found = pair.pair_offsets(tf.constant(texts), tf.constant(texts[::-1]))
    for row, columns in enumerate(zip(texts, texts[::-1], strict=True)):
        encodings = [pair.host._pipeline.encode(t, add_special_tokens=False) for t in columns]
        expected = [-1, *encodings[0].word_ids, -1, *encodings[1].word_ids, -1]
        numbers = found["word_ids"][row].numpy().tolist()
        assert numbers == expected + [-1] * (len(numbers) - len(expected))
    special = pair.single_offsets(tf.constant(["a[MASK]able [PAD]"]))
    assert special["word_ids"].numpy().tolist() == [[-1, 0, 1, 2, 3, -1]]


@pytest.mark.parametrize("casing", some_casings(fast="cased"))  # which is traced already
def test_an_empty_batch_and_empty_strings_have_answers(casing):
    pair = pair_of(casing)
    for with_offsets in (False, True):
        assert pair.assert_equal([], with_offsets=with_offsets) == 0
        assert pair.assert_equal([], [], with_offsets=with_offsets) == 0
        assert pair.assert_equal([b""], with_offsets=with_offsets) == 2
        assert pair.assert_equal([b"", b"a"], [b"", b""], with_offsets=with_offsets) == 7
        assert pair.assert_equal([b"\x00\xff\xed\xa0\x80"], with_offsets=with_offsets) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"a" * 1_000_000, id="one word", marks=pytest.mark.system),
        pytest.param(b"a " * 500_000, id="words", marks=pytest.mark.system),
        pytest.param(b" " * 1_000_000, id="spaces", marks=pytest.mark.system),
        pytest.param(b"\xff" * 999_999 + b"a", id="bad bytes", marks=pytest.mark.system),
        pytest.param(b"[MASK]" * 9**5, id="special tokens", marks=pytest.mark.system),
    ],
)
def test_a_megabyte_has_an_answer(text):
    pair = pair_of()
    pair.assert_equal([b"a", text, b"the"])
    pair.assert_equal([text, b"a"], [b"the", text])


@pytest.mark.system
@pytest.mark.parametrize("max_length", [7, 8])
def test_long_texts_are_cut_only_where_it_changes_nothing(max_length):
    # 16 bytes for each of max_length + 105 pieces is where texts are cut: all sorts of words there.
    pair = pair_of(max_length=max_length)
    edge = 16 * (max_length + 105)
    tails = [*hostile_texts(4, 4), b"[MASK]" * 3, "é".encode() * 300, b"a", b"", b"a " * 900]
    heads = [b" ", b"a", b"b ", b"\xff", "世".encode(), b"a" * 99 + b" "]
    texts = [
        (head * edge)[: edge - before] + tail
        for head in heads
        for tail in tails
        for before in (0, 3, 130)
    ]
    pair.assert_equal(texts)
    shuffled = [texts[7 * n % len(texts)] for n in range(len(texts))]
    pair.assert_equal(texts, shuffled)
    pair.assert_equal(texts[::9], shuffled[::9], with_offsets=True)


def test_lengths_without_room_are_refused():
    host = pair_of().host
    with pytest.raises(InputError, match="at least 2"):
        GraphTokenizer(host, 1)
    short = GraphTokenizer(host, 2)
    assert short.encode(tf.constant(["a"]))["input_ids"].numpy().tolist() == [[2, 3]]
    with pytest.raises(InputError, match="at least 3"):
        short.encode(tf.constant(["a"]), tf.constant(["a"]))


def _real_texts(shared_data):
    texts = []
    for file in sorted((shared_data / "sotu").glob("*.txt")):
        texts += file.read_text("utf-8").splitlines()
    for folder in ("sst2", "mrpc", "wnut16"):
        for file in sorted((shared_data / folder).iterdir()):
            texts += file.read_text("utf-8").splitlines()
    for file in sorted((shared_data / "xquad").glob("*.json")):
        for article in json.loads(file.read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                texts.append(paragraph["context"])
                texts += [question["question"] for question in paragraph["qas"]]
    with (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").open(encoding="utf-8") as file:
        texts += [row[1] for row in csv.reader(file)]
    assert len(texts) > 40_000
    return texts


def _compare_real(casing, texts, sample):
    host = pair_of(casing).host
    vocab = learn_vocabulary(sample, 6_000, host.casing)
    pair = pair_of(casing, 128, vocab)
    data = [text.encode() for text in texts]
    return _compare(pair, data) + _compare(pair, data[::7], with_offsets=True)


@pytest.mark.system
def test_ids_are_the_hosts_on_some_real_text(shared_data):
    texts = _real_texts(shared_data)[::200]
    assert _compare_real("uncased", texts, texts[::2]) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("casing", ALL_CASINGS)
def test_ids_are_the_hosts_on_all_real_text(shared_data, casing):
    texts = _real_texts(shared_data)
    assert _compare_real(casing, texts, texts[::20]) > 2_000_000


def test_tokenization_alone_does_not_import_tensorflow():
    code = "import sys, bert_keras.tokenization; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.system
def test_without_tensorflow_text_one_line_says_so():
    code = (
        "import sys; sys.modules['tensorflow_text'] = None\n"
        "from bert_keras.errors import InputError\n"
        "try:\n    import bert_keras.tokenization.graph\n"
        "except InputError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "needs tensorflow-text" in run.stdout
