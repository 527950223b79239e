"""``bert-keras convert``: a model from one layout to another."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import MODEL_HELP, add_command, open_model
from bert_keras.cli.console import console, errors
from bert_keras.contents import paths_below
from bert_keras.files import refuse_existing

if TYPE_CHECKING:
    from bert_keras.modeling.model import BertModel

_LAYER = re.compile(r"layer_\d+")
# Files that are written anew: the architecture, the weights, the vocabulary and their lists.
_CONVERTED = (
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
_POOLING = ("sentence_*_config.json", "?_Pooling", "?_Dense", "?_Normalize")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
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
    """Convert the model and print what went where."""
    refuse_existing(options.out)
    from bert_keras.tokenization import Casing

    casing = Casing(do_lower_case=options.casing == "uncased") if options.casing else None
    model = open_model(options.source, casing=casing)
    from bert_keras.saving import save

    with errors.status(f"writing {options.out}"):
        save(model, options.out, format=options.to)
    console.print(f"{model.report.source} to {options.to}: a {type(model).__name__}")
    for line in _lines(model.report.loaded):
        console.print(line)
    if model.report.left_out:
        console.print(f"left out: {', '.join(model.report.left_out)}")
    if options.to == "google" and model.config.activation == "gelu_erf":
        console.print(
            "note: the model computes GELU by erf, Google's code by tanh: outputs there will "
            "differ by about 0.001; bert-keras still computes erf"
        )
    count = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    kept, left = _other_files(options.source, options.out, model)
    if kept:
        console.print(f"kept: {', '.join(kept)}")
    if left:
        console.print(f"left behind: {', '.join(left)}")
    console.print(f"{options.out}: {count:,} parameters, {_described_tokenizer(model)}")


def _described_tokenizer(model: "BertModel") -> str:
    from bert_keras.tokenization import WordPieceTokenizer

    tokenizer = model.tokenizer
    if tokenizer is None:
        return "without tokenizer"
    kind = ""
    if isinstance(tokenizer, WordPieceTokenizer):
        added = f"{len(tokenizer.added)} added tokens, " if tokenizer.added else ""
        kind = f"{tokenizer.casing.name}, {added}"
    return f"with tokenizer: {kind}texts up to {model.default_length} tokens"


def _other_files(source: Path, out: Path, model: "BertModel") -> tuple[list[str], list[str]]:
    """The names in a source's folder, but for converted files: those kept, those left behind."""
    from bert_keras.tokenization import WordPieceTokenizer

    if not source.is_dir():
        return [], []
    if out.is_dir():
        written = {path.name for path in out.iterdir()}
    else:  # one file, which holds these
        written = {"tokenizer_config.json", *model.other_files}
        if isinstance(model.tokenizer, WordPieceTokenizer):
            written |= set(model.tokenizer.files.companions)
            written |= {"tokenizer.json"} if model.tokenizer.added else set()
        written |= (
            {"modules.json", "sentence_bert_config.json"} if hasattr(model, "embed") else set()
        )
    converted = [*_CONVERTED, *(_POOLING if "modules.json" in written else ())]
    kept: list[str] = []
    left: list[str] = []
    for path in sorted(source.iterdir()):
        if path.name.startswith(".") or any(path.match(pattern) for pattern in converted):
            continue
        files = sum(file.is_file() for file in paths_below(path)) if path.is_dir() else 0
        shown = f"{path.name}/ ({files} {'file' if files == 1 else 'files'})"
        (kept if path.name in written else left).append(shown if path.is_dir() else path.name)
    return kept, left


def _lines(weights: list[tuple[str, str, tuple[int, ...]]]) -> list[str]:
    """A table of the weights, with one row for those that differ in the layer's number alone."""
    counts: dict[tuple[str, str, str], int] = {}
    for in_file, in_model, shape in weights:
        if _LAYER.match(in_model):
            in_file = re.sub(r"(layers?[._/]|layer_with_weights-)\d+", r"\1*", in_file)
            in_model = _LAYER.sub("layer_*", in_model)
        row = (in_file, in_model, " x ".join(map(str, shape)) or "1")
        counts[row] = counts.get(row, 0) + 1
    rows = [("weight in the file", "weight in the model", "shape", "times")]
    rows += [(*row, str(count)) for row, count in counts.items()]
    first, second, third, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [f"{a:<{first}}  {b:<{second}}  {c:>{third}}  {d:>5}" for a, b, c, d in rows]
