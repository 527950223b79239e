"""Word-piece vocabularies learned from text."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from bert_keras.errors import InputError
from bert_keras.signals import give_way
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.chunks import IDEOGRAPHS
from bert_keras.tokenization.losses import TOO_LONG_WAY, Losses
from bert_keras.tokenization.vocabulary import (
    CONTINUATION,
    MAX_CHARACTERS_PER_WORD,
    SPECIAL_TOKENS,
    UNK,
)

# What lies between spaces and Chinese characters, and these, which are words of their own.
_CHUNK = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")
_MIN_PAIR_COUNT = 2
_MAX_CHUNKS_IN_MEMORY = 500_000
_MAX_REPEATS_PER_LINE = 4_096


def learn_vocabulary(
    texts: Iterable[str],
    size: int,
    casing: Casing = Casing(),
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Word pieces learned from text: characters, then merges of the most frequent neighbors.

    The same text gives the same vocabulary on every machine, with any number of threads and in any
    order of the texts. It is shorter than ``size`` when no more pairs occur twice. A warning tells
    of words of more than 100 characters, which are left out, and of dropped marks.

    Args:
        texts: The text, in pieces that begin and end at white space (lines, say).
        size: How many pieces to learn, the five special tokens among them.
        casing: How the text is normalized before.
        progress: Called after each text with the number of characters read so far.

    Returns:
        The special tokens, the characters, the characters as continuations ("##a"), the merges.

    Raises:
        InputError: When ``size`` leaves no room for words or the texts hold none.

    Example:
        >>> pieces = learn_vocabulary(["low lower lowest"] * 3, size=100)
        >>> pieces[:5]
        ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
        >>> WordPieceTokenizer(pieces).tokenize("Lowest")
        ['lowest']
    """
    if size <= 2 * len(SPECIAL_TOKENS):
        raise InputError(f"a vocabulary needs more than 10 word pieces. Received: size={size}")
    losses = Losses()
    counts = count_words(texts, casing, losses, progress)
    if not counts:
        if losses.too_long:
            raise InputError(
                f"there are no words to learn a vocabulary from: all have more than "
                f"{MAX_CHARACTERS_PER_WORD} characters; {TOO_LONG_WAY}"
            )
        raise InputError("there are no words to learn a vocabulary from: the text is empty")
    losses.warn_of_unknown("they are left out")
    losses.warn_of_marks(casing)
    return _learn(counts, _alphabet(counts, room=size - len(SPECIAL_TOKENS)), size)


def _learn(counts: Counter[str], alphabet: list[str], size: int) -> list[str]:
    """The vocabulary of the words of an alphabet, by the trainer of the ``tokenizers`` library."""
    kept = set(alphabet)
    # Sorted, since the trainer's ids follow the order in which it first meets things.
    words = sorted(word for word in counts if kept.issuperset(word))
    continuations = sorted({CONTINUATION + character for word in words for character in word[1:]})
    first = [*SPECIAL_TOKENS, *alphabet, *continuations]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=_MIN_PAIR_COUNT,
        show_progress=False,
        # The trainer walks through its words in the order of a randomly seeded hash map, gives the
        # continuations their ids on the way and breaks ties between pairs by id. Naming them
        # beforehand fixes the ids; the tests learn twice under other seeds and threads.
        special_tokens=[*SPECIAL_TOKENS, *continuations],
        initial_alphabet=alphabet,
        continuing_subword_prefix=CONTINUATION,
    )
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    give_way(tokenizer.train_from_iterator, repeated(words, counts), trainer)
    learned = tokenizer.get_vocab()
    return first + sorted(learned.keys() - set(first), key=learned.__getitem__)


def count_words(
    texts: Iterable[str],
    casing: Casing,
    losses: Losses,
    progress: Callable[[int], None] | None = None,
) -> Counter[str]:
    """The count of each normalized word; words over 100 characters are left out.

    Args:
        texts: The texts.
        casing: How they are normalized.
        losses: Gets the words that are left out, and the marks.
        progress: As in ``learn_vocabulary``.
    """
    normalize, pre_tokenize = casing.normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()

    def fold(chunks: Counter[str]) -> None:
        # The words of a chunk between spaces do not depend on its neighbors, so each distinct one
        # is normalized once.
        for chunk, count in chunks.items():
            losses.characters += len(chunk) * count
            if casing.drops_marks and not chunk.isascii():
                losses.add_marks(chunk, count)
            for word, _ in pre_tokenize.pre_tokenize_str(normalize.normalize_str(chunk)):
                if len(word) <= MAX_CHARACTERS_PER_WORD:
                    words[word] += count
                else:
                    losses.add_unknown(word, count)
        chunks.clear()

    chunks: Counter[str] = Counter()
    characters = 0
    for text in texts:
        chinese = casing.tokenize_chinese_chars and not text.isascii()
        chunks.update(_CHUNK.findall(text) if chinese else text.split())
        characters += len(text)
        if len(chunks) > _MAX_CHUNKS_IN_MEMORY:
            fold(chunks)
        if progress is not None:
            progress(characters)
    fold(chunks)
    return words


def _alphabet(counts: Counter[str], room: int) -> list[str]:
    """The most frequent characters, sorted by code point.

    They get a quarter of the room: most come a second time as continuations, and merges need the
    rest. But characters that only ever stand alone, as Chinese ones do, are whole words: those
    that occur twice may take up to three quarters.
    """
    characters: Counter[str] = Counter()
    inside: set[str] = set()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
        if len(word) > 1:
            inside.update(word)
    by_frequency = sorted(characters, key=lambda character: (-characters[character], character))
    first, others = by_frequency[: room // 4], by_frequency[room // 4 :]
    alone = [c for c in others if c not in inside and characters[c] >= _MIN_PAIR_COUNT]
    return sorted(first + alone[: 3 * room // 4 - len(first)])


def repeated(words: list[str], counts: Counter[str]) -> Iterator[str]:
    """Text that holds each word as often as it was counted: the trainer reads only text."""
    for word in words:
        whole, rest = divmod(counts[word], _MAX_REPEATS_PER_LINE)
        for _ in range(whole):
            yield " ".join([word] * _MAX_REPEATS_PER_LINE)
        yield " ".join([word] * rest)
