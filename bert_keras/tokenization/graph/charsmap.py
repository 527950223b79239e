"""A code point table as the model of tensorflow-text's FastBertNormalize operation.

The operation maps every code point to a string, by a table in a flatbuffer: a double-array trie
of the UTF-8 bytes, in the units of darts-clone (https://github.com/s-yata/darts-clone), whose
values say where the string lies in a pool. The wheel only builds the table of its own rules
(lower-casing with compatibility mapping); this module writes the same format for any rules.
"""

from collections.abc import Iterator, Mapping

import flatbuffers
import numpy as np

# fast_bert_normalizer.h: bit 30 says "differs", 24 bits the place in the pool, 6 bits the length.
_DIFFERS = 1 << 30
_LENGTH_BITS = 6
MAX_BYTES = (1 << _LENGTH_BITS) - 1

# darts.h: what the bits of a unit mean.
_HAS_LEAF = 1 << 8
_OFFSET_SHIFT = 10
_MAX_UNITS = 1 << 21
_LEAF = 1 << 31

_CONTINUATION = range(0x80, 0xC0)


def build_charsmap(strings: Mapping[int, str], ill_formed: str | None = None) -> bytes:
    """The model that maps code points to strings; those not named stay as they are.

    Args:
        strings: What becomes of each code point that does not stay; at most 63 bytes each.
        ill_formed: What becomes of each ill-formed run of bytes, divided as Python divides them
            ("maximal subparts", Unicode 15, section 3.9); None leaves them as they are.

    Raises:
        ValueError: When a string is too long for the format.
    """
    pool, values = _pool(strings, ill_formed)
    root = _Node()
    for code_point, string in strings.items():
        if code_point:
            root.add(chr(code_point).encode("utf-8"), values[string])
    if ill_formed is not None:
        for part in _ill_formed_parts():
            root.add(part, values[ill_formed])
    zero = values[strings[0]] if 0 in strings else 0
    return _flatbuffer(_units(root), zero, pool)


def one_byte_each() -> bytes:
    """The model that maps every character, and every ill-formed run, to one byte.

    With it the operation tells where the characters of a text start.
    """
    value = _DIFFERS | 1
    tail = _Node(value)
    root = _Node(children=dict.fromkeys(range(1, 0x100), tail))
    for leads in (range(0xC2, 0xF5), range(0xE0, 0xF5), range(0xF0, 0xF5)):
        tail = _Node(value, dict.fromkeys(_CONTINUATION, tail))
        root.children |= dict.fromkeys(leads, tail)
    return _flatbuffer(_units(root), value, b"x")


def _pool(strings: Mapping[int, str], ill_formed: str | None) -> tuple[bytes, dict[str, int]]:
    """All distinct strings one after another, and how each is said in the trie."""
    distinct = dict.fromkeys(strings.values())
    if ill_formed is not None:
        distinct[ill_formed] = None
    pool = bytearray()
    values = {}
    for string in distinct:
        data = string.encode("utf-8")
        if len(data) > MAX_BYTES:
            raise ValueError(f"{string!r} has more than {MAX_BYTES} bytes")
        values[string] = _DIFFERS | len(pool) << _LENGTH_BITS | len(data)
        pool += data
    return bytes(pool) or b"\0", values


def _ill_formed_parts() -> Iterator[bytes]:
    """Every ill-formed run of bytes that a decoder replaces as one."""
    yield from (bytes([byte]) for byte in range(0x80, 0x100))
    for lead in range(0xE0, 0xF5):
        for second in _CONTINUATION:
            if _may_follow(lead, second):
                yield bytes([lead, second])
                if lead >= 0xF0:
                    yield from (bytes([lead, second, third]) for third in _CONTINUATION)


def _may_follow(lead: int, second: int) -> bool:
    """Whether a well-formed sequence begins so (Unicode 15, table 3-7)."""
    first, last = {
        0xE0: (0xA0, 0xBF),
        0xED: (0x80, 0x9F),
        0xF0: (0x90, 0xBF),
        0xF4: (0x80, 0x8F),
    }.get(lead, (0x80, 0xBF))
    return first <= second <= last


class _Node:
    """A node of the trie: its value, or None, and its children by byte."""

    def __init__(
        self, value: int | None = None, children: dict[int, "_Node"] | None = None
    ) -> None:
        self.value = value
        self.children = children or {}

    def add(self, key: bytes, value: int) -> None:
        node = self
        for byte in key:
            child = node.children.get(byte)
            if child is None:
                child = node.children[byte] = _Node()
            node = child
        node.value = value


def _units(root: _Node) -> np.ndarray:
    """The double array: equal subtrees are stored once.

    A node whose children have base b finds the child of byte c at b ^ c and its own value at b.
    Bases of nodes with children are multiples of 256, those of others are free places between.
    """
    units = np.zeros(512, np.uint32)
    units[0] = 256 << _OFFSET_SHIFT  # the root, whose children are based at 256
    bases: dict[tuple, int] = {}
    done: dict[int, tuple[int, bool]] = {}
    free: list[int] = []

    def place(node: _Node) -> tuple[int, bool]:
        """The base of a node and whether it has a value."""
        if id(node) not in done:
            done[id(node)] = _place(node), node.value is not None
        return done[id(node)]

    def _place(node: _Node) -> int:
        nonlocal units
        placed = tuple((byte, *place(child)) for byte, child in sorted(node.children.items()))
        key = (node.value, placed)
        if key in bases:
            return bases[key]
        if node is root:
            base = 256
        elif placed:
            base = len(units)
            units = np.concatenate([units, np.zeros(256, np.uint32)])
        else:
            base = free.pop() if free else len(units) + 255
            if base >= len(units):
                units = np.concatenate([units, np.zeros(256, np.uint32)])
        bases[key] = base
        if node.value is not None:
            units[base] = _LEAF | node.value
        if placed:
            for byte, child, has_value in placed:
                at = base ^ byte
                units[at] = byte | has_value * _HAS_LEAF | (at ^ child) << _OFFSET_SHIFT
            free.extend(base ^ byte for byte in range(1, 256) if byte not in node.children)
        return base

    place(root)
    if len(units) > _MAX_UNITS:
        raise ValueError("the table is too large for the format")
    return units


def _flatbuffer(units: np.ndarray, zero: int, pool: bytes) -> bytes:
    """The table ``FastBertNormalizerModel`` of fast_bert_normalizer_model.fbs."""
    builder = flatbuffers.Builder(units.nbytes + len(pool) + 256)
    strings = builder.CreateNumpyVector(np.frombuffer(pool, np.uint8))
    trie = builder.CreateNumpyVector(units)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, trie, 0)
    builder.PrependInt32Slot(2, zero, 0)
    builder.PrependUOffsetTRelativeSlot(3, strings, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
