"""The generated reference has every command, every key of a recipe and every public name."""

import dataclasses
import importlib.util

import pytest

import bert_keras
from bert_keras import config
from bert_keras.__main__ import build_parser
from bert_keras.tasks.registry import TASKS
from tests.conftest import REPOSITORY

KINDS = {
    "pretrain": config.PretrainConfig,
    "finetune": config.FinetuneConfig,
    "export": config.ExportConfig,
}


@pytest.fixture(scope="module")
def reference():
    """The module that writes it."""
    path = REPOSITORY / "docs" / "hooks" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_has_its_options_and_its_examples(reference):
    page = reference.commands()
    parsers = list(reference.leaves(build_parser()))
    names = [parser.prog for parser in parsers]
    assert "bert-keras pretrain" in names
    assert "bert-keras export tflite" in names
    for parser in parsers:
        section = page.split(f"## {parser.prog}\n")[1].split("\n## ")[0]
        for action in parser._actions[1:]:  # after --help
            for option in action.option_strings:
                assert f"`{option}" in section, (parser.prog, option)
            assert action.help, (parser.prog, action.dest)
        assert f"```sh\n{parser.prog}" in section


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_recipe_has_default_and_meaning(kind, reference):
    page = reference.recipe(kind)
    for name, cls, keys in reference.tables(KINDS[kind]):
        told = reference.meanings(cls)
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        for key in keys:
            assert told.get(key), (name, key)
            if isinstance(defaults[key], (int, float)) and not isinstance(defaults[key], bool):
                assert f"| `{key}` | `{defaults[key]!r}` |" in page, (name, key)
            assert f"| `{key}` |" in page


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_are_those_of_the_recipe(kind, reference):
    """Counted apart from the generator: by what a resolved recipe holds."""
    page = reference.recipe(kind)
    for table, values in config.all_values(KINDS[kind]()).items():
        section = page.split(f"## `[{table}]`")[1].split("\n## ")[0]
        for key in values:
            assert f"| `{key}` |" in section, (table, key)


def test_every_task_has_its_keys(reference):
    page = reference.recipe("finetune")
    assert len(TASKS) > 5
    for name, task in TASKS.items():
        section = page.split(f'`[data]`, task = "{name}"')[1].split("\n## ")[0]
        assert all(f"| `{key}` |" in section for key in task.recipe_keys())


def test_citations_stand_in_a_column_of_their_own(reference):
    row = next(r for r in reference.recipe("pretrain").splitlines() if r.startswith("| `preset`"))
    assert row.endswith("| Devlin et al. 2019, section 3; Turc et al. 2019, table 1 |")


def test_every_public_name_is_on_one_page(reference):
    found = [name for page in reference.HOMES for name in reference.names_of(page)]
    assert sorted(found) == sorted(set(bert_keras.__all__) - {"__version__"})
    for page in reference.HOMES:
        text = (REPOSITORY / "docs" / "reference" / "api" / f"{page}.md").read_text()
        assert f"\n<!-- api {page} -->\n" in text
