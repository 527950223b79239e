"""Word-piece vocabularies: reading, checking, writing and learning them."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic
from bert_keras.tokenization.casing import Casing
from bert_keras.tokenization.chunks import IDEOGRAPHS

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION = "##"
MAX_CHARACTERS_PER_WORD = 100  # a longer word is [UNK]

# What lies between spaces and Chinese characters, and these, which are words of their own.
_CHUNK = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")
_MIN_PAIR_COUNT = 2
_MAX_CHUNKS_IN_MEMORY = 500_000
_MAX_REPEATS_PER_LINE = 4_096


def read_vocabulary(path: str | Path) -> list[str]:
    """Reads a ``vocab.txt``: one piece a line, its id the line's number from 0.

    Raises:
        InputError: When it is not UTF-8, has an empty or repeated line or lacks one of [PAD],
            [UNK], [CLS], [SEP], [MASK].
        FileNotFoundError: When there is no such file.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a vocabulary: it must be UTF-8 text with one word piece a line. "
            f"Received: byte 0x{error.object[error.start]:02x} at position {error.start}"
        ) from None
    # Not splitlines(): published vocabularies hold pieces such as U+2028.
    vocabulary = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    check_vocabulary(vocabulary, str(path))
    return vocabulary


def check_vocabulary(vocabulary: list[str], name: str = "the vocabulary") -> None:
    """Raises ``InputError`` unless every piece is there once and the special tokens are too."""
    first_line: dict[str, int] = {}
    for number, piece in enumerate(vocabulary, start=1):
        if not piece and len(vocabulary) > 1:
            raise InputError(f"{name}: line {number} is empty; every line must hold a word piece")
        if piece in first_line:
            raise InputError(
                f"{name}: {piece!r} is on line {first_line[piece]} and again on line {number}; "
                "every word piece must be there once"
            )
        first_line[piece] = number
    missing = [token for token in SPECIAL_TOKENS if token not in first_line]
    if missing:
        raise InputError(
            f"{name} lacks {', '.join(missing)}; a BERT vocabulary needs "
            f"{', '.join(SPECIAL_TOKENS)}, each on a line of its own"
        )


def write_vocabulary(path: str | Path, vocabulary: list[str]) -> None:
    """Writes a ``vocab.txt``, atomically."""
    check_vocabulary(vocabulary)
    write_text_atomic(path, "".join(f"{piece}\n" for piece in vocabulary))


def hash_vocabulary(vocabulary: list[str]) -> str:
    """The SHA-256 of the file that ``write_vocabulary`` writes, in hexadecimal."""
    return hashlib.sha256("".join(f"{piece}\n" for piece in vocabulary).encode()).hexdigest()


def learn_vocabulary(
    texts: Iterable[str],
    size: int,
    casing: Casing = Casing(),
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Learns word pieces: characters first, then merges of the most frequent neighbours.

    The same text gives the same vocabulary, whatever the machine, its threads and the order of
    the texts. It is shorter than ``size`` when the text has no more pairs that occur twice.

    Args:
        texts: The text, in pieces that begin and end at white space (lines, say).
        size: How many pieces to learn, the five special tokens among them.
        casing: How the text is normalised before.
        progress: Called now and then with the number of characters read so far.

    Returns:
        The special tokens, the characters, the characters as continuations ("##a"), the merges.

    Raises:
        InputError: When ``size`` leaves no room for words or the texts hold none.
    """
    if size <= 2 * len(SPECIAL_TOKENS):
        raise InputError(f"a vocabulary needs more than 10 word pieces. Received: size={size}")
    counts = count_words(texts, casing, progress)
    if not counts:
        raise InputError("there are no words to learn a vocabulary from: the text is empty")
    alphabet = _alphabet(counts, room=size - len(SPECIAL_TOKENS))
    kept = set(alphabet)
    # Sorted, since the trainer's ids follow the order in which it first meets things.
    words = sorted(word for word in counts if kept.issuperset(word))
    continuations = sorted({CONTINUATION + character for word in words for character in word[1:]})
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
    tokenizer.train_from_iterator(_repeated(words, counts), trainer)
    learned = tokenizer.get_vocab()
    first = [*SPECIAL_TOKENS, *alphabet, *continuations]
    merges = sorted(learned.keys() - set(first), key=learned.__getitem__)
    return first + merges


def count_words(
    texts: Iterable[str], casing: Casing, progress: Callable[[int], None] | None = None
) -> Counter[str]:
    """How often each normalised word occurs, words over 100 characters left out."""
    normalize, pre_tokenize = casing.normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()

    def fold(chunks: Counter[str]) -> None:
        # What happens to a chunk between spaces does not depend on its neighbours, so each
        # distinct one is normalised once.
        for chunk, count in chunks.items():
            for word, _ in pre_tokenize.pre_tokenize_str(normalize.normalize_str(chunk)):
                if len(word) <= MAX_CHARACTERS_PER_WORD:
                    words[word] += count
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


def _repeated(words: list[str], counts: Counter[str]) -> Iterator[str]:
    """Lines that hold each word as often as it was counted: the trainer takes only text."""
    for word in words:
        whole, rest = divmod(counts[word], _MAX_REPEATS_PER_LINE)
        for _ in range(whole):
            yield " ".join([word] * _MAX_REPEATS_PER_LINE)
        yield " ".join([word] * rest)
