"""Text, vocabulary, corpus and models that the golden values are made from."""

from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

import bert_keras

_WHO = (
    "the old miller", "a young doctor", "our neighbour", "the captain", "my aunt", "the teacher",
    "a stranger from the coast", "the gardener", "the baker", "her brother",
)  # fmt: skip
_DID = (
    "carried", "painted", "sold", "repaired", "found", "described", "borrowed", "washed", "hid",
    "remembered", "counted", "moved", "forgot",
)  # fmt: skip
_WHAT = (
    "a heavy basket", "the wooden bridge", "seven green apples", "the letter", "an open boat",
    "two broken chairs", "the map of the island",
)  # fmt: skip
_WHERE = (
    "", "near the river", "behind the school", "in the cold kitchen", "on the way to the market",
    "beside the railway station where nobody waited",
)  # fmt: skip
_WHEN = ("", "before noon", "in the evening", "after a long and quiet winter")

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_MORE = (
    *("##s", "##ed", "##ing", "##er", "##able", "un", "re", "[unused0]", "The", "Köln", "É", "e"),
    *(".", ",", "?", "!", "'", '"', "-", "(", ")", ":", "；", "。", "，", "é", "ß", "ﬁ", "σ", "ς"),
    *("中", "国", "人", "火", "车", "ж", "д", "##ж", "世", "界", "가", "##각", "😀", "½", "ⅷ"),
)


def sentence(number: int) -> str:
    """One of many plain sentences, of 5 to 20 words."""
    # Steps without a common divisor, so that the parts do not repeat together.
    parts = (
        _WHO[number * 7 % 10],
        _DID[number * 5 % 13],
        _WHAT[number * 3 % 7],
        _WHERE[number * 11 % 6 if number % 2 else 0],
        _WHEN[number // 3 % 4],
    )
    text = " ".join(part for part in parts if part)
    return f"{text[0].upper()}{text[1:]}."


def documents() -> list[list[str]]:
    """40 documents of 1 to 12 sentences."""
    lengths = [1 + number * 7 % 12 for number in range(40)]
    starts = np.cumsum([0, *lengths]).tolist()
    return [
        [sentence(n) for n in range(start, start + length)]
        for start, length in zip(starts, lengths, strict=False)
    ]


@cache
def vocabulary() -> tuple[str, ...]:
    """The words of the sentences but for every third, letters and pieces to make up the rest."""
    texts = chain(_WHO, _DID, _WHAT, _WHERE, _WHEN)
    words = sorted({word for text in texts for word in text.split()})
    kept = [word for number, word in enumerate(words) if number % 3]
    pieces = [*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), *_MORE, *kept]
    return tuple(dict.fromkeys(pieces))


@cache
def tokenizer(cased: bool = False) -> bert_keras.BertTokenizer:
    """The tokenizer of all models here."""
    from bert_keras.tokenization import Casing

    return bert_keras.BertTokenizer(vocabulary(), Casing(do_lower_case=not cased))


def write_texts(folder: Path) -> Path:
    """The documents as text files, a sentence a line."""
    folder.mkdir()
    for number, lines in enumerate(documents()):
        (folder / f"{number:02d}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_corpus(folder: Path) -> Path:
    """The documents as a corpus directory."""
    texts = write_texts(folder / "texts")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    bert_keras.prepare_corpus([str(texts)], folder / "vocab.txt", folder / "corpus")
    return folder / "corpus"


def config(**changes: float) -> bert_keras.BertConfig:
    """The preset tiny, two layers; weights so large that different texts have different answers."""
    settings = {
        "vocab_size": len(vocabulary()),
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
    }
    return bert_keras.BertConfig.from_preset("tiny", **(settings | changes))


def model(model_class: type, layers: int = 2, **arguments: object) -> bert_keras.BertEncoder:
    """A model of random weights, with the tokenizer."""
    made = model_class(config(num_hidden_layers=layers), seed=3, **arguments)
    made.tokenizer = tokenizer()
    return made


def set_exact_weights(made: bert_keras.BertEncoder) -> None:
    """Gives every weight a value that is the same to the last bit on every machine.

    From whole numbers, as functions such as the logarithm may differ by the last bit.
    """
    for number, variable in enumerate(made.trainable_weights):
        count = int(np.prod(variable.shape))
        draws = (np.arange(count, dtype=np.uint64) + 977 * number + 1) * 2_654_435_761 % (1 << 32)
        values = (draws.astype(np.float64) / (1 << 32) - 0.5) / 4
        variable.assign(values.astype(np.float32).reshape(variable.shape))
