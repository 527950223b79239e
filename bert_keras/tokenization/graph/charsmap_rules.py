"""SentencePiece's precompiled character maps: what they replace, and maps of rules of one's own.

A map is a double array of darts-clone (https://github.com/s-yata/darts-clone) for the UTF-8 of the
texts that are replaced, before it its size in bytes, behind it the replacements, each ended by a
zero byte (SentencePiece's normalizer.cc).
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from bert_keras.errors import InputError
from bert_keras.tokenization.graph.charsmap import double_array, trie_of

_SIZE = struct.Struct("<I")


def read_rules(data: bytes) -> dict[str, str]:
    """The texts that a precompiled character map replaces, and their replacements.

    Raises:
        InputError: When it is no such map.
    """
    try:
        (size,) = _SIZE.unpack_from(data)
        units = np.frombuffer(data, np.uint32, size // 4, _SIZE.size)
        pool = data[_SIZE.size + size :]
        return {
            key.decode("utf-8"): pool[place : pool.index(b"\0", place)].decode("utf-8")
            for key, place in _entries(units)
        }
    except (struct.error, ValueError, IndexError):
        raise InputError("its precompiled_charsmap is no character map of SentencePiece") from None


def write_rules(rules: Mapping[str, str]) -> bytes:
    """The precompiled character map of replacements; empty where there are none."""
    if not rules:
        return b""
    pool, places = bytearray(), dict[str, int]()
    for text in rules.values():
        if text not in places:
            places[text] = len(pool)
            pool += text.encode("utf-8") + b"\0"
    units = double_array(trie_of({key.encode(): places[text] for key, text in rules.items()}))
    return _SIZE.pack(units.nbytes) + units.tobytes() + bytes(pool)


def _entries(units: np.ndarray) -> Sequence[tuple[bytes, int]]:
    """The keys of a double array and their values."""
    labels = units & 0x800000FF
    offsets = (units >> 10) << ((units & (1 << 9)) >> 6)
    letters = np.arange(1, 256)
    entries: list[tuple[bytes, int]] = []
    rest = [(b"", int(offsets[0]))]
    while rest:
        key, base = rest.pop()
        places = base ^ letters
        inside = places < len(units)
        for place in places[inside][labels[places[inside]] == letters[inside]].tolist():
            child, below = key + bytes([place ^ base]), place ^ int(offsets[place])
            if units[place] >> 8 & 1:
                entries.append((child, int(units[below] & 0x7FFFFFFF)))
            rest.append((child, below))
    return entries
