"""``bert-keras mine``: hard negatives for the training of a sentence encoder."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import add_command, add_model, at_least, existing_model, name_of_data
from bert_keras.cli.console import console, progress, start_tensorflow, table
from bert_keras.cli.encoding import TEXTS_HELP, add_reading, open_encoder, passages
from bert_keras.errors import InputError
from bert_keras.files import refuse_existing

if TYPE_CHECKING:
    from bert_keras.retrieval.mine import Mined
    from bert_keras.retrieval.pairs import Texts
    from bert_keras.tasks.reading.groups import GroupExample


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "mine",
        run,
        "find hard negatives for pairs, by a sentence encoder",
        "  bert-keras mine all-MiniLM-L6-v2 --pairs pairs.jsonl --relative-margin 0.05 "
        "--out hard.jsonl\n"
        "  bert-keras mine runs/search --pairs pairs.csv --documents corpus.jsonl \\\n"
        "      --negatives 5 --margin 0.1 --max-score 0.8 --out hard.jsonl\n"
        "  bert-keras finetune configs/finetune/contrastive.toml --model all-MiniLM-L6-v2 \\\n"
        "      --train hard.jsonl --workdir runs/search\n\n"
        "Each anchor gets the documents that the model finds nearest to it and that are not one\n"
        "of its positives. An unlabeled document that is right, too, would teach the opposite:\n"
        "--relative-margin 0.05 leaves out all that score above 95 % of the positive's score, a\n"
        "good start; --margin, --max-score and --from-rank are other guards. Scores are cosines.",
    )
    add_model(parser)
    parser.add_argument(
        "--pairs",
        type=name_of_data,
        required=True,
        metavar="FILE",
        help="what the task contrastive reads: *.jsonl, *.csv or *.tsv with anchor (or query) and "
        "positive. The positives of other pairs are documents, and so are negatives that are there",
    )
    parser.add_argument(
        "--documents", type=name_of_data, metavar="FILE", help=f"more documents: {TEXTS_HELP}"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.jsonl",
        help="a new file with a row for each pair: anchor, positive, and negatives, a list",
    )
    _add_rules(parser)
    parser.add_argument(
        "--only-found",
        action="store_true",
        help='leave out the pairs without any negative, which data.loss = "triplet" refuses',
    )
    parser.add_argument(
        "--ignore-column",
        action="append",
        default=[],
        dest="ignore_columns",
        metavar="NAME",
        help="leave out this column or field of the pairs, which is not known; may be repeated",
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_rules(parser: argparse.ArgumentParser) -> None:
    """The options that are the fields of ``Rules``."""
    parser.add_argument(
        "--negatives",
        type=at_least(1),
        default=3,
        metavar="N",
        help="for each anchor at most (default: 3)",
    )
    parser.add_argument(
        "--margin",
        type=float,
        metavar="X",
        help="a negative's score is at least X below that of the anchor's lowest positive",
    )
    parser.add_argument(
        "--relative-margin",
        type=float,
        metavar="X",
        help="the same as a share of that positive's score: 0.05 for 5 %% below it",
    )
    parser.add_argument(
        "--max-score", type=float, metavar="X", help="a negative's score is at most X"
    )
    parser.add_argument(
        "--min-score", type=float, metavar="X", help="a negative's score is at least X"
    )
    parser.add_argument(
        "--from-rank",
        type=at_least(0),
        default=0,
        metavar="N",
        help="leave out the N nearest of those that pass, too (default: 0)",
    )
    parser.add_argument(
        "--to-rank",
        type=at_least(1),
        metavar="N",
        help="look at the N nearest documents, and as many more as the most positives that an "
        "anchor has (default: as many as are needed or, with a margin or --max-score, 10 times "
        "--negatives)",
    )


def run(options: argparse.Namespace) -> None:
    """Find the negatives and write the file."""
    if options.out.suffix.lower() != ".jsonl":
        raise InputError(f"--out: pairs are written as .jsonl. Received: {options.out}")
    refuse_existing(options.out)
    directory = existing_model(options.model)
    start_tensorflow()
    from bert_keras.retrieval.mine import Rules, find_negatives
    from bert_keras.retrieval.pairs import texts_of
    from bert_keras.retrieval.search import embed_documents, embed_queries
    from bert_keras.tasks.reading.groups import read_group_examples, write_group_examples

    rules = Rules(**{field.name: getattr(options, field.name) for field in fields(Rules)})
    pairs = read_group_examples(options.pairs, tuple(options.ignore_columns))
    documents = [text for pair in pairs for text in pair.negatives]
    if options.documents:
        documents += [passage.text for passage in passages(options.documents, options, "left out")]
    texts = texts_of([(pair.anchor, pair.positive) for pair in pairs], documents)
    model = open_encoder(directory)
    size = options.batch_size
    with progress("embedding the anchors", "steps") as advance:
        anchors = embed_queries(model, texts.anchors, size, advance)
    with progress("embedding the documents", "steps") as advance:
        vectors = embed_documents(model, texts.documents, size, advance)
    with progress("searching", "steps") as advance:
        mined = find_negatives(texts, anchors, vectors, rules, advance)
    rows = _with_negatives(pairs, texts, mined)
    if options.only_found:
        rows = [row for row in rows if row.negatives]
    summary = _summary(rows, texts, mined, options.negatives)
    if not any(row.negatives for row in rows):
        why = _why_fewer(options, summary)
        raise InputError(f"no anchor has a negative that passes; loosen the rules: {why}")
    write_group_examples(options.out, rows)
    if options.json:
        print(json.dumps({"out": str(options.out)} | summary))
    else:
        _show(options, summary)


def _with_negatives(
    pairs: "list[GroupExample]", texts: "Texts", mined: "Mined"
) -> "list[GroupExample]":
    """The pairs, with what was found for their anchors behind the negatives that they have."""
    from dataclasses import replace

    found = [[texts.documents[number] for number in row] for row in mined.numbers]
    return [
        replace(pair, negatives=tuple(dict.fromkeys([*pair.negatives, *found[anchor]])))
        for pair, anchor in zip(pairs, texts.anchor_of, strict=True)
    ]


def _summary(
    rows: "list[GroupExample]", texts: "Texts", mined: "Mined", negatives: int
) -> dict[str, Any]:
    """The counts and the mean scores."""
    counts = [len(row) for row in mined.numbers]
    scores = [score for row in mined.scores for score in row]
    is_short = [count < negatives for count in counts]
    return {
        "pairs": len(rows),
        "anchors": len(texts.anchors),
        "documents": len(texts.documents),
        "negatives": sum(counts),
        "mean_score": {
            "positives": float(mined.positive_scores.mean()),
            "negatives": sum(scores) / len(scores) if scores else None,
        },
        "looked_at": mined.depth,
        "fewer": {
            "anchors": sum(is_short),
            "none": counts.count(0),
            "left_out": {name: int(row[is_short].sum()) for name, row in mined.left_out.items()},
        },
    }


def _show(options: argparse.Namespace, summary: dict[str, Any]) -> None:
    """Print the summary."""
    score = summary["mean_score"]
    found = summary["negatives"]
    of_negatives = "" if score["negatives"] is None else f"{score['negatives']:.4f}"
    rows = [
        ["positives", "", f"{score['positives']:.4f}"],
        ["negatives", f"{found / summary['anchors']:.2f}", of_negatives],
    ]
    title = (
        f"{summary['anchors']:,} anchors, {summary['documents']:,} documents, {found:,} negatives"
    )
    console.print(table(title, ["", "for each anchor", "mean score"], rows))
    if summary["fewer"]["anchors"]:
        console.print(_why_fewer(options, summary))
    console.print(f"{summary['pairs']:,} pairs with their negatives: {options.out}")


def _why_fewer(options: argparse.Namespace, summary: dict[str, Any]) -> str:
    """A line on the anchors with fewer negatives than were asked for."""
    fewer, looked_at = summary["fewer"], summary["looked_at"]
    none = f" ({fewer['none']:,} have none)" if fewer["none"] else ""
    reasons = [
        f"--{name.replace('_', '-')} {getattr(options, name):g} left out {count:,}"
        for name, count in fewer["left_out"].items()
        if count
    ]
    why = f", {', '.join(reasons)}" if reasons else ""
    more = "; raise --to-rank to look at more" if looked_at < summary["documents"] else ""
    return (
        f"{fewer['anchors']:,} anchors have fewer than {options.negatives} negatives{none}: of the "
        f"{looked_at:,} nearest documents of each{why}{more}"
    )
