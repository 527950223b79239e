"""Strings that find what is wrong with a tokenizer, and the tokenizers to compare."""

import random
from collections.abc import Iterator, Sequence
from functools import cache

import tensorflow as tf

from bert_keras.tokenization import SPECIAL_TOKENS, AddedToken, BertTokenizer, Casing
from bert_keras.tokenization.graph import GraphTokenizer

CASINGS = {
    "uncased": Casing(),
    "cased": Casing(do_lower_case=False),
    "uncased with accents, Chinese whole": Casing(True, False, False),
    "cased without accents": Casing(False, True),
    "uncased with accents": Casing(True, False),
    "uncased, Chinese whole": Casing(True, None, False),
    "cased, Chinese whole": Casing(False, None, False),
    "cased without accents, Chinese whole": Casing(False, True, False),
}

_LETTERS = "abcdeinstéäßßıﬁσςжה世界가각ｱ𝒜"
_OTHERS = [
    *("The", "the", "##e", "un", "##aff", "##able", "É", "##É", "e\u0301", "##\u0301", "##ing"),
    # Marks that stay, and characters that newer Unicode takes for something else.
    *("\u1b44", "##\u1b44", "\U0001d165", "##\U0001d165", "\U0001d16d", "##\U0001d16d"),
    *("\u302e", "##\u302e", "##\u302f", "\U0001d158", "\u2e43", "##\u2e43", "\u2e52", "\u166d"),
    # Pieces that no text matches keep their ids.
    *("[unused1]", "##", "a.b", "##.", "\x02", "\ue000", "\ue008", "##\ue009", " ", "a\u3000b"),
]
VOCABULARY = list(
    dict.fromkeys(
        [
            *SPECIAL_TOKENS,
            *_LETTERS,
            *(f"##{letter}" for letter in _LETTERS),
            *"ABZ.,:;'\"-()[]#%$，。（…「",
            *_OTHERS,
        ]
    )
)

_CHARACTERS = (
    "aabcdeinstEZΕΣσςİıßﬁⅧéÉжה世界가각ｱ𝒜"
    ".,'#[]-，（…「 \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2028\u2029\u3000"
    "\x00\x01\x02\x11\x7f\x9f\u200b\u200d\ufeff\ufffd\xad\u180e"
    "\u0300\u0301\u0323\u0344\u0345\u0f73\u3099\u302e\u302f\u0903\u1b44\u08d4\U0001d165\U0001d16d"
    "\U0001d15f\U0001d1bd\U0001e944\U0001e94a\u2e43\u2e52\u166d\U000111c9\U00011938\U0002b820"
    "\ue000\ue001\ue004\ue005\ue008\ue009\ue010\uf8ff\U000f0000\U0010fffd\ufdd0\uffff\U0001ffff"
    "👍🏽１Ａ"
)
_CHUNKS = (
    *("[MASK]", "[PAD]", "[CLS]", "[SEP]", "[UNK]", "[mask]", "[MA", "SK]", "##", " the ", "ing"),
    *("a" * 100, "a" * 101, "é" * 100, "é" * 101, "ж" * 60, "ж" * 101, "𝒜" * 100, "𝒜" * 101),
)
_ILL_FORMED = (
    *(b"\xff", b"\x80", b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xc0\x80", b"\xe0\x80\x80"),
    *(b"\xed\xa0\x80", b"\xf8\x88\x80\x80", b"\xf4\x90\x80\x80", b"\xf3\xb0\x80", b"\xee\x80"),
)


def hostile_texts(seed: int, count: int) -> Iterator[bytes]:
    """Strings of every script, of what is between them, and of bytes that are not UTF-8."""
    draw = random.Random(seed)
    ranges = [range(0x250), range(0x250, 0xD800), range(0xE000, 0x20000), range(0xE000, 0x110000)]

    def part() -> bytes:
        kind = draw.random()
        if kind < 0.05:
            return draw.choice(_ILL_FORMED)
        if kind < 0.5:
            return draw.choice(_CHARACTERS).encode()
        if kind < 0.65:
            return draw.choice(_CHUNKS).encode()
        return chr(draw.choice(draw.choice(ranges))).encode()

    for _ in range(count):
        yield b"".join(part() for _ in range(draw.choice((0, 1, 3, 8, 20, 40))))


class Pair:
    """The host's tokenizer and the graph's, as functions that a SavedModel would hold.

    Args:
        casing: How letters are normalized.
        max_length: The largest number of tokens.
        vocab: The word pieces.
        truncation: Which part of a longer text stays.
        added: Added tokens.
        is_traced: Whether graphs are made; else the operations run one by one, without the seconds
            that it takes to make a graph.
    """

    def __init__(
        self,
        casing: Casing,
        max_length: int,
        vocab: list[str] = VOCABULARY,
        truncation: str = "head",
        added: Sequence[AddedToken] = (),
        is_traced: bool = True,
    ) -> None:
        self.host = BertTokenizer(vocab, casing, added=added)
        self.graph = GraphTokenizer(self.host, max_length, truncation)
        self.max_length, self.truncation = max_length, truncation
        if not is_traced:
            self.single = self.pair = self.graph.encode
            self.single_offsets = self.pair_offsets = self.graph.encode_with_offsets
            return
        strings = tf.TensorSpec([None], tf.string)
        self.single = tf.function(self.graph.encode, input_signature=[strings])
        self.pair = tf.function(self.graph.encode, input_signature=[strings, strings])
        self.single_offsets = tf.function(self.graph.encode_with_offsets, input_signature=[strings])
        self.pair_offsets = tf.function(
            self.graph.encode_with_offsets, input_signature=[strings, strings]
        )

    def assert_equal(self, *texts: list[bytes], with_offsets: bool = False) -> int:
        """Compares every row of a batch; returns how many tokens it had."""
        functions = (
            (self.single_offsets, self.pair_offsets) if with_offsets else (self.single, self.pair)
        )
        found = functions[len(texts) - 1](*(tf.constant(column, tf.string) for column in texts))
        found = {name: values.numpy() for name, values in found.items()}
        decoded = [[text.decode("utf-8", "replace") for text in column] for column in texts]
        encodings = self.host.encode_batch(
            *decoded, max_length=self.max_length, truncation=self.truncation
        )
        longest = max((len(encoding.input_ids) for encoding in encodings), default=0)
        for values in found.values():
            assert values.shape == (len(texts[0]), longest)
            assert values.dtype == "int32"
        for row, expected in enumerate(encodings):
            length = len(expected.input_ids)
            sent = [column[row] for column in texts]
            ids = found["input_ids"][row].tolist()
            padding = [self.host.pad_id] * (longest - length)
            assert ids == expected.input_ids + padding, sent
            types = found["token_type_ids"][row].tolist()
            assert types == expected.token_type_ids + [0] * len(padding), sent
            mask = found["attention_mask"][row].tolist()
            assert mask == [1] * length + [0] * len(padding)
            if with_offsets:
                names = ("character_starts", "character_ends")
                offsets = list(zip(*(found[name][row].tolist() for name in names), strict=True))
                assert offsets == expected.offsets + [(0, 0)] * len(padding), sent
                self._assert_same_places(found, row, [column[row] for column in decoded], sent)
        return sum(len(encoding.input_ids) for encoding in encodings)

    def _assert_same_places(self, found, row, decoded, sent):
        """Byte offsets say the same as character offsets, where no run of bad bytes is cut."""
        for n in range(found["input_ids"].shape[1]):
            segment = found["token_type_ids"][row, n]
            for end in ("starts", "ends"):
                place = found[f"byte_{end}"][row, n]
                characters = len(sent[segment][:place].decode("utf-8", "replace"))
                assert characters == found[f"character_{end}"][row, n], sent


@cache
def _pair(casing: str, max_length: int, vocab: tuple[str, ...], truncation: str) -> Pair:
    return Pair(CASINGS[casing], max_length, list(vocab), truncation)


def pair_of(
    casing: str = "uncased",
    max_length: int = 48,
    vocab: Sequence[str] = VOCABULARY,
    truncation: str = "head",
) -> Pair:
    """Tokenizers by casing, length and vocabulary, each built once."""
    return _pair(casing, max_length, tuple(vocab), truncation)
