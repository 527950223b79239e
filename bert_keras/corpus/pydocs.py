"""The documentation of the Python packages installed here: real prose on every machine.

Docstrings and comments are cut out of the source text; nothing is imported or run. A
triple-quoted string that opens a line counts as a docstring; ``ast.parse`` would be sure, but
takes over a minute for an installation with TensorFlow.
"""

import ast
import hashlib
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_MAX_SOURCE_BYTES = 4_000_000
_SKIPPED = "__pycache__ test tests site-packages dist-packages lib2to3 _vendor licenses"
_SKIPPED_FOLDERS = frozenset(_SKIPPED.split())

_QUOTES = re.compile(r"\"\"\"|\'\'\'")
# Where one piece of text ends and another begins: underlines of headings, markers of lists, and the
# names that descriptions of parameters and results open with.
_BREAK = re.compile(
    r"([-=~^#*])\1\1+$"
    r"|(?:[-*+]|\(?\d+[.)]) "
    r"|:\w+[^:]*:"
    r"|[\w*.,]{1,40}(?: \([^)]*\))? ?:(?:\s|$)"
    r"|[\w*., ]{1,40} : .*$"
)
_DESCRIPTION_HEADER = re.compile(r"\A.*?\n\s*\n", re.DOTALL)

# What prose does not hold: code, prompts, tables, block markup, addresses, legal text.
_NOT_PROSE = re.compile(
    r">>>|\.\. |::|[={}<>|\\^~$]|--+|//|```|\*\*\*|[Cc]opyright|[Ll]icen[sc]e|WARRANT|^[ \t]*[@#%]",
    re.MULTILINE,
)
_NAME_IN_CODE = re.compile(r"\w_\w|\w[(\[]|\w\.\w")
_NOT_LETTER = re.compile(r"[\W\d_]")
_MARKUP = re.compile(r":[a-zA-Z:]+:(?=`)|`{1,2}_{0,2}|\*{1,2}(?=\w)|(?<=\w)\*{1,2}")
_BREAK_STARTS = frozenset("-=~^#*+:(0123456789")
_LAST_CHARACTERS = frozenset(".!?:\"')`*")
_SENTENCE_END = re.compile(r"[.!?:][\"')]*$")
_MIN_WORDS = 6
_MIN_LETTER_SHARE = 0.88
_MIN_COMMON_SHARE = 0.15
_MAX_CODE_SHARE = 0.15
_COMMON_WORDS = """
    the a an of to in is are be and or that this it for with as on by if not from can will which
    when at has have may must you was but all any one used use no so
"""
_IS_COMMON = frozenset(_COMMON_WORDS.split())


def pydocs_documents(limit_bytes: int = 64_000_000) -> Iterator[list[str]]:
    """A stream of the documentation: one document a module, a list of paragraphs of prose.

    The standard library first, then the installed packages, sorted by path; the same installation
    gives the same text. A repeated paragraph is left out: packages copy from one another, and text
    that is held out must not be text that was trained on.

    Args:
        limit_bytes: No further module is read after this many characters of prose.
    """
    seen: set[bytes] = set()
    size = 0
    for path in _documented_files():
        new = []
        for paragraph in _paragraphs(path):
            key = hashlib.blake2b(paragraph.encode(), digest_size=8).digest()
            if key not in seen:
                seen.add(key)
                new.append(paragraph)
        if new:
            yield new
            size += sum(map(len, new))
            if size >= limit_bytes:
                return


def _documented_files() -> Iterator[Path]:
    """Python sources and package descriptions, in an order that depends on the names alone."""
    paths = sysconfig.get_paths()
    roots = dict.fromkeys(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    for root in roots:
        for folder, subfolders, files in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if name not in _SKIPPED_FOLDERS)
            for name in sorted(files):
                if name.endswith(".py") or name == "METADATA":
                    yield Path(folder, name)


def _paragraphs(path: Path) -> Iterator[str]:
    """The prose of one file; none when it cannot be read."""
    try:
        if path.stat().st_size > _MAX_SOURCE_BYTES:
            return
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if path.name == "METADATA":
        texts: Iterator[str] = iter([_DESCRIPTION_HEADER.sub("", source, count=1)])
    elif path.parent.name == "pydoc_data":
        texts = _language_reference(source)
    else:
        texts = _docstrings(source)
    for text in texts:
        for block in _blocks(text):
            paragraph = _prose(block)
            if paragraph is not None:
                yield paragraph


def _docstrings(source: str) -> Iterator[str]:
    """The docstrings of a module, then its comments."""
    opening = _QUOTES.search(source)
    if opening is None:
        return
    while opening is not None:
        start, end = opening.span()
        before = source[source.rfind("\n", 0, start) + 1 : start].strip()
        before = before.replace("\\'", "").replace('\\"', "")
        if "#" in before or before.count('"') % 2 or before.count("'") % 2:
            opening = _QUOTES.search(source, end)  # within a comment or another string
            continue
        close = source.find(opening.group(), end)
        while close > 0 and source[close - 1] == "\\":
            close = source.find(opening.group(), close + 3)
        if close < 0:
            break
        if before in ("", "r", "R", "u"):
            yield source[end:close]
        opening = _QUOTES.search(source, close + 3)
    comment: list[str] = []
    for line in source.split("\n"):
        line = line.lstrip()
        if line.startswith("#"):
            comment.append(line.lstrip("#"))
        elif comment:
            yield "\n".join(comment)
            comment = []


def _blocks(text: str) -> Iterator[list[str]]:
    """The pieces of a text, as lists of their lines."""
    block: list[str] = []
    for line in text.split("\n"):
        line = line.strip()
        if line:
            # Most lines hold nothing that could be a break.
            may_break = line[0] in _BREAK_STARTS or ":" in line
            match = _BREAK.match(line) if may_break else None
            if match is None:
                block.append(line)
                continue
            line = line[match.end() :].strip()
        if block:
            yield block
        block = [line] if line else []
    if block:
        yield block


def _language_reference(source: str) -> Iterator[str]:
    """The Python reference, which ``pydoc_data/topics.py`` holds as one dictionary of strings."""
    try:
        statements = ast.parse(source).body
        for statement in statements:
            if isinstance(statement, ast.Assign):
                topics = ast.literal_eval(statement.value)
                yield from (topics[name] for name in sorted(topics))
    except (SyntaxError, ValueError, TypeError):
        return


def _prose(block: list[str]) -> str | None:
    """A paragraph as one line of plain text, or None when it is not English prose."""
    # The cheap checks first: most blocks are not prose.
    if block[-1][-1] not in _LAST_CHARACTERS:
        return None
    text = " ".join(block)
    if "`" in text or "*" in text:
        text = _MARKUP.sub("", text)
    words = text.split()
    if len(words) < _MIN_WORDS or not words[0].isalpha() or not _SENTENCE_END.search(words[-1]):
        return None
    common = sum(map(_IS_COMMON.__contains__, words))
    if common < _MIN_COMMON_SHARE * len(words) or _NOT_PROSE.search("\n".join(block)):
        return None
    text = " ".join(words)
    letters = len(text) - len(_NOT_LETTER.findall(text))
    if letters < _MIN_LETTER_SHARE * (len(text) - len(words) + 1):
        return None
    if len(_NAME_IN_CODE.findall(text)) > _MAX_CODE_SHARE * len(words):
        return None
    return text
