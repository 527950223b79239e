"""The opening of a sentence encoder, and of the texts that it reads, for several commands."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bert_keras.cli.arguments import at_least, open_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from bert_keras.modeling import BertForSentenceEmbedding
    from bert_keras.modeling.model import BertModel
    from bert_keras.tasks.reading.beir import Blanks, Passage

Kind = TypeVar("Kind", bound="BertModel")

TEXTS_HELP = (
    "*.txt, a text a line; *.tsv, *.csv or *.jsonl; of BEIR's corpus.jsonl and queries.jsonl title "
    "and text are read as one"
)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """--text-column, --header and --batch-size."""
    parser.add_argument(
        "--text-column",
        default="",
        metavar="NAME",
        help="the column of the texts: its name or, without a header, its number",
    )
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether a table's first row is its header (default: when it has a known name)",
    )
    parser.add_argument(
        "--batch-size", type=at_least(1), default=32, help="texts at a time (default: 32)"
    )


def passages(source: str, options: argparse.Namespace, blanks: "Blanks") -> "list[Passage]":
    """The texts of a file; see ``read_passages``."""
    from bert_keras.tasks.reading.beir import read_passages

    return read_passages(source, options.text_column, options.header, blanks)


def open_encoder(path: Path) -> "BertForSentenceEmbedding":
    """The sentence encoder that MODEL names.

    Raises:
        InputError: When it is another kind of model, or has no tokenizer.
    """
    from bert_keras.retrieval.search import as_encoder

    return open_as(path, as_encoder)


def open_as(path: Path, check: "Callable[[BertModel], Kind]") -> "Kind":
    """The model of a directory for reading texts, once ``check`` has found it of its kind.

    Raises:
        InputError: When it cannot be opened, is of another kind, or has no tokenizer.
    """
    model = check(open_model(path, packed=True))
    model.tokenizer_or()
    return model
