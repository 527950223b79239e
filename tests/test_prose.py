"""The parts of the style guide of CONTRIBUTING.md that a machine can hold."""

import ast
import re
import subprocess
from contextlib import suppress

import pytest

# Text that is data: another letter would move measured values.
DATA = ("bert_keras/export/samples.py", "tests/golden/", "LICENSE", "tests/test_prose.py")

# The beginnings of British spellings; the names of TensorFlow and Keras are American.
BRITISH = re.compile(
    r"(?:normal|recogn|serial|minim|maxim|optim|initial|material|final|util|vector|parallel|general"
    r"|summar|organ|random|synchron|categor|standard|memor|real|emphas|token)is(?:e|ing|ation)"
    r"|(?:neighb|hon|col|behavi|flav|fav|lab)our(?!g)|label(?:led|ling)|centred|\bmetres?\b"
    r"|(?:model|signal|cancel|travel)ling\b|signalled|catalogue|\bgrey|misspelt|\banalyse|\bcentre\b"
)
# The first words of lines that are questions, and of others that name nothing.
FIRST = re.compile(r"(?:What|How|Which|Where|Whether|Who|When|Why|As|For|Of|It|Is|Does|Refused)\b")


@pytest.fixture(scope="module")
def texts(repository):
    """The tracked files that hold text, by their names."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    found = {}
    for name in listed.stdout.split("\0"):
        path = repository / name
        if name.startswith(DATA) or not path.is_file():
            continue
        with suppress(UnicodeDecodeError):  # a picture
            found[name] = path.read_text(encoding="utf-8")
    assert len(found) > 500
    return found


def spelled_otherwise(text):
    return [found.group() for found in BRITISH.finditer(text.lower())]


def beginning_otherwise(name, text):
    """The first lines of docstrings that are neither noun phrases nor imperatives."""
    if not name.endswith(".py") or name.startswith("tests/"):
        return []
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    lines = [(ast.get_docstring(node) or "").split("\n")[0] for node in nodes]
    return [line for line in lines if FIRST.match(line)]


def test_words_are_spelled_one_way(texts):
    wrong = {name: spelled_otherwise(text) for name, text in texts.items()}
    assert {name: words for name, words in wrong.items() if words} == {}


def test_a_docstring_begins_with_a_noun_phrase_or_an_imperative(texts):
    wrong = {name: beginning_otherwise(name, text) for name, text in texts.items()}
    assert {name: lines for name, lines in wrong.items() if lines} == {}


@pytest.mark.parametrize(
    "word", ["normalised", "Recognise", "serialisation", "is_labelled", "Neighbours", "colour"]
)
def test_a_british_spelling_is_found(word):
    assert spelled_otherwise(f"a {word} word")


@pytest.mark.parametrize(
    "word",
    ["minimal", "labels", "final issue", "organism", "parallelism", "label", "meter", "hour"],
)
def test_other_words_are_not(word):
    assert not spelled_otherwise(f"a {word} word")


@pytest.mark.parametrize(("line", "is_found"), [("Whether it is.", True), ("Tell whether.", False)])
@pytest.mark.parametrize("place", ["bert_keras/a.py", "tools/a.py"])
def test_a_first_line_is_looked_at_wherever_a_docstring_may_be(place, line, is_found):
    for head in ("", "class A:\n    ", "def f():\n    ", "async def f():\n    "):
        assert bool(beginning_otherwise(place, f'{head}"""{line}"""')) == is_found
