"""A code point table as the model of tensorflow-text's FastBertNormalize operation.

The operation maps every code point to a string, by a table in a flatbuffer: a double-array trie
of the UTF-8 bytes, in the units of darts-clone (https://github.com/s-yata/darts-clone), whose
values say where the string lies in a pool. The wheel only builds the table of its own rules
(lower-casing with compatibility mapping); this module writes the same format for any rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import flatbuffers
import numpy as np

# fast_bert_normalizer.h: bit 30 says "differs", 24 bits the place in the pool, 6 bits the length.
_DIFFERS = 1 << 30
_LENGTH_BITS = 6
_MAX_BYTES = (1 << _LENGTH_BITS) - 1

# darts.h: what the bits of a unit mean.
_HAS_LEAF = 1 << 8
_OFFSET_SHIFT = 10
_MAX_UNITS = 1 << 21
_LEAF = 1 << 31

_ABSENT = -1


def build_charsmap(strings: Mapping[int, str], ill_formed: str | None = None) -> bytes:
    """The model that maps code points to strings; those not named stay as they are.

    Args:
        strings: What becomes of each code point that does not stay; at most 63 bytes each.
        ill_formed: What becomes of each ill-formed run of bytes, divided as Python divides them
            ("maximal subparts", Unicode 15, section 3.9); None leaves them as they are.

    Raises:
        ValueError: When a string is too long for the format.
    """
    pool = bytearray()
    known: dict[str, int] = {}
    for string in [*strings.values(), *([] if ill_formed is None else [ill_formed])]:
        if string not in known:
            data = string.encode("utf-8")
            if len(data) > _MAX_BYTES:
                raise ValueError(f"{string!r} has more than {_MAX_BYTES} bytes")
            known[string] = _DIFFERS | len(pool) << _LENGTH_BITS | len(data)
            pool += data
    values = np.full(0x110000, _ABSENT, np.int64)
    values[list(strings)] = [known[string] for string in strings.values()]
    bad = _ABSENT if ill_formed is None else known[ill_formed]
    return _flatbuffer(values, bad, bytes(pool))


def one_of_each(but: str = "", to: str = "x") -> bytes:
    """The model that maps every character, and every ill-formed run, to another.

    With it the operation tells where the characters of a text start.

    Args:
        but: Characters that stay as they are; U+FFFD stands for ill-formed runs too.
        to: What the others become: a character that is none of these.
    """
    data = to.encode("utf-8")
    values = np.full(0x110000, _DIFFERS | len(data), np.int64)
    values[[ord(character) for character in but]] = _ABSENT
    if "\ufffd" not in but:
        return _flatbuffer(values, _DIFFERS | len(data), data)
    unknown = "\ufffd".encode()
    bad = _DIFFERS | len(data) << _LENGTH_BITS | len(unknown)
    return _flatbuffer(values, bad, data + unknown)


@dataclass(frozen=True, eq=False)
class _Node:
    """A node of the trie: its value, and its children by byte."""

    value: int
    children: tuple[tuple[int, "_Node"], ...] = ()


def _trie(values: np.ndarray, ill_formed: int) -> _Node:
    """The trie of the UTF-8 of all code points but 0, which has no place in it.

    Args:
        values: By code point.
        ill_formed: The value of bytes that are only the beginning of a character, or none.
    """
    values = np.concatenate([values, np.full(0x140000 - len(values), _ABSENT)])
    known: dict[bytes, _Node | None] = {}

    def node(first: int, size: int) -> _Node | None:
        """The node behind the leading bytes of the code points from ``first`` on."""
        if size == 1:
            return leaf(int(values[first]))
        key = values[first : first + size].tobytes()
        if key not in known:
            step = size // 64
            parts = ((0x80 + n, node(first + n * step, step)) for n in range(64))
            children = tuple((byte, part) for byte, part in parts if part)
            keep = children or ill_formed != _ABSENT
            known[key] = _Node(ill_formed, children) if keep else None
        return known[key]

    def leaf(value: int) -> _Node | None:
        return _Node(value) if value != _ABSENT else None

    # Sequences that UTF-8 excludes (overlong ones, surrogates) may be in: they are never sought.
    leads = [(byte, leaf(int(values[byte]))) for byte in range(1, 0x80)]
    leads += [(byte, leaf(ill_formed)) for byte in range(0x80, 0xC2)]
    leads += [(byte, node((byte - 0xC0) << 6, 1 << 6)) for byte in range(0xC2, 0xE0)]
    leads += [(byte, node((byte - 0xE0) << 12, 1 << 12)) for byte in range(0xE0, 0xF0)]
    leads += [(byte, node((byte - 0xF0) << 18, 1 << 18)) for byte in range(0xF0, 0xF5)]
    leads += [(byte, leaf(ill_formed)) for byte in range(0xF5, 0x100)]
    return _Node(_ABSENT, tuple((byte, child) for byte, child in leads if child))


def trie_of(values: Mapping[bytes, int]) -> _Node:
    """The trie of keys without a zero byte, none of them empty, with their values."""

    def node(keys: list[bytes], depth: int) -> _Node:
        parts: dict[int, list[bytes]] = {}
        for key in keys:
            if len(key) > depth:
                parts.setdefault(key[depth], []).append(key)
        value = next((values[key] for key in keys if len(key) == depth), _ABSENT)
        children = ((byte, node(part, depth + 1)) for byte, part in sorted(parts.items()))
        return _Node(value, tuple(children))

    return node(list(values), 0)


def double_array(root: _Node) -> np.ndarray:
    """The units of a trie, uint32.

    Raises:
        ValueError: When there are more than the format has place for.
    """
    return _DoubleArray(root).units


class _DoubleArray:
    """The units of a trie, equal parts stored once.

    A node whose children have base b finds the child of byte c at b ^ c and its own value at b.
    Bases of nodes with children are multiples of 256, those of others are free places between.
    """

    def __init__(self, root: _Node) -> None:
        self.units = np.zeros(256, np.uint32)
        self._free: list[int] = []
        self._bases: dict[tuple, int] = {}
        self._placed: dict[_Node, int] = {}
        self.units[0] = self._place(root) << _OFFSET_SHIFT
        if len(self.units) > _MAX_UNITS:
            raise ValueError("the table is too large for the format")

    def _place(self, node: _Node) -> int:
        """The base of a node."""
        if node not in self._placed:
            children = tuple(
                (byte, self._place(child), child.value != _ABSENT) for byte, child in node.children
            )
            key = (node.value, children)
            if key not in self._bases:
                self._bases[key] = self._new_base(node.value, children)
            self._placed[node] = self._bases[key]
        return self._placed[node]

    def _new_base(self, value: int, children: tuple[tuple[int, int, bool], ...]) -> int:
        if children or not self._free:
            block = len(self.units)
            self.units = np.concatenate([self.units, np.zeros(256, np.uint32)])
            used = {byte for byte, _, _ in children}
            self._free += [block ^ byte for byte in range(1, 256) if byte not in used]
        base = block if children else self._free.pop()
        if value != _ABSENT:
            self.units[base] = _LEAF | value
        for byte, child, has_leaf in children:
            at = base ^ byte
            self.units[at] = byte | has_leaf * _HAS_LEAF | (at ^ child) << _OFFSET_SHIFT
        return base


def _flatbuffer(values: np.ndarray, ill_formed: int, pool: bytes) -> bytes:
    """The table ``FastBertNormalizerModel`` of fast_bert_normalizer_model.fbs."""
    units = _DoubleArray(_trie(values, ill_formed)).units
    builder = flatbuffers.Builder(units.nbytes + len(pool) + 256)
    strings = builder.CreateNumpyVector(np.frombuffer(pool or b"\0", np.uint8))
    trie = builder.CreateNumpyVector(units)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, trie, 0)
    builder.PrependInt32Slot(2, max(int(values[0]), 0), 0)
    builder.PrependUOffsetTRelativeSlot(3, strings, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
