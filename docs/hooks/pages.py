"""Hooks of MkDocs, which calls the ``on_`` functions: pages from elsewhere, and their links.

Pages link to files of the repository as GitHub shows them, so that they read well in both places.
Here a link out of ``docs/`` becomes one to the page that the site makes of that file, or to a copy.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import reference  # beside this file: MkDocs looks there

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
# Pages of the site that are files elsewhere in the repository.
PAGES = {
    "index.md": "README.md",
    "zh/index.md": "README.zh-CN.md",
    "benchmarks.md": "benchmarks/README.md",
    "benchmark_notes.md": "benchmarks/notes.md",
    "guides/small_recipes.md": "configs/pretrain/README.md",
    "guides/cost.md": "configs/pretrain/COST.md",
    "guides/server.md": "export/serving/README.md",
    "guides/apps.md": "export/mobile/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "conduct.md": "CODE_OF_CONDUCT.md",
    "changelog.md": "CHANGELOG.md",
}
COPIES = "files"  # the folder of the other files that pages link to
_FENCE = re.compile(r"^( *```.*?^ *```)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_texts: dict[str, str] = {}


def source_of(page: str) -> str:
    """The repository's file that a page of the site is."""
    return PAGES.get(page, f"docs/{page}")


def page_of(source: str) -> str:
    """The place of a file of the repository in the site."""
    made = {file: page for page, file in PAGES.items()}
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    return made.get(source, f"{COPIES}/{source}")


def targets(text: str, source: str) -> Iterator[str]:
    """The files of the repository that a page links to."""
    for part in _FENCE.split(text)[::2]:
        for match in _LINK.finditer(part):
            if not re.match(r"\w+:", match[2]):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))


def with_links(text: str, page: str) -> str:
    """The text of a page with links as the site has them."""
    source = source_of(page)

    def link(match: re.Match[str]) -> str:
        if re.match(r"\w+:", match[2]):
            return match[0]
        (target,) = targets(match[0], source)
        there = posixpath.relpath(page_of(target), posixpath.dirname(page) or ".")
        return f"{match[1]}{there}{match[3] or ''}{match[4]}"

    parts = _FENCE.split(text)
    return "".join(p if n % 2 else _LINK.sub(link, p) for n, p in enumerate(parts))


def without_breaks(text: str) -> str:
    """Chinese without the spaces that a browser makes of line breaks."""
    wide = "[\u2e80-\u9fff\uff00-\uffef“”]"
    parts = _FENCE.split(text)
    return "".join(
        p if n % 2 else re.sub(f"(?<={wide})\n *(?={wide})", "", p) for n, p in enumerate(parts)
    )


def with_bars(text: str) -> str:
    """The text with ``|`` in the code of tables as MkDocs wants it; GitHub wants it escaped."""
    code = re.compile(r"`[^`\n]+`")
    return re.sub(
        r"^\|.*$",
        lambda row: code.sub(lambda match: match[0].replace("\\|", "|"), row[0]),
        text,
        flags=re.MULTILINE,
    )


def with_reference(text: str) -> str:
    """The text with what is generated in the place of its marks."""
    makers: dict[str, Callable[..., str]] = {
        "commands": reference.commands,
        "recipe": reference.recipe,
        "api": reference.api,
    }

    def make(match: re.Match[str]) -> str:
        return makers[match[1]](*match[2].split())

    return re.sub(r"^<!-- (commands|recipe|api)\b(.*?) -->$", make, text, flags=re.MULTILINE)


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages that are files elsewhere, and what pages link to."""
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File

    _texts.clear()
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(REPOSITORY / source).read_text("utf-8")))
    copied = set()
    for file in list(files.documentation_pages()):
        text = file.content_string
        copied |= set(targets(text, source_of(file.src_uri)))
        text = with_links(with_bars(with_reference(text)), file.src_uri)
        _texts[file.src_uri] = without_breaks(text) if file.src_uri.startswith("zh/") else text
    for target in sorted(copied):
        uri = page_of(target)
        if uri.startswith(f"{COPIES}/") and target.endswith(".md"):
            raise PluginError(f"a page links to {target}: give it a place in PAGES and mkdocs.yml")
        if uri.startswith(f"{COPIES}/") and (REPOSITORY / target).is_file():
            files.append(File.generated(config, uri, abs_src_path=os.fspath(REPOSITORY / target)))
    return files


def on_page_markdown(markdown: str, page: "Page", **_: object) -> str:
    """The page as ``on_files`` made it; one that is a tab by itself has no list beside it."""
    if page.parent is None:
        page.meta["hide"] = ["navigation"]
    return _texts[page.file.src_uri]


def on_post_page(output: str, page: "Page", **_: object) -> str:
    """The page with its language, by which a browser chooses the shapes of characters."""
    is_chinese = page.file.src_uri.startswith("zh/")
    return output.replace('<html lang="en"', '<html lang="zh-CN"', 1) if is_chinese else output
