"""Tokenizers of byte-level BPE and Unigram, learned from text."""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from bert_keras.errors import InputError
from bert_keras.signals import give_way
from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.directory import TokenizerFiles
from bert_keras.tokenization.learning import repeated
from bert_keras.tokenization.subword import SubwordTokenizer
from bert_keras.tokenization.subword_classes import CLASSES
from bert_keras.tokenization.subword_parts import BPE, BYTES, UNIGRAM

_logger = logging.getLogger("bert_keras")

LEARNED = {"bpe": BPE, "unigram": UNIGRAM}
_ROLES = CLASSES["RobertaTokenizer"].tokens
# In RoBERTa's order, which is XLM-R's; <mask> is the last token.
_FIRST = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_COVERAGE = 0.9995  # of the characters; SentencePiece's own default, character_coverage
_MIN_PAIR_COUNT = 2
_SCORE_DIGITS = 6
_FORCED_STEP = 1e-4  # of the trainer's scores for characters that must stay
_MAX_CHUNKS_IN_MEMORY = 500_000


def learn_subwords(
    texts: Iterable[str],
    size: int,
    kind: str = "bpe",
    progress: Callable[[int], None] | None = None,
) -> SubwordTokenizer:
    """A tokenizer learned from text: byte-level BPE as RoBERTa's, or Unigram as XLM-R's.

    Capitals and accents stay. BPE begins with the 256 bytes and merges the most frequent neighbors
    (Sennrich et al. 2016; Radford et al. 2019, section 2.2), so that no text is unknown. Unigram
    reads text in the form NFKC, begins with all frequent substrings and drops those that explain
    the text least (Kudo 2018, section 3.2); of the characters the most frequent 99.95 % stay, in
    at most half of the vocabulary. The same text gives the same tokenizer.

    Args:
        texts: The text, in pieces that begin and end at white space (lines, say).
        size: How many tokens to learn, the five special tokens among them.
        kind: ``"bpe"`` or ``"unigram"``.
        progress: Called after each text with the number of characters read so far.

    Returns:
        The tokenizer. <s>, <pad>, </s> and <unk> are its first tokens and <mask>, which takes the
        space before it, is its last, in RoBERTa's order and in XLM-R's.

    Raises:
        InputError: When ``size`` leaves no room for words or for all characters, the texts hold
            none, or there is no such kind.

    Example:
        >>> tokenizer = learn_subwords(["low lower lowest"] * 3, size=270)
        >>> tokenizer.tokenize("low lowest")
        ['low', 'Ġlowest']
    """
    if kind not in LEARNED:
        raise InputError(f"kind must be bpe or unigram. Received: {kind!r}")
    least = len(_FIRST) + 1 + (BYTES if kind == "bpe" else len(_FIRST))
    if size <= least:
        raise InputError(f"{kind} needs more than {least} tokens. Received: size={size}")
    learn = _learn_bpe if kind == "bpe" else _learn_unigram
    learned = learn(texts, size - 1, progress)
    rules = json.loads(learned.to_str()) | {"added_tokens": []}
    if kind == "bpe":  # as RobertaTokenizer has them, so that it is the same when opened again
        rules["model"] |= {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
    count = len(rules["model"]["vocab"])
    if count >= size:
        raise InputError(
            f"the characters of the texts take {count + 1} tokens, each of which must be there: "
            f"give a larger size. Received: size={size}"
        )
    added = [
        AddedToken(token, number, special=True, normalized=False)
        for number, token in enumerate(_FIRST)
    ]
    added.append(AddedToken(_MASK, count, special=True, normalized=False, lstrip=True))
    name = "RobertaTokenizer" if kind == "bpe" else "PreTrainedTokenizerFast"
    files = TokenizerFiles({"tokenizer_class": name})
    return SubwordTokenizer(json.dumps(rules), tuple(added), dict(_ROLES), files)


def _learn_bpe(
    texts: Iterable[str], size: int, progress: Callable[[int], None] | None
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    sep, cls = ((token, _FIRST.index(token)) for token in ("</s>", "<s>"))
    tokenizer.post_processor = processors.RobertaProcessing(
        sep, cls, trim_offsets=True, add_prefix_space=False
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=_MIN_PAIR_COUNT,
        show_progress=False,
        special_tokens=[*_FIRST],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    give_way(tokenizer.train_from_iterator, _counted(texts, progress), trainer)
    if tokenizer.get_vocab_size() == len(_FIRST) + BYTES:
        raise InputError("there are no words to learn tokens from: no two bytes come twice")
    return tokenizer


def _learn_unigram(
    texts: Iterable[str], size: int, progress: Callable[[int], None] | None
) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, _FIRST.index(token)) for token in ("<s>", "</s>")],
    )
    counts = _known_words(_count(_counted(texts, progress), tokenizer.normalizer), size // 2)
    if not counts:
        raise InputError("there are no words to learn tokens from: the text is empty")
    trainer = trainers.UnigramTrainer(
        vocab_size=size, show_progress=False, special_tokens=[*_FIRST], unk_token=_FIRST[3]
    )
    give_way(tokenizer.train_from_iterator, repeated(sorted(counts), counts), trainer)
    return _settled(tokenizer)


def _counted(texts: Iterable[str], progress: Callable[[int], None] | None) -> Iterator[str]:
    characters = 0
    for text in texts:
        yield text
        characters += len(text)
        if progress is not None:
            progress(characters)


def _count(texts: Iterable[str], normalizer: normalizers.Normalizer) -> Counter[str]:
    """The count of each word between spaces, normalized."""
    chunks: Counter[str] = Counter()
    words: Counter[str] = Counter()

    def fold() -> None:
        for chunk, count in chunks.items():
            for word in normalizer.normalize_str(chunk).split():
                words[word] += count
        chunks.clear()

    for text in texts:
        chunks.update(text.split())
        if len(chunks) > _MAX_CHUNKS_IN_MEMORY:
            fold()
    fold()
    return words


def _known_words(words: Counter[str], room: int) -> Counter[str]:
    """Words of the most frequent characters; they are cut where there is another."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    total, covered = sum(characters.values()), 0
    known: set[str] = set()
    for character in sorted(characters, key=lambda each: (-characters[each], each)):
        if covered >= _COVERAGE * total or len(known) >= room:
            break
        known.add(character)
        covered += characters[character]
    if len(known) == len(characters):
        return words
    _logger.info(
        "%d rare characters, %.2f %% of the text, become <unk>: the vocabulary leaves them out",
        len(characters) - len(known),
        100 * (total - covered) / total,
    )
    unknown = re.compile(f"[{re.escape(''.join(sorted(characters.keys() - known)))}]+")
    kept: Counter[str] = Counter()
    for word, count in words.items():
        for part in unknown.split(word):
            if part:
                kept[part] += count
    return kept


def _settled(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer without what chance decided; tokens are sorted by score, special ones first.

    The trainer adds up logarithms in the order of its threads, which moves their last bits. Single
    characters that it would have dropped stay, for each must be there; it gives them scores from
    the lowest on, a step apart, in the order of a randomly seeded hash map. All get the lowest.
    """
    values: dict[str, Any] = json.loads(tokenizer.to_str())
    vocab = values["model"]["vocab"]
    special, learned = vocab[: len(_FIRST)], vocab[len(_FIRST) :]
    lowest = min(score for _, score in learned)
    settled = [
        [token, round(lowest if _was_forced(token, score - lowest) else score, _SCORE_DIGITS)]
        for token, score in learned
    ]
    values["model"]["vocab"] = special + sorted(settled, key=lambda each: (-each[1], each[0]))
    return Tokenizer.from_str(json.dumps(values))


def _was_forced(token: str, above: float) -> bool:
    """Tell whether a score, so far above the lowest, is that of a character that must stay."""
    steps = above / _FORCED_STEP
    return len(token) == 1 and abs(steps - round(steps)) < 1e-5
