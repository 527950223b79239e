"""``bert-keras search``: the documents that are most like a query."""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import (
    add_command,
    add_model,
    at_least,
    existing_model,
    name_of_data,
    utf8_text,
)
from bert_keras.cli.console import console, progress, short, start_tensorflow, table
from bert_keras.cli.encoding import TEXTS_HELP, add_reading, open_encoder, passages
from bert_keras.cli.reranking import add_reranking, candidates_of, open_ranker, rerank
from bert_keras.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from bert_keras.modeling import BertForSentenceEmbedding
    from bert_keras.retrieval.exact import Measure
    from bert_keras.retrieval.index import Index
    from bert_keras.tasks.reading.beir import Passage

_TOP = 10


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "search",
        run,
        "find the documents that are most like a query, by a sentence encoder",
        "  bert-keras search all-MiniLM-L6-v2 --documents texts.txt --query 'who has a cat?'\n"
        "  bert-keras search all-MiniLM-L6-v2 --documents texts.csv --queries asked.txt --top 3 "
        "--json\n"
        "  bert-keras search all-MiniLM-L6-v2 --documents scifact/corpus.jsonl \\\n"
        "      --queries scifact/queries.jsonl --judgements scifact/qrels/test.tsv\n"
        "  bert-keras search all-MiniLM-L6-v2 --documents texts.txt --query 'who has a cat?' \\\n"
        "      --rerank ms-marco-MiniLM-L6-v2\n"
        "  bert-keras search all-MiniLM-L6-v2 --documents millions.txt --index millions.index \\\n"
        "      --queries asked.txt",
    )
    add_model(parser)
    parser.add_argument(
        "--documents", type=name_of_data, required=True, metavar="FILE", help=TEXTS_HELP
    )
    parser.add_argument(
        "--query",
        action="append",
        type=utf8_text,
        metavar="TEXT",
        help="what to look for; may be repeated",
    )
    parser.add_argument(
        "--queries", type=name_of_data, metavar="FILE", help=f"{TEXTS_HELP}; '-' reads lines"
    )
    parser.add_argument(
        "--top", type=at_least(1), metavar="N", help=f"documents for each query (default: {_TOP})"
    )
    parser.add_argument(
        "--judgements",
        type=name_of_data,
        metavar="FILE",
        help="print the measures of the search instead: recall, MRR, nDCG and MAP. A table as "
        "BEIR's qrels/test.tsv, with the columns query-id, corpus-id and score; documents and "
        "queries need ids",
    )
    add_reranking(parser)
    parser.add_argument(
        "--index",
        type=Path,
        metavar="DIR",
        help="for millions of documents: keep their vectors in an index, which the first search "
        "makes and later ones use; a few of the best documents may be missed. A search that was "
        "broken off leaves DIR.unfinished, and the same one goes on from there. Needs faiss",
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    """Search and print what was found, or how good it is."""
    if bool(options.query) == bool(options.queries):
        raise InputError("search takes --query TEXT or --queries FILE; give one of the two")
    if any(not query.strip() for query in options.query or ()):
        raise InputError("--query is blank: nothing is like it")
    if options.judgements and (options.query or options.top):
        raise InputError(
            "--judgements goes with --queries FILE, and looks at the first 100 documents: leave "
            "out --query and --top"
        )
    candidates_of(options, options.top or _TOP)
    directory = existing_model(options.model)
    if options.rerank:
        existing_model(options.rerank)
    start_tensorflow()
    from bert_keras.retrieval.index import check_installed, check_new
    from bert_keras.retrieval.measures import DEPTH

    if options.index:
        check_installed()
        if not os.path.lexists(options.index):
            check_new(options.index)

    documents = passages(options.documents, options, "left out")
    queries = _queries(options)
    judgements = _judgements(options, queries, documents)
    if judgements:
        queries = [query for query in queries if str(query.where.id) in judgements]
    top = DEPTH if judgements else options.top or _TOP
    ranker = open_ranker(options.rerank) if options.rerank else None
    count = candidates_of(options, top)
    scores, numbers = _search(directory, documents, queries, count, options)
    rankings = [numbers]
    if ranker:
        scores, numbers = rerank(ranker, queries, documents, numbers, options)
        rankings.append(numbers)
        scores, numbers = scores[:, :top], numbers[:, :top]
    if judgements:
        _print_measures(judgements, documents, queries, rankings, options.json)
    elif options.json:
        _print_json(documents, queries, scores, numbers)
    else:
        for query, row, found in zip(queries, scores, numbers, strict=True):
            rows = [
                [f"{score:.4f}", _name(documents[number]), short(documents[number].text)]
                for score, number in zip(row, found, strict=True)
            ]
            console.print(table(query.text, ["score", "document", "text"], rows))


def _queries(options: argparse.Namespace) -> "list[Passage]":
    """The queries of the file or of the options."""
    from bert_keras.tasks.reading import place
    from bert_keras.tasks.reading.beir import Passage

    if options.queries:
        return passages(options.queries, options, "refused")
    return [
        Passage(text, place(f"query {number}", number, {}))
        for number, text in enumerate(options.query, start=1)
    ]


def _judgements(
    options: argparse.Namespace, queries: "list[Passage]", documents: "list[Passage]"
) -> dict[str, dict[str, int]]:
    """The judgements, if they were asked for."""
    from bert_keras.tasks.reading.beir import ids_of, read_judgements, scores_by_query

    if not options.judgements:
        return {}
    known = set(ids_of(queries)), set(ids_of(documents))
    return scores_by_query(read_judgements(options.judgements, *known))


def _search(
    directory: Any,
    documents: "list[Passage]",
    queries: "list[Passage]",
    top: int,
    options: argparse.Namespace,
) -> "tuple[np.ndarray, np.ndarray]":
    """The scores and the numbers of the documents for each query."""
    from bert_keras.retrieval.exact import top_k
    from bert_keras.retrieval.search import (
        embed_documents,
        embed_queries,
        exact_measure,
        measure_of,
    )

    model = open_encoder(directory)
    batch_size = options.batch_size
    texts = [document.text for document in documents]
    # First, so that one of something else is refused before anything is embedded.
    index = _index(directory, model, texts, measure_of(model), options) if options.index else None
    asked = embed_queries(model, [query.text for query in queries], batch_size)
    if index:
        return index.top_k(asked, top)
    with progress("embedding", "steps") as advance:
        vectors = embed_documents(model, texts, batch_size, advance)
    with progress("searching", "steps") as advance:
        return top_k(asked, vectors, top, exact_measure(model), advance)


def _index(
    directory: Path,
    model: "BertForSentenceEmbedding",
    texts: list[str],
    measure: "Measure",
    options: argparse.Namespace,
) -> "Index":
    """The index of the documents, which is made if it is not there."""
    from bert_keras.retrieval.index import open_index, write_index
    from bert_keras.retrieval.search import document_prompt
    from bert_keras.retrieval.unfinished import describe, drop_leftover, hash_texts, kept_rows
    from bert_keras.saving.fingerprint import fingerprint

    made_from = {"model": fingerprint(directory), "documents": hash_texts(texts)}
    size, prompt = options.batch_size, document_prompt(model)
    about = describe(texts, {"model": made_from["model"], "prompt": prompt, "batch_size": size})
    if os.path.lexists(options.index):
        index = open_index(options.index, measure, made_from)
        drop_leftover(options.index, about)
        return index

    def embed(piece: "Sequence[str]") -> "np.ndarray":
        return model.embed(piece, size, prompt=prompt)

    with ExitStack() as kept:  # a search that is broken off leaves the vectors to the next
        with progress("embedding", "steps") as advance:
            rows = kept_rows(options.index, texts, embed, model.dimensions, about, advance)
            vectors = kept.enter_context(rows)
        with progress("indexing", "steps") as advance:
            return write_index(options.index, vectors, measure, made_from, advance)


def _name(passage: "Passage") -> str:
    """The id of a document or, without one, its row."""
    return str(passage.where.number if passage.where.id is None else passage.where.id)


def _numbered(passage: "Passage") -> dict[str, Any]:
    where = passage.where
    return {"row": where.number} | ({} if where.id is None else {"id": where.id})


def _print_json(
    documents: "list[Passage]",
    queries: "list[Passage]",
    scores: "np.ndarray",
    numbers: "np.ndarray",
) -> None:
    """Print what was found, as the rows and ids of the files."""
    results = [
        _numbered(query)
        | {
            "query": query.text,
            "found": [
                _numbered(documents[number])
                | {"score": float(score), "text": documents[number].text}
                for score, number in zip(row, found, strict=True)
            ],
        }
        for query, row, found in zip(queries, scores, numbers, strict=True)
    ]
    # Readable where the characters can be written; escaped by JSON's own rules elsewhere.
    is_utf8 = (sys.stdout.encoding or "utf-8").lower() in ("utf-8", "utf8")
    print(json.dumps({"results": results}, ensure_ascii=not is_utf8))


def _print_measures(
    judgements: dict[str, dict[str, int]],
    documents: "list[Passage]",
    queries: "list[Passage]",
    rankings: "list[np.ndarray]",
    as_json: bool,
) -> None:
    """Print the measures of the rankings: the search's and, where there is one, the ranker's."""
    from bert_keras.retrieval.measures import measure_rankings

    ids = [str(document.where.id) for document in documents]
    measures = [
        measure_rankings(
            {
                str(query.where.id): [ids[number] for number in found]
                for query, found in zip(queries, numbers, strict=True)
            },
            judgements,
        )
        for numbers in rankings
    ]
    if as_json:
        counts = {"queries": len(queries), "documents": len(documents)}
        before = {"before": measures[0]} if len(measures) > 1 else {}
        print(json.dumps({"measures": measures[-1]} | before | counts))
        return
    title = f"{len(queries):,} queries with judgements, {len(documents):,} documents"
    rows = [[name, *(f"{each[name]:.4f}" for each in measures)] for name in measures[0]]
    header = ["measure", "mean"] if len(measures) == 1 else ["measure", "before", "after"]
    console.print(table(title, header, rows))
