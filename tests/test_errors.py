"""The hint of what to install: names that others own, or the checkout; never our own name."""

import importlib.metadata
import re
import shlex
import tomllib

import pytest

from bert_keras.errors import install_command


@pytest.fixture
def extras(repository):
    """The optional features, as ``pyproject.toml`` declares them."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"]


@pytest.mark.parametrize("extra", ["tfds", "zh", "beam", "mobile", "serving", "parity"])
def test_what_an_extra_stands_for_is_named(extra, extras):
    pip, install, *named = shlex.split(install_command(extra))
    assert (pip, install) == ("pip", "install")
    bare = [re.match(r"[\w-]+", requirement)[0] for requirement in named]
    assert bare == [re.match(r"[\w-]+", requirement)[0] for requirement in extras[extra]]


def test_a_checkout_that_is_not_installed_is_installed_from_where_it_lies(monkeypatch):
    def not_found(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", not_found)
    assert install_command("zh") == "pip install '.[zh]'"
