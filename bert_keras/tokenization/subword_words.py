"""Words among the tokens of subwords: their texts, and which begin a word."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import decoders

from bert_keras.tokenization.added import AddedToken
from bert_keras.tokenization.chunks import IDEOGRAPHS
from bert_keras.tokenization.subword_parts import BPE, SPACE, WORDPIECE
from bert_keras.tokenization.vocabulary import CONTINUATION

_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
# The byte 0x80 twice, as BPE writes it: with them the first bytes of an ideograph are one.
_REST = "ĢĢ"


def texts_of(kind: str, vocab: Sequence[str], added: Iterable[AddedToken]) -> list[str]:
    """The tokens as text, by id, without the space before them.

    Bytes of BPE that are no whole character become the replacement character.
    """
    texts = [_text(kind, token).removeprefix(" ") for token in vocab]
    for token in added:
        texts[token.id] = token.content
    return texts


def starts_of(kind: str, vocab: Sequence[str], added: Iterable[AddedToken]) -> np.ndarray:
    """A mask of the tokens that begin a word, bool [V].

    They begin with a space, were added, or begin with an ideograph or, in BPE, with the first of
    its bytes: as to BERT's tokenizer a word begins at each ideograph. A word piece begins one where
    it lacks the "##".
    """
    if kind == WORDPIECE:
        starts = [not token.startswith(CONTINUATION) for token in vocab]
    else:
        rest = _REST if kind == BPE else ""
        starts = [
            token.startswith(SPACE[kind]) or bool(_IDEOGRAPH.match(_text(kind, token + rest)))
            for token in vocab
        ]
    mask = np.array(starts)
    mask[[token.id for token in added]] = True
    return mask


_BYTES = decoders.ByteLevel()


def _text(kind: str, token: str) -> str:
    """A token's text, with a space for its mark; a word piece's without its "##"."""
    if kind == WORDPIECE:
        return token.removeprefix(CONTINUATION)
    if kind == BPE:
        return str(_BYTES.decode([token]))
    return token.replace(SPACE[kind], " ", 1) if token.startswith(SPACE[kind]) else token
