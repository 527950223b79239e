"""The pages that people read: README, docs/, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, what it holds, and the comment in the line above.

    Attributes:
        kind: ``"python"``, ``"sh"``, ``"text"``, ...
        code: What stands in it.
        note: The comment, which a reader of the page does not see.
        follows: Whether nothing but blank lines is between it and the block before.
    """

    kind: str
    code: str
    note: str
    follows: bool


def pages(repository: Path) -> list[str]:
    """The names of the pages, in order."""
    names = [path.relative_to(repository).as_posix() for path in repository.glob("docs/**/*.md")]
    return ["README.md", "README.zh-CN.md", *sorted(names)]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    end = 0
    for match in _BLOCK.finditer(text):
        follows = not text[end : match.start()].strip()
        yield Block(match["kind"], match["code"], match["note"] or "", follows)
        end = match.end()
