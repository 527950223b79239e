"""Checks of a tokenizer for places where other code is to read text as it does."""

from collections.abc import Sequence

import tokenizers

from bert_keras.errors import InputError
from bert_keras.tokenization.settings import PIPELINE_FILE
from bert_keras.tokenization.subword import SubwordTokenizer
from bert_keras.tokenization.tokenizer import Encoding, Tokenizer
from bert_keras.tokenization.wordpiece import WordPieceTokenizer


def require_wordpiece(tokenizer: Tokenizer, what: str, instead: str) -> WordPieceTokenizer:
    """The tokenizer, or an ``InputError`` that says what is ``instead`` if it is not WordPiece."""
    if not isinstance(tokenizer, WordPieceTokenizer):
        raise InputError(
            f"{what} is for BERT's word pieces alone: {instead}. "
            f"Received: a {type(tokenizer).__name__}"
        )
    return tokenizer


def refuse_added(tokenizer: WordPieceTokenizer, what: str, instead: str) -> None:
    """Raise an ``InputError`` that says what is ``instead`` where a tokenizer has added tokens."""
    if tokenizer.added:
        shown = ", ".join(repr(token.content) for token in tokenizer.added[:3])
        more = ", ..." if len(tokenizer.added) > 3 else ""
        raise InputError(f"{what} knows no added tokens ({shown}{more}): {instead}")


def added_texts(tokenizer: Tokenizer, most: int | None = None) -> list[str]:
    """Texts of a tokenizer's added tokens, of ``most`` of them; none where it has none."""
    added = tokenizer.added if isinstance(tokenizer, WordPieceTokenizer) else ()
    contents = [token.content for token in added][:most]
    return [between.join(contents) for between in (" ", "", "x")] if contents else []


def encode_words(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int | None = None
) -> list[Encoding]:
    """Many texts, each token with the characters of its word: without spaces at their ends."""
    if isinstance(tokenizer, SubwordTokenizer):
        return tokenizer.encode_words(texts, max_length)
    return tokenizer.encode_batch(texts, max_length=max_length)


def check_reading(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Compare with the ``tokenizers`` library, by the ``tokenizer.json`` that came with it.

    So that what an export is compared with is not our reading of the files alone. Where there is no
    such file, or the text is lower-cased before it, there is nothing to compare.

    Args:
        tokenizer: The host's.
        texts: What to read. Its added tokens are read beside.

    Raises:
        InputError: When a text has other tokens; names it.
    """
    if not isinstance(tokenizer, WordPieceTokenizer) or tokenizer.files.casing is not None:
        return
    data = tokenizer.files.companions.get(PIPELINE_FILE)
    if data is None:
        return
    library = tokenizers.Tokenizer.from_buffer(data)
    library.no_truncation()
    library.no_padding()
    texts = [*texts, "the [MASK] [mask].", *added_texts(tokenizer)]
    for text, encoding in zip(texts, tokenizer.encode_batch(texts), strict=True):
        expected = library.encode(text, add_special_tokens=False).ids
        if [*tokenizer.template.inner(encoding.input_ids)] != expected:
            raise InputError(
                f"the tokenizer's ids of {text!r:.80} differ from those that the tokenizers "
                f"library gives by its {PIPELINE_FILE}; nothing was written"
            )
