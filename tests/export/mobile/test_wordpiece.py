"""WordPiece and the words of Answers, compiled and run: what the host's tokenizer reads."""

import re
import unicodedata
from itertools import product

import numpy as np
import pytest

from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.tasks.reading.words import split_words
from bert_keras.tasks.recognition import scheme_of_labels
from bert_keras.tasks.schemes import SCHEMES
from bert_keras.tasks.span import Span
from bert_keras.tasks.windows import cut_windows, overlapping
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from bert_keras.tokenization.graph.rules import (
    CODE_POINTS,
    LETTER,
    SINGLE,
    host_kinds,
    normal_forms,
)

TEXTS = [
    *SENTENCES,
    *PROSE,
    *("[MASK]a[SEP]b[mask]", "e\u0301\u0301", "a" * 100, "a" * 101, "\U0001d49c" * 100),
    *("\x0ba\x1c\x85b\u2028c\u200bd\ufffde", "\u03a3\u03c2\u0130\u0131\ufb01\u00df"),
    "\U0002b820\U0002f800",
    # What Unicode made marks, punctuation or format characters of after version 8, or no longer.
    *(
        "a\u2e43b\u2e52\u09fdc",
        "a\u166db\U000111c9c",
        "a\u08d4b\u08e2c\U0001e944",
        "x\u1abf\u0301y",
    ),
    # Emoji of several characters, marks that change places, decomposed Korean, both Chinese forms.
    *(
        "👩‍👩‍👧‍👦👍🏽 ok 🇩🇪",
        "q\u0307\u0323 \u1100\u1161\u11a8 각",
        "漢字かな汉字 ｶﾅ",
        "\uf900\U00020000x",
    ),
    *("", " ", "\u00a0\u3000", "ÅÅ\u212b", "a\tb\r\nc\x00d\ue000e", "don't U.S. @x #y ''''"),
]
CASINGS = [
    Casing(),
    Casing(do_lower_case=False),
    Casing(do_lower_case=False, strip_accents=True),
    Casing(strip_accents=False, tokenize_chinese_chars=False),
]
WAYS = {"HEAD": "head", "TAIL": "tail", "HEAD_TAIL": "head_tail"}


def units(text):
    """Where each character of a text, and its end, stands in UTF-16."""
    return np.cumsum([0, *(2 if ord(c) > 0xFFFF else 1 for c in text)])


def row_of(host, encoding, texts, length=None):
    """What the program shows of an encoding of the host."""
    places = [units(text) for text in texts]
    ranges = [
        (int(places[kind][start]), int(places[kind][end]))
        for kind, (start, end) in zip(encoding.token_type_ids, encoding.offsets, strict=True)
    ]
    count = len(encoding.input_ids)
    missing = 0 if length is None else length - count
    padding = [0] * missing
    starts, ends = ([place[side] for place in ranges] for side in (0, 1))
    return [
        encoding.input_ids + [host.pad_id] * missing, [1] * count + padding,
        encoding.token_type_ids + padding, starts + padding, ends + padding, [encoding.left_out],
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("casing", CASINGS, ids=["uncased", "cased", "cased_bare", "accents"])
def test_ids_and_places_are_the_hosts(program, casing):
    host = BertTokenizer(learn_vocabulary(TEXTS, 2_000, casing), casing)
    examples = [("single", "48", text, "") for text in TEXTS]
    examples += [
        (way, str(length), text, TEXTS[(number + 1) % len(TEXTS)])
        for number, text in enumerate(TEXTS)
        for way, length in product(WAYS, (31, 16, 3))
    ]
    examples += [("open", "64", text, TEXTS[-1 - number]) for number, text in enumerate(TEXTS)]
    given = program.tokenize(host, examples)
    assert len(given) == len(examples)
    for (how, length, text, pair), row in zip(examples, given, strict=True):
        second = None if how == "single" else pair
        encoding = host.encode(text, second, int(length), WAYS.get(how, "head"))
        texts = [text] if second is None else [text, pair]
        size = None if how == "open" else int(length)
        assert row == row_of(host, encoding, texts, size), (how, length, text, pair)


def hostile_strings(count):
    """Strings of all of Unicode, with many marks, control characters and pieces of words."""
    generator = np.random.default_rng(11)
    sources = [
        [chr(c) for c in CODE_POINTS],
        [chr(c) for c in CODE_POINTS if unicodedata.combining(chr(c))],
        [chr(c) for c in (*range(32), *range(127, 160), 0x200B, 0x200D, 0xFFFD, 0x2028, 0x3000)],
        [*"aeiou  ..'-#@é中ßΣİ", "[MASK]", "[SEP]", "ferry ", "island"],
    ]
    strings = []
    for _ in range(count):
        size = int(generator.integers(0, 24))
        drawn = generator.choice(4, size, p=[0.3, 0.15, 0.1, 0.45])
        pools = (sources[number] for number in drawn)
        strings.append("".join(pool[int(generator.integers(len(pool)))] for pool in pools))
    return strings


@pytest.mark.slow
@pytest.mark.parametrize("casing", CASINGS[:2], ids=["uncased", "cased"])
def test_hostile_strings_have_the_hosts_ids(program, casing):
    """And its places, but for marks in the wrong order, which may take each other's."""
    host = BertTokenizer(learn_vocabulary(TEXTS, 2_000, casing), casing)
    strings = hostile_strings(5_000)
    rows = program.tokenize(host, [("single", "64", text, "") for text in strings])
    elsewhere = 0
    for text, row in zip(strings, rows, strict=True):
        expected = row_of(host, host.encode(text, None, 64), [text], 64)
        assert row[:3] == expected[:3], ascii(text)
        elsewhere += row != expected
    assert elsewhere <= (100 if casing.do_lower_case else 0)


@pytest.mark.slow
def test_a_question_and_its_context_are_cut_as_in_training(program):
    """The first window, whatever is long: neither, the question, the context, both."""
    host = BertTokenizer(learn_vocabulary(TEXTS, 2_000, Casing()))
    texts = ["So good?", " ".join(PROSE[:3]), " ".join(PROSE[:9])]
    examples = [
        ("question", length, question, context)
        for question, context, length in product(texts, texts, ("16", "64", "250", "384"))
    ]
    for (_, length, question, context), row in zip(
        examples, program.tokenize(host, examples), strict=True
    ):
        task = Span(max_seq_length=int(length))
        example = task.from_text(question, context)
        feature = task.features([example], host)[0]
        ids = [value for value, seen in zip(row[0], row[1], strict=True) if seen]
        types = row[2][: len(ids)]
        assert (ids, types) == (feature.input_ids, feature.token_type_ids)
        assert (row[5][0] == 0) == (len(ids) == len(host.encode(question, context).input_ids))


@pytest.mark.slow
def test_windows_are_those_of_the_task(program):
    host = BertTokenizer(learn_vocabulary(TEXTS, 2_000, Casing()))
    texts = ["", "So good!", *PROSE[:4], " ".join(PROSE[:9])]
    program.write(host.vocab)
    examples = [("windows", length, text, "") for text in texts for length in ("3", "8", "32")]
    arguments = ["tokenize", program.folder, "true", "true", "true"]
    rows = iter(program.run(arguments, examples))
    for _, length, text, _ in examples:
        cls, *inner, sep = host.encode(text).input_ids
        room = int(length) - 2
        expected = cut_windows(len(inner), room, overlapping(room))[:3]
        assert int(next(rows)[0]) == len(expected)
        for start, end in expected:
            ids = next(rows)[0].split(";")[0].split()
            assert [int(piece) for piece in ids] == [cls, *inner[start:end], sep]


@pytest.mark.slow
def test_words_are_those_that_a_tagger_learned(program):
    more = ["U.S. a.b.c. 's x's X’S ’s...!! --@me #tag", "e.g. 3.5. _a_. é.", "x\x1cy\x85z\u200bw"]
    texts = [*TEXTS, *more]
    rows = program.run(["words"], [(text,) for text in texts])
    for text, row in zip(texts, rows, strict=True):
        places = units(text)
        expected = [int(places[n]) for word in split_words(text) for n in word]
        assert list(map(int, row[0].split())) == expected, text


@pytest.mark.slow
def test_entities_are_those_of_every_scheme(program):
    generator = np.random.default_rng(5)
    examples, expected = [], []
    for scheme in SCHEMES.values():
        types = {"PER", "LOC"} if not scheme.letters else {"B-PER", "B-LOC"}
        labels = scheme.labels(types | {"O"})
        if not scheme.has_entities:
            continue
        for size in (1, 2, 5, 30, 200):
            tags = generator.choice(labels, size).tolist()
            examples.append((" ".join(tags), " ".join(labels)))
            found = scheme_of_labels(labels).spans(tags)
            assert found == scheme.spans(tags)
            expected.append(" ".join(f"{s.label} {s.start} {s.end}" for s in found))
    examples.append(("B I O I S E M B", "B I E S M O"))
    expected.append("_ 0 2 _ 3 4 _ 4 5 _ 5 6 _ 6 7 _ 7 8")
    given = [row[0] for row in program.run(["spans"], examples)]
    assert given == expected


def test_what_came_later_is_a_letter_to_the_host(repository):
    """The tables of both files, beside the host's answers and this Python's Unicode."""
    tables = []
    for name in ("WordPiece.kt", "WordPiece.swift"):
        text = (repository / "export" / "mobile" / name).read_text()
        table = re.search(r"(?is)(?:val later = |let later: ).*?\n(.*?)\n *[)\]]\n", text)
        ends = re.findall(r"0x(\w+)\.\.\.?0x(\w+)", table[1])
        tables.append([(int(first, 16), int(last, 16)) for first, last in ends])
    assert tables[0] == tables[1]
    later = {c for first, last in tables[0] for c in range(first, last + 1)}
    kinds, forms = host_kinds(), normal_forms(Casing())
    assert {c for c in later if kinds[c] != LETTER or forms.get(c) == ""} <= {0x111C9}
    assert kinds[0x166D] == kinds[0x111C9] == SINGLE
    changed = {"Mn", "Cf", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"}
    for c in CODE_POINTS:
        if unicodedata.category(chr(c)) in changed and kinds[c] == LETTER and c not in forms:
            assert c in later, hex(c)
