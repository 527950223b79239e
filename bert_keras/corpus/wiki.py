"""Documents as WikiExtractor writes them: <doc id="..." url="..." title="..."> ... </doc>."""

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bert_keras.errors import InputError

_START = re.compile(r'<doc id="[^"]*"[^>]*?(?: title="(?P<title>.*)")?[^">]*>\s*')
_END = "</doc>"
# It escapes these three, and these alone.
_ESCAPED = re.compile("&(?:lt|gt|amp);")


def wiki_documents(lines: Iterable[str], path: Path) -> Iterator[list[str]]:
    """The lines of each document.

    The tags are no text, nor is the title that WikiExtractor repeats before the text: its
    ``--json`` output of the same page does not have it.

    Args:
        lines: The file's lines without their ends.
        path: The file's name, for messages.

    Raises:
        InputError: When text lies outside of a document, or a document within another.
    """
    document: list[str] | None = None
    title = None
    for number, line in enumerate(lines, start=1):
        start = _START.fullmatch(line)
        if start:
            if document is not None:
                raise InputError(
                    f"{path}, line {number}: a document begins before {_END} has ended the last one"
                )
            document, title = [], start["title"]
        elif line.rstrip() == _END and document is not None:
            yield document
            document = None
        elif document is None:
            if line.strip():
                raise InputError(
                    f"{path}, line {number}: text outside of <doc ...> and {_END}. Received: "
                    f"{line!r:.60}"
                )
        elif line.strip() and title is not None and not any(document):
            if html.unescape(line).strip() != html.unescape(title).strip():
                document.append(_unescaped(line))
            title = None
        else:
            document.append(_unescaped(line))
    if document is not None:  # the file was cut
        yield document


def _unescaped(line: str) -> str:
    return _ESCAPED.sub(lambda match: html.unescape(match[0]), line) if "&" in line else line
