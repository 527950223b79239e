"""The generated parts of the reference: commands, keys of recipes, and the public names."""

import argparse
import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

_CITATION = re.compile(r" ?\(((?:[A-Z][\w-]+(?: et al\.| and [A-Z]\w+)?,? \d{4}[^()]*))\)")


def commands() -> str:
    """Every command with its usage, arguments and examples, from its parser."""
    from bert_keras.__main__ import build_parser

    return "\n\n".join(_command(parser) for parser in leaves(build_parser()))


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of the commands that have no subcommands."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for choice in action.choices.values():
            yield from leaves(choice)


def _command(parser: argparse.ArgumentParser) -> str:
    rows = [
        [name_of(action), _default(action), _plain(action, parser)]
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    parts = [f"## {parser.prog}", parser.description or ""]
    if rows:
        parts.append(table(["argument", "default", "meaning"], rows))
    examples = inspect.cleandoc((parser.epilog or "").removeprefix("examples:\n"))
    return "\n\n".join([*parts, f"```sh\n{examples}\n```"])


def name_of(action: argparse.Action) -> str:
    """An argument as one writes it: its options, and what follows them."""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices:
        value = " or ".join(map(str, action.choices))
    if not action.option_strings:
        return f"`{value}`" + (" …" if action.nargs in ("+", "*") else "")
    return ", ".join(f"`{o} {value}`".replace(" `", "`") for o in action.option_strings)


def _default(action: argparse.Action) -> str:
    if action.required and action.nargs != "*":
        return "*required*"
    if action.default in (None, False, "", [], argparse.SUPPRESS):
        return ""
    return f"`{action.default}`"


def _plain(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """The help of an argument, with what Markdown would take for markup escaped."""
    text = (action.help or "") % ({"prog": parser.prog} | vars(action))
    return re.sub(r"([*_<>\[\]`\\])", r"\\\1", text)


def recipe(kind: str) -> str:
    """Every key of the recipes of a kind, from the dataclasses of their tables."""
    from bert_keras import config

    root = {
        "pretrain": config.PretrainConfig,
        "finetune": config.FinetuneConfig,
        "export": config.ExportConfig,
    }[kind]
    return "\n\n".join(_table(name, cls, keys) for name, cls, keys in tables(root))


def tables(root: type) -> Iterator[tuple[str, type, list[str]]]:
    """The tables of a recipe: their name, the class that documents them, and their keys."""
    from bert_keras.config import PhaseConfig, TaskDataConfig
    from bert_keras.tasks.registry import TASKS

    for field in dataclasses.fields(root):
        cls: Any = field.default_factory if field.type is not TaskDataConfig else TaskDataConfig
        if cls is TaskDataConfig:
            yield field.name, cls, cls.own_keys()
            for name, task in TASKS.items():
                yield f'{field.name} where task = "{name}"', task, task.recipe_keys()
            continue
        yield field.name, cls, [f.name for f in dataclasses.fields(cls)]
        if any(f.name == "phases" for f in dataclasses.fields(cls)):
            keys = [f.name for f in dataclasses.fields(PhaseConfig)]
            yield f"{field.name}.phases", PhaseConfig, keys


def _table(name: str, cls: type, keys: list[str]) -> str:
    first = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
    first = re.sub(r"^``\[\w+\]``: (.)", lambda match: match[1].upper(), first)
    told, by_name = meanings(cls), {f.name: f for f in dataclasses.fields(cls)}
    rows = [[f"`{key}`", _value(by_name[key]), *_with_source(told[key])] for key in keys]
    table_name, _, where = name.partition(" where ")
    title = f"## `[{table_name}]`" + (f", {where}" if where else "")
    return f"{title}\n\n{first}\n\n{table(['key', 'default', 'meaning', 'source'], rows)}"


def meanings(cls: type) -> dict[str, str]:
    """The meaning of each field, from the docstrings of a dataclass and its bases."""
    from bert_keras.config import BertConfig, ModelConfig

    told: dict[str, str] = {}
    classes = [*cls.__mro__, BertConfig] if cls is ModelConfig else cls.__mro__
    for each in classes:
        text = inspect.cleandoc(each.__doc__ or "")
        _, _, section = text.partition("\nAttributes:\n")
        for match in re.finditer(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            told.setdefault(match[1], " ".join(match[2].split()))
    return told


def _with_source(meaning: str) -> tuple[str, str]:
    """A meaning without its citations, and these."""
    return _CITATION.sub("", meaning), "; ".join(_CITATION.findall(meaning))


def _value(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        has_default = field.default_factory is not dataclasses.MISSING
        return "" if has_default else "*required*"
    if value is None or value in ("", ()):
        return "*left out*"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return f"`{text}`".replace("'", '"')


HOMES = {
    "models": ("modeling",),
    "saving": ("saving",),
    "tokenizers": ("tokenization",),
    "corpora": ("corpus", "data"),
    "tasks": ("tasks",),
    "search": ("retrieval",),
    "training": ("training", "optimizers"),
    "exports": ("export",),
    "settings": ("config",),
    "errors": ("errors",),
}


# What all tasks have in common is told once, on their page; tokenizers share a base.
OPTIONS = {"tasks": "members: false", "tokenizers": "inherited_members: true"}


def api(page: str) -> str:
    """The documentation of the public names of a page, for mkdocstrings."""
    options = f"\n    options:\n      {OPTIONS[page]}" if page in OPTIONS else ""
    return "\n\n".join(
        f"::: bert_keras.{name}{options if name[0].isupper() else ''}" for name in names_of(page)
    )


def names_of(page: str) -> list[str]:
    """The public names whose home is told on a page of ``docs/reference/api/``."""
    import bert_keras

    homes = bert_keras._HOMES
    return sorted(n for n, home in homes.items() if home.partition(".")[0] in HOMES[page])


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in r)} |" for r in lines)
