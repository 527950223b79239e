"""``bert-keras export``: a model as a file that others run."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from bert_keras.cli.arguments import CommandParser, add_command, at_least, model_path
from bert_keras.cli.console import console, errors, progress, start_tensorflow, table
from bert_keras.config.export import SERVED_WEIGHTS, ExportConfig
from bert_keras.config.toml import load_toml

_EXAMPLES = (
    "  bert-keras export saved-model runs/sst2 served/sst2\n"
    "  bert-keras export saved-model runs/mrpc served/mrpc --pair --weights bfloat16"
)


def add_parser(subparsers: Any) -> None:
    """Adds the command and what it exports to."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as a file that others run: TF Serving",
        description="Write a model as a file that others run.",
        epilog=f"examples:\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = parser.add_subparsers(
        title="formats", metavar="FORMAT", required=True, parser_class=CommandParser
    )
    _add_saved_model(formats)


def _add_saved_model(formats: Any) -> None:
    parser = add_command(
        formats,
        "saved-model",
        run_saved_model,
        "write a SavedModel for TF Serving: text in, answers out",
        _EXAMPLES,
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a model directory, or a run's work directory"
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the folder of the versions; the next is OUT/N"
    )
    parser.add_argument(
        "--max-length",
        type=at_least(5),
        metavar="N",
        help="longest sequence in tokens (default: what the model reads at most)",
    )
    parser.add_argument(
        "--weights", choices=SERVED_WEIGHTS, help="the weights' type (default: float32)"
    )
    parser.add_argument(
        "--pair", action="store_true", default=None, help="the model answers pairs of texts"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with a table [saved_model]"
    )


def run_saved_model(options: argparse.Namespace) -> None:
    """Exports and prints how the export was proven."""
    config = load_toml(ExportConfig, options.config) if options.config else ExportConfig()
    given = {name: getattr(options, name) for name in ("max_length", "weights", "pair")}
    given = {name: value for name, value in given.items() if value is not None}
    settings = replace(config.saved_model, **given)
    directory = model_path(options.model)
    start_tensorflow()
    from bert_keras.checkpoints import load
    from bert_keras.export import export_saved_model

    with progress("reading", "bytes") as advance:
        model = load(directory, on_progress=advance)
    with errors.status("exporting, and comparing with Keras"):
        report = export_saved_model(model, None, options.out, settings)
    compared = report["comparison_with_keras"]
    rows = [
        ["weights", f"{report['weights']['type']}, {report['weights']['bytes'] / 1e6:.1f} MB"],
        ["signatures", ", ".join(report["signatures"])],
        ["compared with Keras", f"{compared['texts']} texts, {compared['tokens']:,} tokens"],
        ["tokens that differ", str(compared["tokens_that_differ"])],
        ["largest difference", f"{compared['largest_difference']:.2g}"],
        ["other answers", str(sum(compared["other_answers"].values()))],
    ]
    console.print(f"{report['version']}: a {report['model']}")
    console.print(table("", ["", ""], rows))
