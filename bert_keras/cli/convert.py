"""``bert-keras convert``: a model from one layout to another."""

import argparse
import re
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import MODEL_HELP, add_command, existing_model
from bert_keras.cli.console import console, errors, progress, start_tensorflow
from bert_keras.files import refuse_existing

_LAYER = re.compile(r"layer_\d+")
# Files that become others: the architecture, the weights, the vocabulary and their lists.
_TURNED = (
    "config.json",
    "bert_config.json",
    "params.yaml",
    "model*.safetensors",
    "model.safetensors.index.json",
    "checkpoint",
    "*.index",
    "*.data-?????-of-?????",
    "vocab.txt",
    "model.weights.h5",
    "metadata.json",
    "assets",
)
_POOLING = ("sentence_*_config.json", "?_Pooling", "?_Normalize")


def add_parser(subparsers: Any) -> None:
    """Adds the command."""
    parser = add_command(
        subparsers,
        "convert",
        run,
        "write a model in another layout, every weight of it",
        "  bert-keras convert uncased_L-12_H-768_A-12/ model/\n"
        "  bert-keras convert model/ google/ --to google\n"
        "  bert-keras convert runs/first model.keras --to keras\n"
        "  bert-keras convert runs/first@2000 model/",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="IN",
        help="a TensorFlow checkpoint's name, a .keras file, "
        f"{MODEL_HELP}. Directories: Hugging Face, Google, TF Model Garden, keras-hub",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="what to write; must not be there")
    parser.add_argument(
        "--to",
        choices=("huggingface", "google", "keras"),
        default="huggingface",
        help="the layout (default: huggingface)",
    )
    casing = parser.add_mutually_exclusive_group()
    for name, what in (("cased", "keeps capitals and accents"), ("uncased", "lower-cases")):
        casing.add_argument(
            f"--{name}",
            action="store_const",
            const=name,
            dest="casing",
            help=f"the tokenizer {what}, whatever IN says or its vocabulary seems to be",
        )


def run(options: argparse.Namespace) -> None:
    """Converts, and prints what went where."""
    refuse_existing(options.out)
    source = existing_model(options.source)
    start_tensorflow()
    from bert_keras.saving import load, save
    from bert_keras.tokenization import Casing, WordPieceTokenizer

    casing = Casing(do_lower_case=options.casing == "uncased") if options.casing else None
    with progress("reading", "bytes") as advance:
        model = load(source, casing=casing, on_progress=advance)
    with errors.status(f"writing {options.out}"):
        save(model, options.out, format=options.to)
    console.print(f"{model.report.source} to {options.to}: a {type(model).__name__}")
    for line in _lines(model.report.taken):
        console.print(line)
    if model.report.left_out:
        console.print(f"left out: {', '.join(model.report.left_out)}")
    if options.to == "google" and model.config.activation == "gelu_erf":
        console.print(
            "note: the model computes GELU by erf, Google's code by tanh: outputs there will "
            "differ by about 0.001; bert-keras goes on with erf"
        )
    count = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    tokenizer = "without tokenizer"
    if model.tokenizer is not None:
        is_wordpiece = isinstance(model.tokenizer, WordPieceTokenizer)
        kind = f"{model.tokenizer.casing.name}, " if is_wordpiece else ""
        tokenizer = f"with tokenizer: {kind}texts up to {model.default_length} tokens"
    kept, left = _beside_the_weights(source, options.out, model)
    if kept:
        console.print(f"kept: {', '.join(kept)}")
    if left:
        console.print(f"left behind: {', '.join(left)}")
    console.print(f"{options.out}: {count:,} parameters, {tokenizer}")


def _beside_the_weights(source: Path, out: Path, model: Any) -> tuple[list[str], list[str]]:
    """The names in a source's folder that were kept, and those that were left behind."""
    if not source.is_dir():
        return [], []
    if out.is_dir():
        written = {path.name for path in out.iterdir()}
    else:  # one file, which holds these
        written = {"tokenizer_config.json", *model.other_files}
        written |= set(model.tokenizer.files.companions) if model.tokenizer else set()
        written |= (
            {"modules.json", "sentence_bert_config.json"} if hasattr(model, "embed") else set()
        )
    turned = [*_TURNED, *(_POOLING if "modules.json" in written else ())]
    kept: list[str] = []
    left: list[str] = []
    for path in sorted(source.iterdir()):
        if path.name.startswith(".") or any(path.match(pattern) for pattern in turned):
            continue
        files = sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 0
        shown = f"{path.name}/ ({files} {'file' if files == 1 else 'files'})"
        (kept if path.name in written else left).append(shown if path.is_dir() else path.name)
    return kept, left


def _lines(taken: list[tuple[str, str, tuple[int, ...]]]) -> list[str]:
    """A table with one row for what only the layer's number tells apart, no name cut short."""
    counts: dict[tuple[str, str, str], int] = {}
    for theirs, ours, shape in taken:
        if _LAYER.match(ours):
            theirs = re.sub(r"(layers?[._/]|layer_with_weights-)\d+", r"\1*", theirs)
            ours = _LAYER.sub("layer_*", ours)
        row = (theirs, ours, " x ".join(map(str, shape)) or "1")
        counts[row] = counts.get(row, 0) + 1
    rows = [("weight in the file", "weight in the model", "shape", "times")]
    rows += [(*row, str(count)) for row, count in counts.items()]
    first, second, third, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [f"{a:<{first}}  {b:<{second}}  {c:>{third}}  {d:>5}" for a, b, c, d in rows]
