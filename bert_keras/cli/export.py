"""``bert-keras export``: a model as a file that others run."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from bert_keras.cli.arguments import (
    CommandParser,
    add_command,
    add_max_length,
    add_model,
    at_least,
    decision_line,
    name_of_data,
    open_model,
    recipe_file,
)
from bert_keras.cli.console import console, errors, table, without_notes
from bert_keras.cli.finetune import DATA_HELP
from bert_keras.config.export import (
    INPUTS,
    QUANTIZATIONS,
    SERVED_WEIGHTS,
    ExportConfig,
    SavedModelConfig,
    TFLiteConfig,
)
from bert_keras.config.toml import load_toml

Settings = TypeVar("Settings", SavedModelConfig, TFLiteConfig)

_EXAMPLES = (
    "  bert-keras export saved-model runs/sst2 served/sst2\n"
    "  bert-keras export saved-model runs/mrpc served/mrpc --weights bfloat16"
)
_TFLITE_EXAMPLES = (
    "  bert-keras export tflite runs/sst2 sst2.tflite --quantize dynamic --data dev.tsv\n"
    "  bert-keras export tflite runs/sst2 sst2.tflite --quantize int8 --length 64 \\\n"
    "      --data dev.tsv --max-accuracy-drop 0.5"
)


def add_parser(subparsers: Any) -> None:
    """Add the command and its formats."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as a file that others run: TF Serving, phones",
        description="Write a model as a file that others run.",
        epilog=f"examples:\n{_EXAMPLES}\n{_TFLITE_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = parser.add_subparsers(
        title="formats", metavar="FORMAT", required=True, parser_class=CommandParser
    )
    _add_saved_model(formats)
    _add_tflite(formats)


def _add_saved_model(formats: Any) -> None:
    parser = add_command(
        formats,
        "saved-model",
        run_saved_model,
        "write a SavedModel for TF Serving: text in, answers out",
        _EXAMPLES,
    )
    add_model(parser)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the folder of the versions; the next is OUT/N"
    )
    add_max_length(parser)
    parser.add_argument(
        "--weights", choices=SERVED_WEIGHTS, help="the weights' type (default: float32)"
    )
    parser.add_argument(
        "--input",
        choices=INPUTS,
        help="what it takes as input: text, or tokens, ids by TensorFlow's own operations alone "
        "(default: text where the tokenizer is of word pieces, else tokens)",
    )
    parser.add_argument(
        "--pair",
        action=argparse.BooleanOptionalAction,
        help="the model answers pairs of texts (default: as it was trained)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with a table [saved_model]"
    )


_SAVED_MODEL_SETTINGS = ("max_length", "weights", "input", "pair")


def run_saved_model(options: argparse.Namespace) -> None:
    """Export the model and print how it compares with Keras."""
    given = {name: getattr(options, name) for name in _SAVED_MODEL_SETTINGS}
    settings = _with_given(_config(options).saved_model, given)
    model = open_model(options.model)
    from bert_keras.export import export_saved_model

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
    rows.append(
        ["rows in a request", f"{report['batching']['max_batch_size']} at most, as batched"]
    )
    if "decision" in report:
        rows.append(["decides by", decision_line(report["decision"])])
    if report["python_packages"]:
        imports = f"import {', '.join(report['python_packages'])}"
        rows.append(["from Python", f"{imports}, then tf.saved_model.load"])
    console.print(f"{report['version']}: a {report['model']}")
    console.print(table("", ["", ""], rows))
    if own := compared["own_length"]:
        length = report["settings"]["max_length"]
        console.print(
            f"at the model's own {own['length']} tokens {own['other_answers']} of {own['texts']} "
            f"built-in texts have other answers than at {length}, which cuts {own['cut']} of them: "
            f"{own['not_read'] / own['tokens']:.1%} of all tokens are not read"
        )


def _config(options: argparse.Namespace) -> ExportConfig:
    if not options.config:
        return ExportConfig()
    return load_toml(ExportConfig, recipe_file(options.config))


def _with_given(settings: Settings, given: dict[str, Any]) -> Settings:
    """The table's settings with the options that were given."""
    return replace(settings, **{name: v for name, v in given.items() if v is not None})


def _add_tflite(formats: Any) -> None:
    parser = add_command(
        formats,
        "tflite",
        run_tflite,
        "write a TFLite file for phones, measured against Keras",
        _TFLITE_EXAMPLES,
    )
    add_model(parser)
    parser.add_argument("out", type=Path, metavar="OUT.tflite", help="the file")
    parser.add_argument(
        "--quantize", choices=QUANTIZATIONS, help="how the weights are quantized (default: none)"
    )
    parser.add_argument(
        "--input", choices=INPUTS, help="what the file takes as input (default: tokens, as ids)"
    )
    parser.add_argument(
        "--pair",
        action=argparse.BooleanOptionalAction,
        help="with --input text: pairs of texts (default: as it was trained)",
    )
    parser.add_argument(
        "--length",
        type=_length,
        metavar="N|dynamic",
        help="tokens of every sequence (default: what the model was trained at; where it does not "
        "say, 128 or what it reads at most)",
    )
    parser.add_argument(
        "--data",
        type=name_of_data,
        metavar="FILE",
        help=f"the examples that are measured on: {DATA_HELP}",
    )
    parser.add_argument(
        "--prune-vocab",
        type=name_of_data,
        metavar="FILE",
        help="leave out the word pieces that this text of the task does not use",
    )
    parser.add_argument(
        "--max-accuracy-drop",
        type=float,
        metavar="POINTS",
        help="fail when the metric falls by more percentage points, counted from the model at its "
        "own length",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with a table [tflite]"
    )


def _length(text: str) -> int | str:
    return text if text == "dynamic" else at_least(5)(text)


_length.__name__ = "whole number, or 'dynamic'"  # argparse names it in its message


_TFLITE_SETTINGS = ("quantize", "input", "pair", "prune_vocab", "max_accuracy_drop")


def run_tflite(options: argparse.Namespace) -> None:
    """Export the model and print what it costs compared with Keras."""
    given = {name: getattr(options, name) for name in _TFLITE_SETTINGS}
    is_dynamic = options.length == "dynamic"
    # A length that is given is a fixed one, whatever the file says.
    given |= {
        "length": None if is_dynamic else options.length,
        "dynamic": None if options.length is None else is_dynamic,
    }
    settings = _with_given(_config(options).tflite, given)
    model = open_model(options.model)
    from bert_keras.export import export_tflite
    from bert_keras.export.tflite.measure import table_rows

    errors.print("converting, and measuring against Keras")
    with without_notes():
        report = export_tflite(model, None, options.out, settings, data=options.data)
    console.print(f"{report['file']}: a {report['model']}, {report['bytes'] / 1e6:.2f} MB")
    console.print(f"measured on {report['texts']:,} texts of {report['source']}")
    if "decision" in report:
        console.print(f"decides by: {decision_line(report['decision'])}")
    for line in (_cut_line(report), _ranges_line(report["ranges"])):
        if line:
            console.print(line)
    console.print(table("", *table_rows(report)))
    kept, before = report["word_pieces"], report["word_pieces_before"]
    if kept < before:
        console.print(f"vocabulary: {kept:,} of {before:,} word pieces stay")
    if report["text_input"]:
        console.print(_text_line(report["text_input"]))


def _cut_line(report: dict[str, Any]) -> str:
    """The share of the texts that a file does not read; empty where it reads all."""
    from bert_keras.export.tflite.guard import truncation_note

    length, own = report["length"], report["own_length"]
    whole = "" if length == own else f" (the model's own length is {own}; the loss counts from it)"
    line = truncation_note(report["cut"], length)
    return line and line + whole


def _ranges_line(ranges: dict[str, Any] | None) -> str:
    """The texts that the ranges of 8 bits are from; empty where there are none."""
    if ranges is None:
        return ""
    line = f"ranges of 8 bits: from {ranges['texts']:,} texts of {ranges['source']}"
    if ranges["measured_too"]:
        return f"{line}, the same that are measured: the loss on others may be larger"
    return f"{line}, others than those measured"


def _text_line(report: dict[str, Any]) -> str:
    """Text as input compared with ids as input."""
    times, marks = report["milliseconds"], report["unordered_marks"]
    line = (
        f"text in: {report['tokens']:,} tokens of {report['texts']} texts are the tokenizer's, "
        f"answers differ by {report['largest_difference']:.2g} from those to ids; "
        f"{report['bytes'] / 1e6:.2f} MB more, {times['text']:.2f} ms compared with "
        f"{times['tokens']:.2f}"
    )
    if marks:
        line += (
            "; two of the marks " + " ".join(f"U+{ord(c):04X}" for c in marks)
            + " after one letter, out of order, may be read differently"
        )  # fmt: skip
    return line
