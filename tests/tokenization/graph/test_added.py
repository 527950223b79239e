"""Added tokens in a graph, against the host's, which is the ``tokenizers`` library."""

import random

import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tokenization import AddedToken, BertTokenizer
from bert_keras.tokenization.graph import GraphTokenizer
from bert_keras.tokenization.graph.rules import space_characters, word_characters
from tests.tokenization.graph.pairs import CASINGS, VOCABULARY, Pair, hostile_texts

NEXT = len(VOCABULARY)


def _tokens(*tokens):
    """Added tokens by content and names of flags; those that are no pieces follow the last."""
    found, number = [], NEXT
    for content, *flags in tokens:
        is_piece = content in VOCABULARY
        given = {"normalized": False} | dict.fromkeys(flags, True)
        found.append(
            AddedToken(content, VOCABULARY.index(content) if is_piece else number, **given)
        )
        number += not is_piece
    return found


# What is looked for in the text as it is, in its normal form, and in both, with every flag.
SETS = {
    "markers": _tokens(("<e1>", "special"), ("</e1>", "special"), ("é",)),
    "words": _tokens(("Covid", "normalized"), ("世界", "normalized"), ("New York", "normalized"),
                     ("é", "normalized"), ("İs", "normalized")),
    "flags": _tokens(
        ("<e1>",), ("<e1></e1>", "single_word"), ("ab", "lstrip", "rstrip"), ("bcd", "single_word"),
        ("new york", "normalized", "rstrip", "single_word"), ("york", "normalized", "lstrip"),
        ("[MASK]", "normalized", "lstrip", "special"), ("##", "normalized"),
    ),
}  # fmt: skip
_PARTS = (
    *(" ", "  ", "\u3000", "\t", "_", "s", "1", "é", "e\u0301", "\u0301", "\u200b", "\x00", "\x1f"),
    *("\x85", "\x01", "\x02", "\ue000", "\ue005", "\ue006", "\u00a0", ".", "İ", "가", "世", "国"),
    *("\u1b44", "\u302e\U0001d165", "[MASK]", "[mask]", "[MASK", "a" * 100, "a" * 101, "b", "a"),
)


def _texts(tokens, count, seed=0):
    """Texts of tokens, of parts of them, of what is beside them, and of bytes that are none."""
    draw = random.Random(seed)
    contents = [token.content for token in tokens]
    parts = [*_PARTS, *2 * contents, *map(str.upper, contents), *map(str.lower, contents)]
    parts = [part.encode() for part in (*parts, *(content[:-1] for content in contents))]
    return [
        b"".join(draw.choice(parts) if draw.random() < 0.8 else text[: draw.randrange(9)]
                 for _ in range(draw.randrange(1, 12)))
        for text in hostile_texts(seed, count)
    ]  # fmt: skip


def _pair(name, casing="uncased", max_length=400, is_traced=False, **options):
    tokens = SETS[name] if isinstance(name, str) else name
    return Pair(CASINGS[casing], max_length, added=tokens, is_traced=is_traced, **options)


_SYSTEM = pytest.mark.system
_CASES = [
    *((name, casing) for casing in ("uncased", "cased") for name in SETS),
    ("words", "uncased with accents, Chinese whole"),
]


@_SYSTEM
@pytest.mark.parametrize(("name", "casing"), _CASES)
def test_ids_and_offsets_are_the_hosts_on_hostile_strings(name, casing):
    pair, texts = _pair(name, casing), _texts(SETS[name], 300)
    assert pair.assert_equal(texts, with_offsets=True) > 1_500
    assert pair.assert_equal(texts) > 1_500
    assert pair.assert_equal([b"a <e1", b"the film"], with_offsets=True) > 4


@_SYSTEM
@pytest.mark.parametrize("name", ["words", "flags"])
def test_graphs_of_them_give_what_their_operations_give(name):
    pair = _pair(name, is_traced=True)
    for texts in (_texts(SETS[name], 100, seed=3), [b"a film", b""], [b"a <e1>"], []):
        pair.assert_equal(texts, with_offsets=True)
        pair.assert_equal(texts)
        pair.assert_equal(texts, texts[::-1])


@pytest.mark.slow
@pytest.mark.parametrize("casing", CASINGS)
@pytest.mark.parametrize("name", SETS)
def test_ids_and_offsets_are_the_hosts_on_many_hostile_strings(name, casing):
    pair, texts = _pair(name, casing), _texts(SETS[name], 20_000, seed=1)
    for start in range(0, len(texts), 512):
        pair.assert_equal(texts[start : start + 512], with_offsets=True)
        pair.assert_equal(texts[start : start + 512])


@_SYSTEM
def test_pairs_and_kept_parts_of_long_texts_are_the_hosts():
    texts = _texts(SETS["flags"], 400, seed=2)
    for truncation in ("head", "tail", "head_tail"):
        pair = _pair("flags", max_length=12, truncation=truncation)
        pair.assert_equal(texts[:200], texts[200:], with_offsets=True)
        pair.assert_equal([b"ab bcd" * 5_000 + texts[0], b"a"])


@_SYSTEM
@pytest.mark.parametrize("name", ["words", "flags"])
def test_long_texts_are_cut_only_where_it_changes_nothing(name):
    pair = _pair(name, max_length=8)
    edge = 16 * (8 - 2 + 1 + pair.graph._pieces.unsure_pieces)
    tokens = [token.content.encode() for token in SETS[name]]
    texts = [
        (head * edge)[: edge - before] + token + tail
        for head in (b"a", b" ", b"b ", b"ab", *tokens)
        for token in tokens
        for before in (0, 1, 2, len(token))
        for tail in (b"", b"s", b" york", b"a" * 120)
    ]
    for start in range(0, len(texts), 128):
        pair.assert_equal(texts[start : start + 128], with_offsets=True)


@_SYSTEM
def test_letters_and_spaces_beside_a_token_are_the_hosts_for_every_block():
    tokens = _tokens(("<e1>", "single_word"), ("ab", "lstrip"), ("b", "rstrip", "normalized"))
    pair = _pair(tokens, max_length=60)
    points = [c for c in range(0, 0x110000, 61) if not 0xD800 <= c < 0xE000]
    points += [*space_characters(), *range(0x250)]
    texts = [f"{chr(c)}<e1> <e1>{chr(c)} {chr(c)}ab b{chr(c)}a".encode() for c in points]
    pair.assert_equal(texts, with_offsets=True)


def test_spaces_of_the_library_are_among_those_that_are_asked():
    spaces = set(map(chr, space_characters()))
    assert len(spaces) == 25  # White_Space of Unicode
    assert spaces.isdisjoint(map(chr, word_characters()))


def test_a_token_is_one_word():
    pair = _pair("flags")
    text = "a new york unaffable##ing <e1>ables"
    found = pair.single_offsets(tf.constant([text]))
    expected = pair.host._pipeline.encode(text, add_special_tokens=False)
    assert "new york " in expected.tokens
    numbers = found["word_ids"][0].numpy().tolist()[1:-1]
    begins = [not token.startswith("##") or token in ("##",) for token in expected.tokens]
    assert numbers == [sum(begins[: n + 1]) - 1 for n in range(len(begins))]


@pytest.mark.system
@pytest.mark.parametrize("text", [b"<e1>" * 20_000, b"ab " * 3_000], ids=["one", "spaces"])
def test_a_long_text_of_tokens_has_an_answer(text):
    pair = _pair("flags", max_length=8, truncation="tail")
    pair.assert_equal([b"a", text, b"the"])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (_tokens(("x" * 257,)), "at most 256 bytes. Received: 'xxx"),
        (
            _tokens((" a",), ("<e1>", "rstrip")),
            r"between '<e1>' \(rstrip\) and ' a' .*: unset rstrip",
        ),
    ],
    ids=["too long", "spaces of two"],
)
def test_tokens_that_cannot_be_found_exactly_are_refused_by_name(tokens, message):
    host = BertTokenizer(VOCABULARY, added=tokens)
    with pytest.raises(InputError, match=message):
        GraphTokenizer(host, 16)
    GraphTokenizer(BertTokenizer(VOCABULARY, added=tokens[:-1]), 16)


@_SYSTEM
def test_thousands_of_tokens_are_found():
    tokens = _tokens(*((f"<entity-{n}>",) for n in range(8_000)))
    pair = _pair(tokens, max_length=48)
    texts = [f"a <entity-{n}>b<entity-{n}0> <entity->".encode() for n in range(0, 8_000, 97)]
    assert pair.assert_equal([*texts, b"the film"], with_offsets=True) > 800
