"""Names of files on the command line: which arguments take one, and what none of them takes."""

import argparse

import pytest

from bert_keras.__main__ import build_parser, run as main
from bert_keras.cli.arguments import name_of_data

# Options that take text, a number, a choice or a setting; every other argument names a file.
NO_FILES = {
    "text", "texts", "pair", "set", "text_column", "text_pair_column", "label_column",
    "word_column", "tag_column", "label_separator", "ignore_labels", "ignore_columns",
    "beam", "beam_options",
    "max_accuracy_drop", "no_answer_threshold", "casing", "minutes",
}  # fmt: skip


def commands(parser, words=()):
    """Each command's words and parser, those below ``export`` too."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        return [(words, parser)]
    return [
        found
        for name, child in below[0].choices.items()
        for found in commands(child, (*words, name))
    ]


def takes_name(action):
    is_text = action.nargs != 0 and not action.choices and action.dest not in NO_FILES
    return is_text and (action.type is None or action.type is name_of_data or action.type.__name__
                        in ("Path", "name_of_data"))  # fmt: skip


FILES = [
    (words, action)
    for words, parser in commands(build_parser())
    for action in parser._actions
    if takes_name(action)
]


def command_with(words, given, name):
    """A command line in which one argument is ``name``, and the others are well-formed."""
    parser = dict(commands(build_parser()))[words]
    options, positionals = [], []
    for action in parser._actions:
        value = name if action.dest == given.dest else "1"
        if not action.option_strings and action.nargs != "*":
            positionals.append(value)
        elif action.option_strings and (action.required or action.dest == given.dest):
            options += [action.option_strings[0], value]
    return [*words, *positionals, *options]


@pytest.mark.parametrize("name", ["", " "])
@pytest.mark.parametrize(
    ("words", "action"), FILES, ids=[f"{'-'.join(w)}-{a.dest}" for w, a in FILES]
)
def test_an_empty_name_of_a_file_is_refused_in_one_line(
    words, action, name, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(command_with(words, action, name)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    given = action.option_strings[0] if action.option_strings else action.metavar or action.dest
    assert line == f"bert-keras: {given} is an empty name; is a shell variable unset?"
    assert list(tmp_path.iterdir()) == []


def test_the_arguments_that_name_files_are_those_that_are_known():
    names = {f"{' '.join(words)} {action.dest}" for words, action in FILES}
    assert {"finetune dev", "finetune workdir", "prepare inputs", "prepare beam_parts",
            "export tflite prune_vocab", "convert source", "predict input"} <= names  # fmt: skip
    assert all(action.type is not None for _, action in FILES)
