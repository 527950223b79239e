"""``bert-keras prepare``: text to a corpus directory."""

import argparse
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import add_command, add_inputs, at_least, casing, start_tensorflow_for
from bert_keras.cli.console import console, progress, table


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "prepare",
        run,
        "turn text into a corpus: documents, sentences, word-piece ids",
        "  bert-keras prepare texts/ --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare pydocs --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare wiki.txt --split blank-line --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare web.jsonl.zst tfds:ag_news_subset:train:description "
        "--drop-duplicates \\\n    --vocab vocab.txt --out corpus --workers 2",
    )
    add_inputs(parser)
    parser.add_argument("--vocab", type=Path, required=True, help="a vocab.txt")
    parser.add_argument("--out", type=Path, required=True, help="the corpus directory to make")
    parser.add_argument(
        "--split",
        choices=("file", "blank-line"),
        default="file",
        help="what a document is: a file (JSON line, example), or a block between blank lines as "
        "in the original code",
    )
    parser.add_argument(
        "--drop-duplicates",
        action="store_true",
        help="leave out documents that nearly repeat an earlier one (takes 128 MiB, however many "
        "there are)",
    )
    parser.add_argument(
        "--chinese-words",
        action="store_true",
        help="find the words of Chinese text, for masking whole words (needs bert-keras[zh])",
    )
    parser.add_argument(
        "--workers", type=at_least(1), default=1, help="processes that tokenize (default: 1)"
    )


def run(options: argparse.Namespace) -> None:
    """Prepares the corpus and reports what is in it."""
    from bert_keras.corpus import prepare_corpus

    start_tensorflow_for(options.inputs)
    with progress("preparing", unit="bytes") as advance:
        report = prepare_corpus(
            options.inputs,
            vocab=options.vocab,
            out=options.out,
            casing=casing(options),
            split=options.split,
            workers=options.workers,
            drop_duplicates=options.drop_duplicates,
            on_progress=advance,
            chinese_words=options.chinese_words,
        )
    rows = {
        "documents": f"{report.documents:,}",
        "sentences": f"{report.sentences:,}",
        "word pieces": f"{report.tokens:,}",
        "unknown words": f"{report.unknown_share:.2%} of the word pieces",
        "empty documents skipped": f"{report.empty_documents:,}",
        "near duplicates dropped": f"{report.duplicate_documents:,}",
        "bytes replaced (not UTF-8)": f"{report.replaced_bytes:,}",
        "rate": f"{report.tokens / report.seconds:,.0f} word pieces a second",
    }
    if not options.drop_duplicates:
        del rows["near duplicates dropped"]
    console.print(table(f"Corpus {options.out}", ["", ""], rows.items()))
