"""Long texts cost bounded time: what lies far behind the last token that is kept is not read."""

import tensorflow as tf

from bert_keras.tokenization.graph.pieces import PieceGraph
from bert_keras.tokenization.vocabulary import MAX_CHARACTERS_PER_WORD

# Where a text is cut, its last word is another: a piece for each of its characters at most. A
# special token cut in two adds a bracket and five letters.
_UNSURE_PIECES = MAX_CHARACTERS_PER_WORD + 6
_BYTES_PER_PIECE = 16  # most text has fewer


def beginnings(graph: PieceGraph, columns: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    """As much of texts or pairs as decides which of their tokens are kept.

    A text is cut only where its beginning is seen to have enough pieces: a megabyte of spaces, or
    one endless word, is read to its end.

    Args:
        graph: Texts to pieces.
        columns: The texts or, as two columns, the pairs, each string [B].
        room: How many pieces are kept of both together at most.

    Returns:
        The texts, string [B] each, some of them cut.
    """
    # One more than the room, so that a pair that does not fit is still seen not to.
    needed = room + 1 + _UNSURE_PIECES
    longest = _BYTES_PER_PIECE * needed

    sizes = [tf.strings.length(column) for column in columns]

    def cut() -> list[tf.Tensor]:
        short = [tf.strings.substr(column, 0, longest) for column in columns]
        splits = graph.pieces(tf.concat(short, axis=0)).splits
        enough = tf.split(splits[1:] - splits[:-1] >= needed, len(columns))
        if len(columns) == 2 and room % 2:
            # The longer of two texts has the odd piece: the other one must be seen to be shorter.
            shorter = [~many & (size <= longest) for many, size in zip(enough, sizes, strict=True)]
            enough = [enough[0] & shorter[1], enough[1] & shorter[0]]
        return [tf.where(*each) for each in zip(enough, short, columns, strict=True)]

    return tf.cond(tf.reduce_any(tf.concat(sizes, axis=0) > longest), cut, lambda: columns)
