"""A SentencePiece model as tensorflow-text's operations read it, of pieces and their scores.

The fields are those of sentencepiece_model.proto; the few that are needed are written here, so that
no other package is.
"""

import struct
from collections.abc import Iterable, Sequence

# ModelProto, SentencePiece, TrainerSpec and NormalizerSpec: the numbers of their fields.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _BOS_ID, _EOS_ID, _PAD_ID = 3, 41, 42, 43
_CHARSMAP, _ADD_PREFIX, _REMOVE_SPACES, _ESCAPE_SPACES = 2, 3, 4, 5
_UNIGRAM, _UNKNOWN = 1, 2
_VARINT, _BYTES, _FLOAT = 0, 2, 5
_NONE = (1 << 64) - 1  # -1


def unigram_model(pieces: Iterable[tuple[str, float]], unknown: str, charsmap: bytes) -> bytes:
    """The model of a Unigram whose pieces are numbered in their order; the unknown one is last.

    Args:
        pieces: The pieces with their logarithmic probabilities, kept in 32 bits.
        unknown: The text of the unknown piece, which is found in no text.
        charsmap: The precompiled character map; empty for none.
    """
    data = bytearray()
    for text, score in pieces:
        data += _message(_PIECES, [_text(_PIECE, text.encode()), _float(_SCORE, score)])
    data += _message(_PIECES, [_text(_PIECE, unknown.encode()), _number(_TYPE, _UNKNOWN)])
    absent = [_number(key, _NONE) for key in (_BOS_ID, _EOS_ID, _PAD_ID)]
    data += _message(_TRAINER, [_number(_MODEL_TYPE, _UNIGRAM), *absent])
    flags = [_number(key, 1) for key in (_ADD_PREFIX, _REMOVE_SPACES, _ESCAPE_SPACES)]
    data += _message(_NORMALIZER, [_text(_CHARSMAP, charsmap), *flags])
    return bytes(data)


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | _FLOAT) + struct.pack("<f", value)


def _text(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def _message(field: int, fields: Sequence[bytes]) -> bytes:
    return _text(field, b"".join(fields))
