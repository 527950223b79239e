"""The Chinese README and guides are the English ones: what can be compared is the same in both."""

import re
from collections import Counter

import pytest

from tests.conftest import REPOSITORY

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:make|bert-keras) \S+", re.MULTILINE)


PAIRS = {"README.md": "README.zh-CN.md"} | {
    f"docs/guides/{path.name}": f"docs/zh/guides/{path.name}"
    for path in sorted((REPOSITORY / "docs" / "zh" / "guides").glob("*.md"))
}


@pytest.fixture(scope="module", params=PAIRS.items(), ids=PAIRS)
def sections(request):
    """The parts of both, each a heading's level and what stands below it."""
    result = []
    for name in request.param:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        parts = re.split(r"^(#+) .*$", FENCE.sub(_without_headings, text), flags=re.MULTILINE)
        result.append(list(zip(map(len, parts[1::2]), parts[2::2], strict=True)))
    return result


def _without_headings(fence):
    """Comments in code look like headings."""
    return re.sub("^#", " #", fence.group(), flags=re.MULTILINE)


def test_the_headings_are_the_same(sections):
    english, chinese = ([level for level, _ in part] for part in sections)
    assert english == chinese


def test_each_links_to_the_other(repository):
    assert "(README.zh-CN.md)" in (repository / "README.md").read_text().split("\n\n")[1]
    chinese = (repository / "README.zh-CN.md").read_text(encoding="utf-8")
    assert "(README.md)" in chinese.split("\n\n")[1]


def test_every_section_shows_the_same_commands_in_the_same_order(sections):
    for (_, english), (_, chinese) in zip(*sections, strict=True):
        commands = [
            [command for _, code in FENCE.findall(text) for command in COMMAND.findall(code)]
            for text in (english, chinese)
        ]
        assert commands[0] == commands[1]


def test_every_section_shows_the_same_python(sections):
    for (_, english), (_, chinese) in zip(*sections, strict=True):
        assert _python(english) == _python(chinese)


def _python(text):
    """The Python of a section, without comments and what strings say."""
    code = "\n".join(code for kind, code in FENCE.findall(text) if kind == "python")
    return re.sub(r" *#.*|\"[^\"]*\"", "", code)


def test_tables_have_the_same_rows_with_the_same_names(sections):
    for (_, english), (_, chinese) in zip(*sections, strict=True):
        assert _rows(english) == _rows(chinese)


def _rows(text):
    """What stands as code in each row of the tables of a section, where there is any."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [names for row in rows if (names := Counter(re.findall(r"`([^`]+)`", row)))]
