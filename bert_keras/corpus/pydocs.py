"""The documentation of the Python packages installed here: real prose on every machine.

Docstrings and comments are cut out of the source text; nothing is imported or run. The scan for
string literals takes a triple-quoted string that opens a line for a docstring. It is some twenty
times as fast as ``ast.parse``, which needs over a minute for an installation with TensorFlow.
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

# Comments and all kinds of string literals, so that quotes within the ones do not open the others.
_LITERAL = re.compile(
    r"#[^\n]*"
    r'|"""([^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*)"""'
    r"|'''([^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*)'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'",
    re.DOTALL,
)
# Where one piece of text ends and another begins: blank lines, underlines of headings, markers of
# lists, and the names that descriptions of parameters and results open with.
_BREAK = re.compile(
    r"^[ \t]*(?:$"
    r"|([-=~^#*])\1\1+[ \t]*$"
    r"|(?:[-*+]|\(?\d+[.)]) "
    r"|:\w+[^:\n]*:"
    r"|[\w*.,]{1,40}(?: \([^)\n]*\))? ?:(?:\s|$)"
    r"|[\w*., ]{1,40} : [^\n]*$)",
    re.MULTILINE,
)
_COMMENT_BLOCK = re.compile(r"(?:^[ \t]*#[^\n]*\n){2,}", re.MULTILINE)
_COMMENT_MARK = re.compile(r"^[ \t]*#+ ?", re.MULTILINE)
_DESCRIPTION_HEADER = re.compile(r"\A.*?\n\s*\n", re.DOTALL)

# What prose does not hold: code, prompts, tables, block markup, addresses, legal text.
_NOT_PROSE = re.compile(
    r">>>|\.\. |::|[={}<>|\\^~$]|--+|//|```|\*\*\*|[Cc]opyright|[Ll]icen[sc]e|WARRANT|^[ \t]*[@#%]",
    re.MULTILINE,
)
_NAME_IN_CODE = re.compile(r"\w_\w|\w[(\[]|\w\.\w")
_NOT_LETTER = re.compile(r"[\W\d_]")
_MARKUP = re.compile(r":[a-zA-Z:]+:(?=`)|`{1,2}_{0,2}|\*{1,2}(?=\w)|(?<=\w)\*{1,2}")
_SENTENCE_END = re.compile(r"[.!?][\"')]*$")
_MIN_WORDS = 6
_MIN_LETTER_SHARE = 0.9
_MIN_COMMON_SHARE = 0.15
_MAX_CODE_SHARE = 0.1
_COMMON_WORDS = """
    the a an of to in is are be and or that this it for with as on by if not from can will which
    when at has have may must you was but all any one used use no so
"""
_IS_COMMON = frozenset(_COMMON_WORDS.split())


def pydocs_documents(limit_bytes: int = 64_000_000) -> Iterator[list[str]]:
    """Streams the documentation: one document a module, a list of paragraphs of prose.

    The standard library first, then the installed packages, sorted by path; the same installation
    gives the same text. A paragraph that came before is left out: packages repeat themselves, and
    text that is held out must not be text that was trained on.

    Args:
        limit_bytes: No further module is read once this many characters of prose are out.
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
        start = 0
        text = _MARKUP.sub("", text)
        for end in [*_BREAK.finditer(text), None]:
            paragraph = _prose(text[start : end.start() if end else None])
            if paragraph is not None:
                yield paragraph
            start = end.end() if end else 0


def _docstrings(source: str) -> Iterator[str]:
    """The docstrings of a module, then its comments of several lines."""
    if '"""' not in source and "'''" not in source:
        return
    for literal in _LITERAL.finditer(source):
        if literal.lastindex is None:
            continue
        before = source[source.rfind("\n", 0, literal.start()) + 1 : literal.start()]
        if before.strip() in ("", "r", "R", "u"):
            yield literal.group(literal.lastindex)
    for block in _COMMENT_BLOCK.finditer(source):
        yield _COMMENT_MARK.sub("", block.group())


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


def _prose(block: str) -> str | None:
    """A paragraph as one line of plain text, or None when it is not English prose."""
    words = block.split()
    if len(words) < _MIN_WORDS or not words[0][0].isupper() or not _SENTENCE_END.search(words[-1]):
        return None
    text = " ".join(words)
    common = sum(map(_IS_COMMON.__contains__, words))
    letters = len(text) - len(_NOT_LETTER.findall(text))
    if (
        _NOT_PROSE.search(block)
        or common < _MIN_COMMON_SHARE * len(words)
        or letters < _MIN_LETTER_SHARE * (len(text) - len(words) + 1)
        or len(_NAME_IN_CODE.findall(text)) > _MAX_CODE_SHARE * len(words)
    ):
        return None
    return text
