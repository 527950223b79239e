"""``bert-keras evaluate``: a model's score on labeled examples, and where it goes wrong."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.arguments import (
    add_command,
    add_label_arguments,
    add_model,
    add_task_arguments,
    decision_line,
    existing_model,
    name_of_data,
    open_model,
    task_settings,
)
from bert_keras.cli.console import console, errors, short, start_tensorflow, table
from bert_keras.cli.finetune import DATA_HELP
from bert_keras.errors import InputError
from bert_keras.files import refuse_existing

if TYPE_CHECKING:
    from bert_keras.modeling.model import BertModel
    from bert_keras.tasks import Evaluation

MISTAKES = 10


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "evaluate",
        run,
        "score a fine-tuned model on labeled examples; show its most confident mistakes",
        "  bert-keras evaluate runs/sst2 --data test.tsv\n"
        "  bert-keras evaluate runs/sst2 --data test.tsv --json\n"
        "  bert-keras evaluate runs/sst2 --data dev.tsv --calibrate --out calibrated/\n"
        "  bert-keras evaluate runs/topics --data dev.tsv --calibrate --thresholds --out topics/\n"
        "  bert-keras evaluate topics/ --data test.tsv --diagram reliability.svg",
    )
    add_model(parser)
    parser.add_argument("--data", type=name_of_data, metavar="FILE", required=True, help=DATA_HELP)
    add_task_arguments(parser)
    add_label_arguments(parser)
    parser.add_argument(
        "--strict-entities",
        action="store_true",
        default=None,
        help="tagging: tags that do not follow their scheme mark no entity, as in seqeval's strict "
        "mode",
    )
    _add_calibration(parser)
    parser.add_argument("--json", action="store_true", help="print the metrics as one JSON object")


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    """The options by which a model's probabilities are looked at and mended."""
    group = parser.add_argument_group(
        "probabilities that can be trusted",
        "of classification, multi-label classification and tagging. FILE is best neither what the "
        "model was trained on nor what it is judged by in the end",
    )
    group.add_argument(
        "--calibrate",
        action="store_true",
        help="fit a temperature: the number that the logits are divided by, so that of the answers "
        "with 90 %% confidence 90 %% are right. The answers stay, their probabilities change",
    )
    group.add_argument(
        "--thresholds",
        action="store_true",
        help="multi-label: find for each label the probability from which on giving it has the "
        "highest F1 (0.5 without); with --calibrate by the calibrated probabilities",
    )
    group.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="write the model with what was found to a new folder; predict, evaluate and exports "
        "of it go by that. Without, nothing is kept",
    )
    group.add_argument(
        "--diagram",
        type=Path,
        metavar="FILE",
        help="draw how often the answers are right that the model is so sure of, as a new *.png or "
        "*.svg",
    )


def run(options: argparse.Namespace) -> None:
    """Evaluate the model and print its metrics and mistakes."""
    finds = options.calibrate or options.thresholds
    _check(options, finds)
    existing_model(options.model)
    start_tensorflow()
    from bert_keras.tasks import calibrate, evaluate, task_of
    from bert_keras.tasks.calibrate import deciding
    from bert_keras.tasks.diagram import diagram_file, plot_reliability

    if options.diagram:
        diagram_file(options.diagram)
    model = open_model(options.model, packed=True)
    settings = task_settings(options)
    if options.diagram:
        deciding(task_of(model, **settings))  # before the model runs
    if finds:
        what = {"temperature": options.calibrate, "thresholds": options.thresholds}
        result = calibrate(model, options.data, options.batch_size, **what, **settings)
    else:
        result = evaluate(model, options.data, options.batch_size, **settings)
    if options.diagram:
        plot_reliability(result, options.diagram)
        errors.print(f"the diagram: {options.diagram}", soft_wrap=True)
    if finds:
        _keep(options, model)
    if options.json:
        print(json.dumps(_values(model, result)))
    else:
        _show(options, model, result)


def _check(options: argparse.Namespace, finds: bool) -> None:
    """Refuse what can be told before TensorFlow is started."""
    if options.out and not finds:
        raise InputError(
            "--out FOLDER is for a model with what --calibrate or --thresholds finds; give one"
        )
    if options.out and options.out.suffix == ".keras":
        raise InputError(
            f"--out is a folder. Received: {options.out}; bert-keras convert FOLDER {options.out} "
            "--to keras makes such a file of it"
        )
    for path in (options.out, options.diagram):
        if path:
            refuse_existing(path)


def _keep(options: argparse.Namespace, model: "BertModel") -> None:
    """Write the model where it is to be kept, and say so."""
    if not options.out:
        errors.print("nothing is kept: --out FOLDER writes the model with what was found")
        return
    from bert_keras.saving import save

    with errors.status(f"writing {options.out}"):
        save(model, options.out)
    errors.print(f"the model with what was found: {options.out}", soft_wrap=True)


def _values(model: Any, result: "Evaluation") -> dict[str, Any]:
    """The metrics, and what the model decides by where it is not by the bare logits."""
    values: dict[str, Any] = dict(result.metrics)
    if result.before is None:
        return values
    return values | {"before": result.before.metrics, "decision": model.own_decision}


def _show(options: argparse.Namespace, model: Any, result: "Evaluation") -> None:
    """Print the metrics, what was found, and the mistakes."""
    from bert_keras.tasks.reading import shown_name

    title, before = shown_name(options.data), result.before
    if before is None:
        rows = [[name, f"{value:.4f}"] for name, value in result.metrics.items()]
        console.print(table(title, ["metric", "value"], rows))
    else:
        console.print(f"decides by: {decision_line(model.own_decision)}")
        rows = [
            [name, f"{before.metrics[name]:.4f}", f"{value:.4f}"]
            for name, value in result.metrics.items()
        ]
        console.print(table(title, ["metric", "before", "after"], rows))
        _show_decision(options, result, before)
    if result.confusion is not None:
        labels, counts = result.confusion
        rows = [[label, *map(str, row)] for label, row in zip(labels, counts, strict=True)]
        console.print(table("\nright labels (rows), given labels (columns)", ["", *labels], rows))
    if result.mistakes:
        rows = [
            [short(m.text), m.expected, m.predicted, f"{m.confidence:.3f}"]
            for m in result.mistakes[:MISTAKES]
        ]
        title = f"\n{len(rows)} of {len(result.mistakes)} mistakes, by {result.confidence}"
        console.print(table(title, ["text", "right", "given", result.confidence], rows))


def _show_decision(options: argparse.Namespace, result: "Evaluation", before: "Evaluation") -> None:
    """Print each label's threshold, and each bin of confidence where no diagram shows it."""
    thresholds = result.decision.thresholds
    if thresholds:
        rows = [
            [label, str(new.examples), f"{threshold:.4f}", f"{old.f1:.4f}", f"{new.f1:.4f}"]
            for (label, new), old, threshold in zip(
                result.label_scores.items(), before.label_scores.values(), thresholds, strict=True
            )
        ]
        header = ["label", "examples", "threshold", "F1 from 0.5 on", "F1"]
        console.print(table("\nlabels are given from their thresholds on", header, rows))
    if not options.calibrate or options.diagram:
        return
    assert result.reliability is not None
    assert before.reliability is not None
    sides = (before.reliability, result.reliability)
    bins = len(result.reliability.counts)
    rows = [
        [f"to {(number + 1) / bins:.3f}", *(cell for side in sides for cell in _bin(side, number))]
        for number in range(bins)
        if any(side.counts[number] for side in sides)
    ]
    header = ["confidence", "before", "mean", "right", "after", "mean", "right"]
    console.print(table("\nanswers by confidence", header, rows))


def _bin(side: Any, number: int) -> list[str]:
    """The count, the mean confidence and the accuracy of a bin; blank where it is empty."""
    if not side.counts[number]:
        return ["", "", ""]
    shares = (side.confidence[number], side.accuracy[number])
    return [str(side.counts[number]), *(f"{share:.3f}" for share in shares)]
