"""The format of a text file, recognized by its first characters and, in doubt, its name."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bert_keras.corpus.decompress import PACKED_SUFFIXES
from bert_keras.errors import InputError

TEXT, JSON_LINES, JSON, WIKI = "text", "JSON lines", "JSON", "WikiExtractor's documents"
TEXT_COLUMN = "text"  # of records, unless another is named
CSV, TSV = "CSV", "TSV"
# Files that the program writes under names of text files, and that are not text.
VOCABULARY, LOG, ANSWERS = "a vocabulary", "the log of a run", "a model's answers"
NO_TEXT = (VOCABULARY, LOG, ANSWERS)

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".rst"})
JSON_SUFFIX = ".jsonl"
JSON_LINES_SUFFIXES = frozenset({JSON_SUFFIX, ".ndjson"})
FOLDER_SUFFIXES = TEXT_SUFFIXES | JSON_LINES_SUFFIXES

_logger = logging.getLogger("bert_keras")

_TABLES = {".csv": CSV, ".tsv": TSV, ".tab": TSV}
_MARKUP_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".xml", ".tei"})
_WIKI_FILE = re.compile(r"wiki_\d+")
_WIKI_DOCUMENT = re.compile(r'<doc id="[^"\n]*"[^\n]*>[ \t]*\r?(\n|$)')
_KEY = r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:'
_OBJECT, _ARRAY = re.compile(_KEY), re.compile(rf"\[\s*{_KEY}")
_COMMENTS = re.compile(r"(?:<!--.*?-->\s*)+", re.DOTALL)
_HTML = re.compile(r"<(!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_XML = re.compile(r"<\?xml[\s>]|<!doctype\s|<DOC[\s>]|<mediawiki[\s>]")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
_LOG_LINE = re.compile(r'\{"step": \d+, "split": "')
# The order of the names and the scores distinguish them from a user's own rows.
_ANSWER = re.compile(
    r'\{"row": \d+, ("id": .*?, )?"(text|question)": .*"(scores|no_answer_score|tags)": |'
    r"row(?P<gap>[,\t])(id(?P=gap))?(text|question)(?P=gap).*(score_|no_answer_score|tags)"
)
_SPECIAL = {"[UNK]", "[CLS]", "[SEP]", "[MASK]"}
_MARKUP_SHARE = 0.1  # of the characters that lie in tags
_FEW_TAGS = 5
_TABLE_LINES = 5
_PANDOC = "turn it into text first, for instance with pandoc -t plain"
_WITH_TAGS = "looks like HTML or XML, whose tags are read as text"
_WITH_TABS = "looks like a table, read as text; to read a column of it call it .tsv"


class Recognized(NamedTuple):
    """The format of a file, what is doubtful about it, and a text out of it; both may be empty."""

    format: str
    doubt: str = ""
    example: str = ""


def suffix_of(name: str | Path) -> str:
    """The suffix of a file's format: lower-case, without ``.gz`` or ``.zst``."""
    path = Path(name)
    if path.suffix.lower() in PACKED_SUFFIXES:
        path = path.with_suffix("")
    return path.suffix.lower()


def is_text_by_name(path: Path) -> bool:
    """Tell whether a file is read where only its folder is named."""
    return suffix_of(path) in FOLDER_SUFFIXES or bool(_WIKI_FILE.fullmatch(path.name.split(".")[0]))


def recognize(path: Path, start: str, text_column: str) -> Recognized:
    """The format of a file.

    Args:
        path: The file's name.
        start: Its first characters.
        text_column: The column that holds the text, in formats with columns.

    Raises:
        InputError: When it is not text, or JSON without such a field.
    """
    suffix, start = suffix_of(path), start.lstrip()
    _refuse_markup(path, suffix, start)
    if _LOG_LINE.match(start):
        return Recognized(LOG)
    if _ANSWER.match(start):
        return Recognized(ANSWERS)
    found = _json_format(suffix, start)
    if found is not None:
        _refuse_notebook(path, start)
        return Recognized(found)
    if suffix in _TABLES:
        return Recognized(_TABLES[suffix])
    if _WIKI_DOCUMENT.match(start):
        return Recognized(WIKI)
    if "[UNK]\n" in start and _SPECIAL.issubset(start.splitlines()):
        return Recognized(VOCABULARY)
    *lines, _ = f"{start}\n".split("\n", _TABLE_LINES)
    cells = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    if cells and len(cells[0]) > 1 and text_column in cells[0]:
        return Recognized(TSV)
    is_full = len(cells) == _TABLE_LINES and all(cell.strip() for row in cells for cell in row)
    if is_full and len({len(row) for row in cells} | {1}) == 2:
        return Recognized(TEXT, _WITH_TABS)
    tags = _TAG.findall(start) if start.count("<") >= _FEW_TAGS else []
    is_markup = len(tags) >= _FEW_TAGS and sum(map(len, tags)) > _MARKUP_SHARE * len(start)
    return Recognized(TEXT, _WITH_TAGS if is_markup else "")


def _refuse_markup(path: Path, suffix: str, start: str) -> None:
    if start.startswith("{\\rtf"):
        raise InputError(f"{path} is RTF, not plain text; {_PANDOC} {path}")
    if start.startswith("%!PS"):
        raise InputError(f"{path} is PostScript, not plain text; extract its text first")
    comments = _COMMENTS.match(start)
    body = start[comments.end() :] if comments else start
    if _HTML.match(body) or (body.startswith("<") and suffix in (".html", ".htm", ".xhtml")):
        raise InputError(f"{path} is an HTML page, not plain text; {_PANDOC} -f html {path}")
    if body.startswith("<mediawiki"):
        raise InputError(
            f"{path} is a MediaWiki dump, not plain text; run WikiExtractor on it first, whose "
            "output is read"
        )
    if _XML.match(body) or (body.startswith("<") and suffix in _MARKUP_SUFFIXES):
        if "<html" in body[:2000].lower():
            raise InputError(f"{path} is an HTML page, not plain text; {_PANDOC} -f html {path}")
        raise InputError(
            f"{path} is XML or SGML, not plain text; extract its text first, into .txt or .jsonl"
        )


def _json_format(suffix: str, start: str) -> str | None:
    """JSON lines or other JSON; None for what is neither by its name nor clearly by its content."""
    first_line, end, _ = start.partition("\n")
    is_named = suffix in JSON_LINES_SUFFIXES or suffix == ".json"
    if suffix in JSON_LINES_SUFFIXES:
        return JSON_LINES
    if not (_OBJECT.match(start) or _ARRAY.match(start)):
        return JSON if is_named else None
    if start.startswith("{") and (not end or isinstance(_parsed(first_line), dict)):
        # A line that ends beyond what is known is as long as JSON lines are.
        return JSON_LINES if end or _starts_as_json(start) or is_named else None
    return JSON if is_named or _starts_as_json(start) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _starts_as_json(start: str) -> bool:
    """Tell whether a text is one JSON value after another, as far as is known of it."""
    try:
        _, end = json.JSONDecoder().raw_decode(start)
    except json.JSONDecodeError as error:
        # Cut inside the first value, which so far is right.
        return error.msg.startswith("Unterminated") or error.pos >= len(start) - 1
    except RecursionError:
        return False
    return start[end:].lstrip(" \t\r")[:1] in ("", "\n", "{")


def _refuse_notebook(path: Path, start: str) -> None:
    if suffix_of(path) == ".ipynb" or re.search(r'"nbformat"\s*:\s*\d', start[:4096]):
        raise InputError(
            f"{path} is a notebook, not plain text; turn it into text first: jupyter nbconvert "
            f"--to markdown {path}"
        )


def log_formats(found: Iterable[tuple[str, Recognized]], text_column: str) -> None:
    """Log the format in which files are read and what is doubtful, one line for each kind.

    Args:
        found: The name and the format of each file.
        text_column: The column that holds the text.
    """
    counts: Counter[str] = Counter()
    doubts: dict[str, list[str]] = {}
    examples: dict[str, str] = {}
    for name, (kind, doubt, example) in found:
        counts[kind] += 1
        if example.strip():
            examples.setdefault(kind, f", such as {' '.join(example.split())[:40]!r}")
        if doubt:
            doubts.setdefault(doubt, []).append(name)
    phrases = []
    for kind, count in counts.items():
        column = "" if kind in (TEXT, WIKI) else f" ({_FIELD.get(kind, 'field')} {text_column!r}"
        column += f"{examples.get(kind, '')})" if column else ""
        phrases.append(f"{count:,} {'file' if count == 1 else 'files'} as {kind}{column}")
    if phrases:
        _logger.info("reading %s", ", ".join(phrases))
    for doubt, names in doubts.items():
        more = f", and so {'do' if len(names) > 2 else 'does'} {len(names) - 1:,} more"
        _logger.warning("%s %s%s", names[0], doubt, more if len(names) > 1 else "")


_FIELD = {CSV: "column", TSV: "column", "Parquet": "column"}
