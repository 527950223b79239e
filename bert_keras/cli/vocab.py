"""``bert-keras vocab``: learn word pieces, or a tokenizer of byte-level BPE or Unigram."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command, add_inputs, at_least, casing, start_tensorflow_for
from bert_keras.cli.console import console, progress
from bert_keras.errors import InputError
from bert_keras.files import atomic_directory, refuse_existing

# The sizes of BERT's, RoBERTa's and ALBERT's vocabularies (the last is 30,000).
SIZES = {"wordpiece": 30522, "bpe": 50265, "unigram": 30000}


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "vocab",
        run,
        "learn a vocabulary from text",
        "  bert-keras vocab texts/ --out vocab.txt\n"
        "  bert-keras vocab 'news/*.txt' --out vocab.txt --size 8000 --cased\n"
        "  bert-keras vocab texts/ --kind bpe --out tokenizer",
    )
    add_inputs(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the file to write; of bpe and unigram the folder to make",
    )
    parser.add_argument(
        "--kind",
        choices=tuple(SIZES),
        default="wordpiece",
        help="word pieces as BERT's (the default), byte-level BPE as RoBERTa's, or Unigram as "
        "XLM-R's; the latter two keep capitals, with --cased and without",
    )
    parser.add_argument(
        "--size",
        type=at_least(11),
        help="entries at most (default: "
        + ", ".join(f"{size} for {kind}" for kind, size in SIZES.items())
        + ")",
    )


def run(options: argparse.Namespace) -> None:
    """Learn the vocabulary and write it, but never over another file."""
    refuse_existing(options.out)
    start_tensorflow_for(options.inputs)
    size = options.size or SIZES[options.kind]
    if options.kind == "wordpiece":
        learn(options.inputs, options.out, size, options.cased, options.text_column)
    else:
        _learn_tokenizer(options, size)


def learn(inputs: list[str], out: Path, size: int, cased: bool, text_column: str = "text") -> None:
    """Learn at most ``size`` word pieces from the inputs and write them to ``out``."""
    from bert_keras.corpus.sources import read_lines
    from bert_keras.tokenization import learn_vocabulary, write_vocabulary

    with progress("reading", unit="bytes") as advance:
        lines = read_lines(inputs, on_progress=advance, text_column=text_column)
        vocabulary = learn_vocabulary(lines, size, casing(argparse.Namespace(cased=cased)))
    write_vocabulary(out, vocabulary)
    console.print(f"{out}: {len(vocabulary):,} word pieces")


def _learn_tokenizer(options: argparse.Namespace, size: int) -> None:
    """Learn a tokenizer of another kind, and write its folder."""
    from bert_keras.corpus.sources import read_lines
    from bert_keras.tokenization import learn_subwords

    if options.out.suffix in (".txt", ".json"):
        raise InputError(
            f"--out is a folder for {options.kind}, which has two files. Received: {options.out}"
        )
    with progress("reading", unit="bytes") as advance:
        lines = read_lines(options.inputs, on_progress=advance, text_column=options.text_column)
        tokenizer = learn_subwords(lines, size, options.kind)
    with atomic_directory(options.out) as folder:
        tokenizer.save(folder)
    console.print(f"{options.out}: {tokenizer.vocab_size:,} tokens of {options.kind}")
