"""Arguments and parsers that several commands share."""

import argparse
import importlib.resources
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli.console import cpu_has_bfloat16, errors, progress, start_tensorflow
from bert_keras.errors import InputError
from bert_keras.hub import HubName, pinned, suggestion

if TYPE_CHECKING:
    from bert_keras.modeling.model import BertModel
    from bert_keras.tokenization import Casing

MODEL_HELP = (
    "a model directory, or a run's work directory: its model/ or, before it has finished, its best "
    "model so far, else its newest checkpoint; RUN@STEP is the checkpoint of that step; or "
    "hf://ORG/NAME[@REVISION], a model on Hugging Face's hub"
)
TASK_COLUMNS = ("text_column", "text_pair_column", "label_column", "word_column", "tag_column")
_TASK_SETTINGS = (
    *TASK_COLUMNS, "header", "label_separator", "ignore_labels", "ignore_columns",
    "strict_entities",
)  # fmt: skip
INPUT_HELP = (
    "a text file, JSON lines or an array, WikiExtractor's output, *.csv, *.tsv, each packed as .gz "
    "or .zst or not, *.parquet, a folder of text and JSON lines, a glob, "
    "tfds:NAME[:SPLIT[:FIELD]], hf:ORG/NAME[/CONFIG][@REVISION][:SPLIT[:COLUMN]], or "
    "'pydocs': the documentation of the Python packages installed here. A file, record or row is a "
    "document; a blank line ends a paragraph"
)


def name_of_data(text: str) -> str:
    """An argparse type: the name of a file, or what stands for one: ``-``, ``hf:ORG/NAME``."""
    return text


class CommandParser(argparse.ArgumentParser):
    """A parser that takes options before, between and after the other arguments.

    argparse alone refuses ``predict MODEL --json TEXT``: it takes the texts to be none as soon as
    an option follows the model.

    It refuses what it does not know with its own usage; argparse leaves that to the parser of the
    whole program. It refuses an empty name of a file (type ``Path`` or ``name_of_data``), which
    argparse would take for the current folder.
    """

    _is_inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as ``argparse`` does, which calls this again from within."""
        if self._is_inside:
            return super().parse_known_args(args, namespace)
        self._is_inside = True
        has_own = self._subparsers is not None  # which ``argparse`` does not parse intermixed
        parse = super().parse_known_args if has_own else self.parse_known_intermixed_args
        try:
            namespace, unknown = parse(args, namespace)
        finally:
            self._is_inside = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def _get_value(self, action: argparse.Action, text: str) -> Any:
        if action.type in (Path, name_of_data) and not text.strip():
            name = "/".join(action.option_strings) or action.metavar or action.dest
            raise InputError(f"{name} is an empty name; is a shell variable unset?")
        return super()._get_value(action, text)


def add_command(
    subparsers: Any, name: str, run: Callable[[argparse.Namespace], None], help: str, examples: str
) -> argparse.ArgumentParser:
    """A subcommand's parser, with its examples under the help."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """INPUT..., --text-column and --cased."""
    parser.add_argument("inputs", nargs="+", type=name_of_data, metavar="INPUT", help=INPUT_HELP)
    parser.add_argument(
        "--text-column",
        default="text",
        metavar="NAME",
        help="the field or column that holds the text of JSON, .csv, .tsv, .parquet, tfds: and hf: "
        "(default: text); of a table without a header its number",
    )
    parser.add_argument(
        "--cased", action="store_true", help="keep capitals and accents (default: uncased)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """MODEL, which ``open_model`` opens."""
    parser.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)


def add_max_length(parser: argparse.ArgumentParser) -> None:
    """--max-length."""
    parser.add_argument(
        "--max-length",
        type=at_least(5),
        metavar="N",
        help="longest sequence in tokens (default: what the model was trained at; for a model from "
        "elsewhere, the most that it reads)",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """CONFIG.toml, --workdir and --set."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the recipe")
    parser.add_argument("--workdir", type=Path, required=True, help="where the run lives")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="change one value of the recipe; may be repeated",
    )


def note_on_precision(precision: str) -> None:
    """Print a note where bfloat16 is asked of a processor that does not multiply it."""
    if precision == "mixed_bfloat16" and not cpu_has_bfloat16():
        errors.print("note: this CPU does not multiply bfloat16; without a GPU or TPU, float32 is")
        errors.print("      faster: --set train.precision=float32")


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which examples are read and answered."""
    parser.add_argument(
        "--batch-size", type=at_least(1), default=32, help="sequences at a time (default: 32)"
    )
    add_max_length(parser)
    parser.add_argument(
        "--no-answer-threshold",
        type=float,
        metavar="X",
        help="span: how much likelier than the best answer, in logits, no answer must be to be "
        "given (default: what the model was trained with; evaluate finds best_f1_threshold)",
    )
    for name in TASK_COLUMNS:
        what = name.removesuffix("_column").replace("_", " ")
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NAME",
            help=f"the column of the {what}s: its name or, without a header, its number",
        )
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether a table's first row is its header (default: when it has a known name)",
    )
    parser.add_argument(
        "--ignore-column",
        action="append",
        dest="ignore_columns",
        metavar="NAME",
        help="multiple choice, contrastive, ranking: leave out this column or field, which is not "
        "known; may be repeated",
    )


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which labels are read."""
    parser.add_argument(
        "--label-separator", metavar="SIGN", help="what stands between several labels (default: |)"
    )
    parser.add_argument(
        "--ignore-label",
        action="append",
        dest="ignore_labels",
        metavar="LABEL",
        help="leave out rows of this label; may be repeated",
    )


def task_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of the task that the options set."""
    settings = {name: getattr(options, name, None) for name in _TASK_SETTINGS}
    settings["max_seq_length"] = options.max_length
    for name in ("ignore_labels", "ignore_columns"):
        given = settings[name]
        settings[name] = given and tuple(given)
    settings["no_answer_threshold"] = options.no_answer_threshold
    return {name: value for name, value in settings.items() if value is not None}


def decision_line(values: dict[str, Any]) -> str:
    """A line on what a model decides by; ``values`` as ``Decision.to_values`` gives them."""
    count = len(values.get("thresholds", {}))
    thresholds = f", thresholds of {count} label{'s' if count > 1 else ''}" if count else ""
    return f"temperature {values['temperature']:.6g}{thresholds}"


def start_tensorflow_for(inputs: list[str]) -> None:
    """Start TensorFlow, quietly, when an input is read by it."""
    if any(name.startswith("tfds:") for name in inputs):
        start_tensorflow()


def casing(options: argparse.Namespace) -> "Casing":
    """The casing that --cased asks for."""
    from bert_keras.tokenization import Casing

    return Casing(do_lower_case=not options.cased)


def utf8_text(argument: str) -> str:
    """An argparse type: text, with U+FFFD for bytes that are not UTF-8, as a corpus has it."""
    from bert_keras.corpus.decoding import ReadCounts

    return ReadCounts().replace_bad(argument)


def at_least(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least ``least``."""

    def convert(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, received {number}")
        return number

    convert.__name__ = "whole number"  # argparse names it in its message
    return convert


def positive(text: str) -> float:
    """An argparse type: a finite number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, received {text}")
    return number


def recipe_file(path: Path) -> Path:
    """CONFIG.toml: the file, or the recipe of that name that the package ships.

    So ``configs/pretrain/tiny-quickstart.toml`` works in any folder.
    """
    if path.exists():
        return path
    shipped = Path(str(importlib.resources.files("bert_keras") / "configs"))
    names = path.parts[path.parts.index("configs") + 1 :] if "configs" in path.parts else ()
    candidate = shipped.joinpath(*names)
    return candidate if names and ".." not in names and candidate.is_file() else path


def existing_model(path: Path, workdir: Path | None = None) -> Path:
    """MODEL, as ``bert_keras.load`` takes it, if there is something of that name.

    Checked before TensorFlow is started, which takes seconds. A run that has begun in ``workdir``
    may resume without the model that it started from, which is checked later. A name on the hub
    gets the commit that it means now, so that a command takes one; a run does that itself.

    Raises:
        InputError: When there is nothing.
    """
    if HubName.of(path):
        return path if workdir else Path(pinned(path))
    run, at, _ = str(path).rpartition("@")
    if path.exists() or Path(f"{path}.index").exists() or (at and Path(run).is_dir()):
        return path
    if workdir and (workdir / "run.json").exists():
        return path
    raise InputError(f"no such model directory: {path}{suggestion(path)}")


def open_model(path: Path, **arguments: Any) -> "BertModel":
    """The model that MODEL names, read under a progress bar.

    Args:
        path: MODEL.
        **arguments: Arguments of ``bert_keras.load``.

    Raises:
        InputError: When there is none, or it cannot be opened.
    """
    path = existing_model(path)
    start_tensorflow()
    from bert_keras.saving import load

    with progress("reading", "bytes") as advance:
        return load(path, on_progress=advance, **arguments)
