"""The original's rules, said again in plain Python: what the tokenizer is compared with."""

import unicodedata

# The blocks that google-research/bert calls Chinese characters.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def _cleaned(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if category in ("Cc", "Cf") or character == "\ufffd":
        return ""
    if any(first <= ord(character) <= last for first, last in _IDEOGRAPHS):
        return f" {character} "
    return character


def _is_punctuation(character: str) -> bool:
    ascii_symbol = "!" <= character <= "~" and not character.isalnum()
    return ascii_symbol or unicodedata.category(character).startswith("P")


def words_of_original(text: str, do_lower_case: bool) -> list[str]:
    """What BasicTokenizer makes of a text."""
    words: list[str] = []
    for word in "".join(map(_cleaned, text)).split():
        if do_lower_case:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        words += "".join(f" {c} " if _is_punctuation(c) else c for c in word).split()
    return words


def original_pieces(word: str, vocabulary: set[str], limit: int = 100) -> list[str]:
    """What WordpieceTokenizer makes of a word, longest piece first."""
    pieces: list[str] = []
    rest = word
    while rest and len(word) <= limit:
        prefix = "##" if pieces else ""
        sizes = range(len(rest), 0, -1)
        size = next((n for n in sizes if prefix + rest[:n] in vocabulary), None)
        if size is None:
            return ["[UNK]"]
        pieces.append(prefix + rest[:size])
        rest = rest[size:]
    return pieces or ["[UNK]"]


def tokenize_as_original(text: str, vocabulary: list[str], do_lower_case: bool) -> list[str]:
    """What FullTokenizer makes of a text."""
    known = set(vocabulary)
    words = words_of_original(text, do_lower_case)
    return [piece for word in words for piece in original_pieces(word, known)]
