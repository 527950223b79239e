"""The hooks of the site: links out of docs/, and what GitHub and MkDocs read differently."""

import importlib
import re
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def hooks():
    """The module, imported as MkDocs does: its folder is where it finds its neighbors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "docs" / "hooks"))
        for name in ("pages", "reference"):
            patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module("pages")
        for name in ("pages", "reference"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("index.md", "docs/start.md", "start.md"),
        ("index.md", "README.zh-CN.md", "zh/index.md"),
        ("guides/data.md", "sampling.md#short-documents", "sampling.md#short-documents"),
        ("guides/data.md", "../../benchmarks/README.md#serving", "../benchmarks.md#serving"),
        ("guides/recipes.md", "../../configs/x.toml", "../files/configs/x.toml"),
        ("benchmarks.md", "training_step.svg", "files/benchmarks/training_step.svg"),
        ("guides/server.md", "../../benchmarks/README.md", "../benchmarks.md"),
        ("zh/guides/data.md", "../../keras.md", "../../keras.md"),
        ("start.md", "https://keras.io/", "https://keras.io/"),
        ("start.md", "#install", "#install"),
    ],
)
def test_a_link_leads_to_the_page_that_the_site_makes_of_a_file(page, link, on_the_site, hooks):
    assert hooks.with_links(f"See [it]({link}).", page) == f"See [it]({on_the_site})."


def test_code_that_looks_like_a_link_stays(hooks):
    text = "```swift\nnames[0](docs/start.md)\n```\n"
    assert hooks.with_links(text, "index.md") == text
    assert list(hooks.targets(text, "README.md")) == []


def test_bars_in_the_code_of_tables_lose_what_github_needs(hooks):
    text = "| a | `x\\|y` or x\\|y |\n`x\\|y`\n"
    assert hooks.with_bars(text) == "| a | `x|y` or x\\|y |\n`x\\|y`\n"


def test_lines_of_chinese_join_and_those_of_code_do_not(hooks):
    text = "一行\n两行\nline\n三\n```sh\n四\n五\n```\n"
    assert hooks.without_breaks(text) == "一行两行\nline\n三\n```sh\n四\n五\n```\n"


def test_an_unknown_page_of_the_reference_is_an_error(hooks):
    with pytest.raises(KeyError):
        hooks.with_reference("<!-- api nothing -->")
    assert "::: bert_keras.AdamW" in hooks.with_reference("<!-- api training -->\n")


def test_every_page_is_in_the_list_of_the_site_and_no_other(hooks):
    listed = re.findall(r": ([\w/]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)
    docs = REPOSITORY / "docs"
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} | set(hooks.PAGES)
    assert sorted(there - set(listed)) == [], "name these in mkdocs.yml"
    assert sorted(set(listed) - there) == []
    assert len(listed) == len(set(listed))
