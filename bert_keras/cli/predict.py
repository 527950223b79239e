"""``bert-keras predict``: a model's answers to texts."""

import argparse
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import (
    add_command,
    add_model,
    add_task_arguments,
    existing_model,
    name_of_data,
    task_settings,
    utf8_text,
)
from bert_keras.cli.console import console, errors, progress, short, start_tensorflow, table
from bert_keras.errors import InputError

if TYPE_CHECKING:
    from bert_keras.tasks import AnsweringTask

_logger = logging.getLogger("bert_keras")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "predict",
        run,
        "answer texts with a fine-tuned model: labels, entities or answers",
        "  bert-keras predict runs/sst2 'a fine film' 'a waste of time'\n"
        "  bert-keras predict runs/mrpc 'He left.' --pair 'He went away.'\n"
        "  bert-keras predict runs/squad 'Who left?' --pair 'Anna left, Bert stayed.'\n"
        "  bert-keras predict runs/swag 'She opens the door.' --pair 'She' \\\n"
        "      --choice 'walks in.' --choice 'is made of wood.'\n"
        "  bert-keras predict runs/sst2 --input reviews.tsv --json > answers.json\n"
        "  bert-keras predict runs/sst2 --input reviews.csv --out answers.csv\n"
        "  bert-keras predict runs/squad --input dev-v2.0.json --out predictions.json\n"
        "  cat reviews.txt | bert-keras predict runs/sst2 --input -",
    )
    add_model(parser)
    parser.add_argument(
        "texts", nargs="*", type=utf8_text, metavar="TEXT", help="texts, or questions"
    )
    parser.add_argument(
        "--pair",
        action="append",
        type=utf8_text,
        metavar="TEXT",
        help="the second text of each TEXT, in their order: the one a question is about; of "
        "multiple choice what stands before the choices, such as a question",
    )
    parser.add_argument(
        "--choice",
        action="append",
        type=utf8_text,
        metavar="TEXT",
        help="multiple choice: one of the choices for the TEXT, of which there is one; repeat it",
    )
    parser.add_argument(
        "--input",
        type=name_of_data,
        metavar="FILE",
        help="*.txt, a text a line; *.tsv, *.csv or *.jsonl, whose labels are ignored; '-' reads "
        "lines. Every row gets an answer, in order; a row without text gets null",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the answers, with row, id (where the input has one) and text, to a new *.csv, "
        "*.tsv or *.jsonl, or, of a span model, to a *.json, as SQuAD's scorers read it",
    )
    parser.add_argument(
        "--null-odds",
        type=Path,
        metavar="FILE",
        help="write each question's no_answer_score of a span model to a new *.json: the "
        "--na-prob-file of SQuAD 2.0's scorer",
    )
    add_task_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    """Answer the texts and print the answers."""
    if bool(options.texts) == bool(options.input):
        raise InputError("predict takes texts, or --input FILE; give one of the two")
    if options.null_odds and options.null_odds.suffix.lower() != ".json":
        raise InputError(f"--null-odds takes a .json file. Received: {options.null_odds}")
    if options.pair and len(options.pair) != len(options.texts):
        raise InputError(
            f"give a --pair for each TEXT. Received: {len(options.texts)} texts, "
            f"{len(options.pair)} pairs"
        )
    if options.choice and len(options.texts) != 1:
        raise InputError(
            "--choice goes with one TEXT; a .jsonl as --input has several, with their choices. "
            f"Received: {len(options.texts)} texts"
        )
    directory = existing_model(options.model)
    start_tensorflow()
    from bert_keras.saving import load
    from bert_keras.tasks import answer_rows, answering, numbered, task_of
    from bert_keras.tasks.answer_files import check_fits, check_is_new
    from bert_keras.tasks.reading import place, shown_name

    files = [path for path in (options.out, options.null_odds) if path]
    for path in files:
        check_is_new(path)
    model = load(directory, packed=True)
    task = answering(task_of(model, **task_settings(options)))
    for path in files:
        check_fits(path, task)
    if options.input:
        examples = task.read_texts(options.input)
        if name := examples[0].where.id_name:
            _logger.info(
                "%s: the column %r is taken for the rows' id", shown_name(options.input), name
            )
    else:
        pairs = options.pair or [None] * len(options.texts)
        examples = [
            replace(task.from_text(text, pair), where=place(f"text {number}", number, {}))
            for number, (text, pair) in enumerate(zip(options.texts, pairs, strict=True), start=1)
        ]
        if options.choice:
            examples = [task.with_choices(example, options.choice) for example in examples]
    with progress("answering", "steps") as advance:
        answers = answer_rows(model, task, examples, options.batch_size, advance)
    _write(options, task, examples, answers)
    if options.json:
        # Readable where the characters can be written; escaped by JSON's own rules elsewhere.
        is_utf8 = (sys.stdout.encoding or "utf-8").lower() in ("utf-8", "utf8")
        predictions = numbered(examples, answers)
        print(json.dumps({"predictions": predictions}, ensure_ascii=not is_utf8))
    elif not options.out:
        _show(task, examples, answers, bool(options.input))


def _write(
    options: argparse.Namespace, task: "AnsweringTask", examples: list[Any], answers: list[Any]
) -> None:
    """Write the files that were asked for."""
    from bert_keras.tasks.answer_files import write_answers, write_by_question

    if options.out:
        write_answers(options.out, task, examples, answers)
        errors.print(f"{len(answers):,} answers: {options.out}", soft_wrap=True)
    if options.null_odds:
        scores = [answer["no_answer_score"] if answer else 0.0 for answer in answers]
        write_by_question(options.null_odds, examples, scores)


def _show(task: "AnsweringTask", examples: list[Any], answers: list[Any], is_file: bool) -> None:
    """Print the answers as a table, with the rows' numbers where they are a file's."""
    rows = []
    for example, found in zip(examples, answers, strict=True):
        none = ["(no text)", *[""] * (len(task.columns) - 1)]
        text, *rest = task.row(example, found) if found else none
        rows.append([*([str(example.where.number)] if is_file else []), short(text), *rest])
    console.print(table("", [*(["row"] if is_file else []), *task.columns], rows))
