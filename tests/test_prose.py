"""The parts of the style guide of CONTRIBUTING.md that a machine can hold."""

import ast
import re
import subprocess
from contextlib import suppress

import pytest

# Files that the rules below have not been brought to yet; each is to have something against one.
NOT_YET = (
    "bert_keras/export/answers/",
    "bert_keras/export/tflite/examples.py",
    "bert_keras/modeling/finetuning.py",
    "bert_keras/modeling/labels.py",
    "bert_keras/modeling/measures.py",
    "bert_keras/modeling/supervised.py",
    "bert_keras/saving/build.py",
    "bert_keras/saving/config_json.py",
    "bert_keras/tasks/",
    "bert_keras/tokenization/",
    "tests/modeling/test_supervised.py",
    "tests/tasks/",
)
# Text that is data: another letter would move measured values.
DATA = ("bert_keras/export/samples.py", "tests/golden/", "LICENSE", "tests/test_prose.py")

# The beginnings of British spellings; the names of TensorFlow and Keras are American.
BRITISH = re.compile(
    r"(?:normal|recogn|serial|minim|maxim|optim|initial|material|final|util|vector|parallel|general"
    r"|summar|organ|random|synchron|categor|standard|memor|real|emphas)is(?:e|ing|ation)"
    r"|(?:neighb|hon|col|behavi|flav|fav|lab)our(?!g)|label(?:led|ling)|centred|\bmetres?\b"
    r"|(?:model|signal|cancel|travel)ling\b|signalled|catalogue|\bgrey",
    re.IGNORECASE,
)
FIRST = re.compile(r"(?:What|How|Which|Where|Whether|Who|When|Why)\b")


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
    return [found.group() for found in BRITISH.finditer(text)]


def beginning_otherwise(name, text):
    """The first lines of docstrings that are neither noun phrases nor imperatives."""
    if not name.endswith(".py") or name.startswith("tests/"):
        return []
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    lines = [(ast.get_docstring(node) or "").split("\n")[0] for node in nodes]
    return [line for line in lines if FIRST.match(line)]


def test_words_are_spelled_one_way(texts):
    wrong = {n: spelled_otherwise(t) for n, t in texts.items() if not n.startswith(NOT_YET)}
    assert {name: words for name, words in wrong.items() if words} == {}


def test_a_docstring_begins_with_a_noun_phrase_or_an_imperative(texts):
    wrong = {n: beginning_otherwise(n, t) for n, t in texts.items() if not n.startswith(NOT_YET)}
    assert {name: lines for name, lines in wrong.items() if lines} == {}


@pytest.mark.parametrize("place", NOT_YET)
def test_what_is_not_gone_over_yet_has_something_to_mend(texts, place):
    there = {name: text for name, text in texts.items() if name.startswith(place)}
    assert any(spelled_otherwise(t) or beginning_otherwise(n, t) for n, t in there.items())


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
