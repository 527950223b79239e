"""``bert-keras embed``: the vectors of texts, in a file."""

import argparse
import json
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import (
    add_command,
    add_model,
    at_least,
    existing_model,
    name_of_data,
    utf8_text,
)
from bert_keras.cli.console import console, progress, start_tensorflow
from bert_keras.cli.encoding import TEXTS_HELP, add_reading, open_encoder, passages
from bert_keras.errors import InputError

# Those of bert_keras.retrieval.precision, whose import brings NumPy.
PRECISIONS = ("float32", "float16", "int8", "binary")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "embed",
        run,
        "write the vectors of texts, by a sentence encoder, to a NumPy file",
        "  bert-keras embed all-MiniLM-L6-v2 'a cat sits' 'a kitten sits' --out vectors.npy\n"
        "  bert-keras embed all-MiniLM-L6-v2 --input texts.txt --out vectors.npy\n"
        "  bert-keras embed e5-small --input corpus.jsonl --prompt 'passage: ' --out vectors.npy\n"
        "  bert-keras embed runs/pairs --input texts.csv --text-column body --precision int8 \\\n"
        "      --out vectors.npy\n"
        "  cat texts.txt | bert-keras embed all-MiniLM-L6-v2 --input - --out vectors.npy\n\n"
        "A command that was broken off leaves vectors.npy.unfinished; the same command goes on\n"
        "from there.",
    )
    add_model(parser)
    parser.add_argument("texts", nargs="*", type=utf8_text, metavar="TEXT", help="texts")
    parser.add_argument(
        "--input", type=name_of_data, metavar="FILE", help=f"{TEXTS_HELP}; '-' reads lines"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.npy",
        help="a new file with a row for each text, in their order",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="the numbers of the file (default: float32). int8 also writes FILE.ranges.npy, each "
        "dimension's lowest and highest value; binary has 8 dimensions in a byte",
    )
    parser.add_argument(
        "--prompt-name",
        type=utf8_text,
        metavar="NAME",
        help="which of the model's prompts to read before each text, such as document (default: "
        "its default prompt)",
    )
    parser.add_argument(
        "--prompt", type=utf8_text, metavar="TEXT", help="the prompt itself; '' for none"
    )
    parser.add_argument(
        "--dimensions",
        type=at_least(1),
        metavar="N",
        help="how many of each vector's dimensions, the first ones, for a model that was trained "
        "for it (default: the model's own)",
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    """Embed the texts and write the file."""
    if bool(options.texts) == bool(options.input):
        raise InputError("embed takes texts, or --input FILE; give one of the two")
    if options.prompt is not None and options.prompt_name is not None:
        raise InputError("give --prompt or --prompt-name, not both")
    for number, text in enumerate(options.texts, start=1):
        if not text.strip():
            raise InputError(f"text {number} is blank: a text needs words to have a vector")
    directory = existing_model(options.model)
    from bert_keras.retrieval.vectors import check_new, write_vectors

    check_new(options.out, options.precision)
    start_tensorflow()
    from bert_keras.saving.fingerprint import fingerprint

    texts = options.texts
    if options.input:
        texts = [passage.text for passage in passages(options.input, options, "kept")]
    model = open_encoder(directory)
    prompt = options.prompt
    if prompt is None:
        prompt = model.prompt(options.prompt_name)
    made_with = {
        "model": fingerprint(directory),
        "prompt": prompt,
        "batch_size": options.batch_size,
    }
    dimensions = model.checked_dimensions(options.dimensions)
    with progress("embedding", "steps") as advance:
        write_vectors(
            options.out,
            texts,
            lambda piece: model.embed(
                piece, options.batch_size, prompt=prompt, dimensions=dimensions
            ),
            dimensions,
            options.precision,
            made_with,
            advance,
        )
    if options.json:
        values = {"texts": len(texts), "dimensions": dimensions, "precision": options.precision}
        print(json.dumps({"vectors": str(options.out)} | values))
    else:
        console.print(f"{len(texts):,} vectors of {dimensions} dimensions: {options.out}")
