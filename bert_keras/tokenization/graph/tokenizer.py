"""A tokenizer in the graph: the host's ids, from string to padded batch."""

import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tokenization.graph.added import AddedPieceGraph
from bert_keras.tokenization.graph.cutting import Pieces
from bert_keras.tokenization.graph.pieces import PieceGraph
from bert_keras.tokenization.graph.template import place_texts
from bert_keras.tokenization.graph.unigram import UnigramGraph
from bert_keras.tokenization.reading import require_wordpiece
from bert_keras.tokenization.subword import SubwordTokenizer
from bert_keras.tokenization.subword_parts import UNIGRAM
from bert_keras.tokenization.template import tokens_from_head, truncated_lengths
from bert_keras.tokenization.tokenizer import Tokenizer

_Graph = PieceGraph | AddedPieceGraph | UnigramGraph
_BYTES_PER_PIECE = 16  # most text has fewer


class GraphTokenizer(tf.Module):
    """The rules of a ``WordPieceTokenizer`` or of a Unigram as TensorFlow operations.

    The ids of word pieces are the host's on every input; ``unigram.py`` says where those of a
    Unigram may differ, and an export compares them. Bytes that are not UTF-8 count as Python's
    ``decode("utf-8", errors="replace")`` takes them: deleted, as U+FFFD is, one character for each
    ill-formed run.

    Args:
        tokenizer: The host's tokenizer, of word pieces or, without offsets, a Unigram.
        max_length: The largest number of tokens, special ones included.
        truncation: Which part of a longer text stays; see ``Tokenizer.encode``. But for
            ``"head"``, a text is read to its end, however long it is.

    Raises:
        InputError: When the tokenizer is of another kind or has an added token that cannot be found
            exactly in a graph, or ``max_length`` has no room for the special tokens.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, truncation: str = "head") -> None:
        super().__init__()
        self.max_length = max_length
        self.truncation = truncation
        self._pieces = _graph_of(tokenizer)
        self.template = tokenizer.template
        self.template.room(max_length, 1)
        self._pad_id = tokenizer.pad_id

    def encode(self, text: tf.Tensor, text_pair: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Texts or pairs as ``Tokenizer.encode`` gives them, padded to the longest.

        Args:
            text: The first texts, string [B].
            text_pair: The second ones, string [B], or None.

        Returns:
            ``input_ids``, ``attention_mask`` and ``token_type_ids``, each int32 [B, L].

        Raises:
            InputError: When ``max_length`` has no room for the special tokens of a pair.
        """
        texts = self._texts(text, text_pair)
        pieces = self._pieces.pieces(texts)
        return self._assembled(pieces, 1 if text_pair is None else 2)[0]

    def encode_with_offsets(
        self, text: tf.Tensor, text_pair: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The tensors of ``encode``, and where the tokens stand in the texts as sent.

        Args:
            text: The first texts, string [B].
            text_pair: The second ones, string [B], or None.

        Returns:
            The entries of ``encode`` and, int32 [B, L] too, ``byte_starts``, ``byte_ends``,
            ``character_starts`` and ``character_ends``, half-open ranges of the token's own text,
            0 for added tokens and padding; ``word_ids``, the number of the token's word in its
            text, -1 for added tokens and padding. Words lie between spaces and punctuation.

        Raises:
            InputError: When the tokenizer is a Unigram.
        """
        if isinstance(self._pieces, UnigramGraph):
            raise InputError(
                "SentencePiece's operation does not tell where a Unigram's tokens stand in a text "
                "as the host does"
            )
        texts = self._texts(text, text_pair)
        pieces, spans, words = self._pieces.pieces_with_spans(texts)
        outputs, index = self._assembled(pieces, 1 if text_pair is None else 2)
        for name, values in zip(spans._fields, spans, strict=True):
            outputs[name] = tf.gather(tf.concat([values, [0]], axis=0), index)
        outputs["word_ids"] = tf.gather(tf.concat([words, [-1]], axis=0), index)
        return outputs

    def beginning(self, text: tf.Tensor) -> tf.Tensor:
        """Texts, string [B], cut far behind the last token that ``encode`` keeps of each.

        So what else is made of a long text costs no more than its tokens do. They and their offsets
        are the same. A text of fewer tokens is left whole, however long it is.
        """
        (short,) = _beginnings(self._pieces, [text], self.template.room(self.max_length, 1))
        return short

    def _texts(self, text: tf.Tensor, text_pair: tf.Tensor | None) -> tf.Tensor:
        """The texts and, behind them, the second ones, string [B] or [2 B]."""
        columns = [text] if text_pair is None else [text, text_pair]
        room = self.template.room(self.max_length, len(columns))
        if self.truncation == "head":
            columns = _beginnings(self._pieces, columns, room)
        return tf.concat(columns, axis=0)

    def _assembled(self, pieces: Pieces, texts: int) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The pieces of B or 2 B texts with the special tokens, cut and padded.

        Returns:
            The entries of ``encode``; which piece each token is, int32 [B, L], where special tokens
            and padding follow the last.
        """
        lengths = tf.split(pieces.splits[1:] - pieces.splits[:-1], texts)
        firsts = tf.split(pieces.splits[:-1], texts)
        room = self.template.room(self.max_length, texts)
        kept = truncated_lengths(lengths, room, tf)
        placed = place_texts(self.template, kept, self._pad_id)
        index = tf.fill(tf.shape(placed.special), tf.size(pieces.ids))
        for text, (first, whole, length) in enumerate(zip(firsts, lengths, kept, strict=True)):
            inside, place = placed.texts[text]
            piece = first[:, tf.newaxis] + place
            if self.truncation != "head":
                from_head = tokens_from_head(length, self.truncation)[:, tf.newaxis]
                piece += tf.where(place < from_head, 0, (whole - length)[:, tf.newaxis])
            index = tf.where(inside, piece, index)
        ids = tf.gather(tf.concat([pieces.ids, [0]], axis=0), index)
        outputs = {
            "input_ids": tf.where(placed.is_text, ids, placed.special),
            "attention_mask": placed.attention_mask,
            "token_type_ids": placed.token_type_ids,
        }
        return outputs, index


def _graph_of(tokenizer: Tokenizer) -> _Graph:
    """The texts of a tokenizer to pieces."""
    if isinstance(tokenizer, SubwordTokenizer) and tokenizer.kind == UNIGRAM:
        return UnigramGraph(tokenizer)
    instead = "take ids: --input tokens"
    wordpiece = require_wordpiece(tokenizer, "text in a graph, but for a Unigram,", instead)
    if wordpiece.added:
        return AddedPieceGraph(wordpiece.pieces, wordpiece.casing, wordpiece.added)
    return PieceGraph(wordpiece.pieces, wordpiece.casing)


def _beginnings(graph: _Graph, columns: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    """The beginnings of texts or pairs, as much as decides which of their tokens are kept.

    So a long text costs bounded time. A text is cut only where its beginning is seen to have enough
    pieces: a megabyte of spaces, or one endless word, is read to its end.

    Args:
        graph: Texts to pieces.
        columns: The texts or, as two columns, the pairs, each string [B].
        room: How many pieces are kept of both together at most.

    Returns:
        The texts, string [B] each, some of them cut.
    """
    # One more than the room, so that a pair that does not fit is still seen not to.
    needed = room + 1 + graph.unsure_pieces
    longest = _BYTES_PER_PIECE * needed

    sizes = [tf.strings.length(column) for column in columns]

    def cut() -> list[tf.Tensor]:
        short = [tf.strings.substr(column, 0, longest) for column in columns]
        if isinstance(graph, UnigramGraph):
            short = [graph.whole_words(column) for column in short]
        splits = graph.pieces(tf.concat(short, axis=0)).splits
        enough = tf.split(splits[1:] - splits[:-1] >= needed, len(columns))
        if len(columns) == 2 and room % 2:
            # The longer of two texts has the odd piece: the other one must be seen to be shorter.
            shorter = [~many & (size <= longest) for many, size in zip(enough, sizes, strict=True)]
            enough = [enough[0] & shorter[1], enough[1] & shorter[0]]
        return [tf.where(*each) for each in zip(enough, short, columns, strict=True)]

    return tf.cond(tf.reduce_any(tf.concat(sizes, axis=0) > longest), cut, lambda: columns)
