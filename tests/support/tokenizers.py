"""A tokenizer of another kind than word pieces."""

import numpy as np

from bert_keras.tokenization import SequenceTemplate, laid_out

BOS, PAD, EOS, MASK, FIRST = range(5)
SPACE = FIRST + ord(" ")


class ByteTokenizer:
    """The bytes of UTF-8 behind four special tokens, laid out as RoBERTa's.

    A word begins with its space.
    """

    template = SequenceTemplate.roberta(BOS, EOS)
    pad_id, mask_id, unk_id = PAD, MASK, None
    vocab_size = FIRST + 256
    starts_word = np.arange(vocab_size) == SPACE
    drops_marks = False
    model_max_length = None

    def __init__(self, version=1):
        self.vocab = ["<s>", "<pad>", "</s>", "<mask>", *(f"<{byte:02x}>" for byte in range(256))]
        self.identity = {"kind": "bytes", "version": version}

    def encode(self, text, text_pair=None, max_length=None, truncation="head"):
        pairs = None if text_pair is None else [text_pair]
        return self.encode_batch([text], pairs, max_length, truncation)[0]

    def encode_batch(self, texts, text_pairs=None, max_length=None, truncation="head"):
        pairs = text_pairs or [None] * len(texts)
        return [
            laid_out(self, [self._read(t) for t in row if t is not None], max_length, truncation)
            for row in zip(texts, pairs, strict=True)
        ]

    def encode_sentences(self, texts):
        return [self._read(text)[0] for text in texts]

    def decode(self, ids):
        return bytes(number - FIRST for number in ids if number >= FIRST).decode()

    def lowercased(self):
        return self

    def save(self, directory, positions=None, *, replace=False):
        raise AssertionError("nothing is saved here")

    def _read(self, text):
        pieces = [(FIRST + byte, (n, n + 1)) for n, c in enumerate(text) for byte in c.encode()]
        return [number for number, _ in pieces], [offsets for _, offsets in pieces]


def ids_of(text):
    """The ids of the bytes of a text."""
    return [FIRST + byte for byte in text.encode()]
