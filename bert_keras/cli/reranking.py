"""The second stage of a search: a cross-encoder orders the documents that were found first."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bert_keras.cli.arguments import at_least
from bert_keras.cli.console import progress
from bert_keras.cli.encoding import open_as
from bert_keras.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from bert_keras.modeling import BertForSequenceClassification
    from bert_keras.tasks.reading.beir import Passage

CANDIDATES = 100  # that of bert_keras.tasks.search, whose import brings TensorFlow


def add_reranking(parser: argparse.ArgumentParser) -> None:
    """--rerank and --candidates."""
    parser.add_argument(
        "--rerank",
        type=Path,
        metavar="MODEL",
        help="a cross-encoder, which reads the query with each document found, and orders them; "
        "with --judgements the measures before and after",
    )
    parser.add_argument(
        "--candidates",
        type=at_least(1),
        metavar="N",
        help=f"how many documents of each query it reads (default: {CANDIDATES})",
    )


def candidates_of(options: argparse.Namespace, top: int) -> int:
    """The number of documents that are to be found first.

    Raises:
        InputError: When the options do not go together.
    """
    if not options.rerank:
        if options.candidates:
            raise InputError("--candidates N is how many documents --rerank MODEL reads: give both")
        return top
    number: int = options.candidates or CANDIDATES
    if number < top and not options.judgements:
        raise InputError(
            f"--rerank orders {number} documents (--candidates), and --top asks for {top}: raise "
            "--candidates"
        )
    return max(number, top)


def open_ranker(path: Path) -> "BertForSequenceClassification":
    """The cross-encoder that --rerank names.

    Raises:
        InputError: When it is another kind of model, or has no tokenizer.
    """
    from bert_keras.tasks.rank import as_ranker

    return open_as(path, as_ranker)


def rerank(
    ranker: "BertForSequenceClassification",
    queries: "list[Passage]",
    documents: "list[Passage]",
    numbers: "np.ndarray",
    options: argparse.Namespace,
) -> "tuple[np.ndarray, np.ndarray]":
    """The scores of the candidates in falling order, and the numbers of all documents found.

    Args:
        ranker: The cross-encoder.
        queries: The queries.
        documents: All documents.
        numbers: Those that were found for each query, the best first, [Q, N].
        options: Of the command.

    Returns:
        float32 [Q, C], where C is the number of the candidates, and int64 [Q, N]: the candidates by
        these scores, and behind them the other documents as they were found.
    """
    import numpy as np

    from bert_keras.tasks.rank import reranked

    found, behind = np.split(numbers, [options.candidates or CANDIDATES], axis=1)
    asked, texts = ([passage.text for passage in side] for side in (queries, documents))
    with progress("reranking", "steps") as advance:
        scores, ordered = reranked(ranker, asked, texts, found, options.batch_size, advance)
    return scores, np.concatenate([ordered, behind], axis=1)
