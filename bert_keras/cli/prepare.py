"""``bert-keras prepare``: text to a corpus directory."""

import argparse
import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import (
    add_command,
    add_inputs,
    at_least,
    casing,
    name_of_data,
    start_tensorflow_for,
)
from bert_keras.cli.console import console, progress, table
from bert_keras.errors import InputError

if TYPE_CHECKING:
    from bert_keras.corpus import CorpusReport

# The two lengths that BERT was trained at; the report says for each what an epoch shows.
LENGTHS = (128, 512)


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "prepare",
        run,
        "turn text into a corpus: documents, sentences, word-piece ids",
        "  bert-keras prepare texts/ --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare pydocs --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare sentences.txt --split blank-line --vocab vocab.txt --out corpus\n"
        "  bert-keras prepare web.jsonl.zst tfds:ag_news_subset:train:description "
        "--drop-duplicates \\\n    --vocab vocab.txt --out corpus --workers 2\n"
        "  bert-keras prepare 'gs://mine/texts/*.jsonl' --vocab vocab.txt --out corpus \\\n"
        "      --beam DataflowRunner --beam-parts gs://mine/parts \\\n"
        "      --beam-options '--project=mine --region=us-central1 --temp_location=gs://mine/tmp'",
    )
    add_inputs(parser)
    parser.add_argument(
        "--vocab", type=Path, required=True, help="a vocab.txt, a model's folder, or hf://ORG/NAME"
    )
    parser.add_argument("--out", type=Path, required=True, help="the corpus directory to make")
    parser.add_argument(
        "--split",
        choices=("file", "blank-line"),
        default="file",
        help="what a document is: a file (record, row, example), or a block between blank lines, "
        "whose lines are sentences, as in the original code",
    )
    parser.add_argument(
        "--sentences",
        choices=("auto", "lines"),
        help="how sentences are found: automatically (auto, the default), or one a line (lines, "
        "the default with --split blank-line)",
    )
    parser.add_argument(
        "--drop-duplicates",
        action="store_true",
        help="leave out documents that nearly repeat an earlier one (takes 128 MiB, whatever their "
        "number)",
    )
    parser.add_argument(
        "--chinese-words",
        action="store_true",
        help="find the words of Chinese text, for masking whole words (needs jieba)",
    )
    parser.add_argument(
        "--workers", type=at_least(1), default=1, help="processes that tokenize (default: 1)"
    )
    _add_beam(parser)


def _add_beam(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "on many machines", "the same bytes through Apache Beam (needs apache-beam)"
    )
    group.add_argument(
        "--beam",
        metavar="RUNNER",
        help="Beam's runner, such as DirectRunner, DataflowRunner, FlinkRunner or SparkRunner; a "
        "file goes to one worker, and inputs may be globs such as gs://bucket/*.jsonl",
    )
    group.add_argument(
        "--beam-options", default="", metavar="OPTIONS", help="the runner's own options, in quotes"
    )
    group.add_argument(
        "--beam-parts",
        type=name_of_data,
        metavar="DIR",
        help="a folder that all machines see, for the workers' files (default: next to OUT)",
    )


def run(options: argparse.Namespace) -> None:
    """Prepare the corpus and print what is in it."""
    start_tensorflow_for(options.inputs)
    report = _prepare(options)
    rows = {
        "documents": f"{report.documents:,}",
        "sentences": f"{report.sentences:,}",
        "word pieces": f"{report.tokens:,}",
        "unknown words": f"{report.unknown_share:.2%} of the word pieces",
        "their characters": f"{report.unknown_character_share:.2%} of the characters",
        "in sentences longer than 512": f"{report.long_sentence_share:.2%} of the word pieces",
        "empty documents skipped": f"{report.empty_documents:,}",
        "near duplicates dropped": f"{report.duplicate_documents:,}",
        "bytes replaced (not UTF-8)": f"{report.replaced_bytes:,}",
        "rate": f"{report.tokens / report.seconds:,.0f} word pieces a second",
    }
    if not options.drop_duplicates:
        del rows["near duplicates dropped"]
    rows |= _epochs(options.out)
    console.print(table(f"Corpus {options.out}", ["", ""], rows.items()))


def _epochs(corpus: Path) -> dict[str, str]:
    """The share of a corpus that an epoch of next-sentence pairs would show, with warnings."""
    from bert_keras.config import DataConfig
    from bert_keras.corpus import Corpus
    from bert_keras.data.coverage import summarize_epoch

    texts = Corpus.open(corpus)
    rows = {}
    for length in LENGTHS:
        summary = summarize_epoch(texts, DataConfig(max_seq_length=length))
        rows[f"shown by an epoch, length {length}"] = (
            f"{summary.token_share:.1%} of them, {summary.random_share:.0%} of its pairs random"
        )
        for line in summary.warnings() if length == LENGTHS[0] else ():
            logging.getLogger("bert_keras").warning("%s", line)
    return rows


def _prepare(options: argparse.Namespace) -> "CorpusReport":
    """Prepare the corpus on this machine, or on Beam's; both take the same settings."""
    settings: dict[str, Any] = {
        "vocab": options.vocab,
        "out": options.out,
        "casing": casing(options),
        "split": options.split,
        "text_column": options.text_column,
        "sentences": options.sentences,
        "drop_duplicates": options.drop_duplicates,
        "chinese_words": options.chinese_words,
    }
    if options.beam:
        try:
            runner = [f"--runner={options.beam}", *shlex.split(options.beam_options)]
        except ValueError as error:
            raise InputError(f"--beam-options: {error}. Received: {options.beam_options}") from None
        from bert_keras.corpus.beam import prepare_corpus_on_beam

        return prepare_corpus_on_beam(
            options.inputs, parts=options.beam_parts, options=runner, **settings
        )
    from bert_keras.corpus import prepare_corpus

    with progress("preparing", unit="bytes") as advance:
        return prepare_corpus(
            options.inputs, workers=options.workers, on_progress=advance, **settings
        )
