"""The public face: what ``bert_keras`` exports, and that all of it is documented."""

import ast
import inspect
import re
import subprocess
import sys
from typing import Any

import pytest

import bert_keras

NAMES = [name for name in bert_keras.__all__ if name != "__version__"]


def test_import_brings_no_tensorflow():
    code = "import sys, bert_keras; assert not {'tensorflow', 'keras', 'numpy'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_type_checkers_see_the_same_names_from_the_same_homes(repository):
    tree = ast.parse((repository / "bert_keras" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    homes = {name: f"bert_keras.{home}" for name, home in bert_keras._HOMES.items()}
    assert {alias.asname: node.module for node in block.body for alias in node.names} == homes


def test_no_name_is_a_folder_s_too(repository):
    """Importing the folder would put it in the place of the name."""
    folders = {path.stem for path in (repository / "bert_keras").iterdir()}
    assert not folders & set(NAMES)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Bert'"):
        bert_keras.Bert  # noqa: B018


def _docstrings(value: Any) -> list[str]:
    """The docstring, and those of a class's bases that are ours, which tell the rest."""
    classes = value.__mro__ if isinstance(value, type) else [value]
    return [
        inspect.cleandoc(each.__doc__)
        for each in classes
        if each.__module__.startswith("bert_keras") and each.__doc__
    ]


@pytest.mark.parametrize("name", NAMES)
def test_first_line_is_a_sentence(name):
    first, _, rest = _docstrings(getattr(bert_keras, name))[0].partition("\n")
    assert first[0].isupper() or first.startswith("``[")
    assert first[-1] == "."
    assert rest.startswith("\n"), "an empty line follows"


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_told(name):
    value = getattr(bert_keras, name)
    if isinstance(value, type) and value.__init__ is Exception.__init__:
        return
    told = re.findall(r"^    \**(\w+): ", "\n".join(_docstrings(value)), re.MULTILINE)
    assert inspect.signature(value).parameters.keys() - {"args"} <= set(told)


@pytest.mark.parametrize("name", NAMES)
def test_no_model_of_a_signature_is_any(name):
    value = getattr(bert_keras, name)
    if not isinstance(value, type):
        model = inspect.signature(value).parameters.get("model")
        assert model is None or model.annotation is not Any
