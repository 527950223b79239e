"""The commands that are disturbed, and the small inputs that they run on."""

import importlib.util
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

SENTENCES = [
    "The cat sees the river and the boat of my old friend.",
    "A dog likes a small house near the green hill.",
    "My sister follows the moon through seven quiet towns.",
    "The old man remembers green apples, ripe pears and plums.",
    "Where did they leave the lantern last night?",
    "Nobody had seen so much snow before the month of May.",
]
ROWS = [
    "a small house\tgood", "the green moon\tgood", "the old river\tbad", "a dog\tbad",
    "seven quiet towns\tgood", "ripe pears\tgood", "last night\tbad", "so much snow\tbad",
]  # fmt: skip
PRETRAIN = """
[model]
preset = "tiny"
num_hidden_layers = 1
hidden_size = 32
num_attention_heads = 2
intermediate_size = 64
[data]
max_seq_length = 16
max_predictions_per_seq = 3
eval_fraction = 0.2
[train]
steps = 40
batch_size = 4
log_every_steps = 5
eval_every_steps = 10
eval_batches = 1
[checkpoint]
every_steps = 4
keep = 3
"""
FINETUNE = """
[data]
max_seq_length = 16
[train]
steps = 40
batch_size = 4
log_every_steps = 5
eval_every_steps = 10
[checkpoint]
every_steps = 4
keep = 3
"""
RUN = (
    "run.json", "config.toml", "checkpoints/*", "metrics.jsonl", "logs/*", "curves.png", ".lock",
    "best_step", "best", "best/*",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command, and what is promised of it.

    Attributes:
        name: What the tests call it.
        arguments: What follows ``bert-keras``, with names of a trial's folder.
        inputs: What it reads, of the prepared files.
        before: What is in ``out/`` before, by its name there; values are prepared files.
        owned: Patterns of files in ``out/`` that it may change: a run's own.
        exact: Patterns of files that are the same, byte for byte, however often it was disturbed.
        loose: Patterns of files whose names change from one time to the next.
        prints: Whether what it prints is its product.
        patches: See ``zygote.patch``.
        workers: How many processes train as one.
    """

    name: str
    arguments: str
    inputs: tuple[str, ...]
    before: dict[str, str] = field(default_factory=dict)
    owned: tuple[str, ...] = ()
    exact: tuple[str, ...] = ("*",)
    loose: tuple[str, ...] = ()
    prints: bool = False
    patches: dict[str, object] = field(default_factory=dict)
    workers: int = 1


def _of_run(*names: str) -> tuple[str, ...]:
    return tuple(f"run/{name}" for name in names)


_TRAINED = _of_run(
    "model/*", "checkpoints/step-*", "run.json", "config.toml", "best_step", "curves.png"
)
_LOOSE = _of_run("logs/*")

_PRETRAIN = "pretrain pretrain.toml --corpus corpus --workdir out/run"
_FINETUNE = "finetune finetune.toml --model pre --train rows.tsv --dev rows.tsv --workdir out/run"

COMMANDS = [
    Command("vocab", "vocab texts --out out/vocab.txt --size 400", ("texts",)),
    Command(
        "vocab-bpe", "vocab texts --kind bpe --size 400 --out out/tokenizer", ("texts",)
    ),
    Command("prepare", "prepare texts --vocab vocab.txt --out out/corpus", ("texts", "vocab.txt")),
    Command(
        "prepare-2",
        "prepare texts --vocab vocab.txt --out out/corpus --workers 2",
        ("texts", "vocab.txt"),
    ),
    Command(
        "pretrain", _PRETRAIN, ("pretrain.toml", "corpus"), {},
        _of_run(*RUN), _TRAINED, _LOOSE,
    ),
    Command(
        "pretrain-on", _PRETRAIN, ("pretrain.toml", "corpus"), {"run": "pre-half"},
        _of_run(*RUN), _TRAINED, _LOOSE,
    ),
    Command(
        "finetune", _FINETUNE, ("finetune.toml", "pre", "rows.tsv"), {},
        _of_run(*RUN), _TRAINED, _LOOSE,
    ),
    Command(
        "finetune-on", _FINETUNE, ("finetune.toml", "pre", "rows.tsv"), {"run": "tuned-half"},
        _of_run(*RUN), _TRAINED, _LOOSE,
    ),
    Command(
        "evaluate", "evaluate tuned --data rows.tsv --json", ("tuned", "rows.tsv"), prints=True
    ),
    Command(
        "calibrate", "evaluate tuned --data mixed.tsv --calibrate --out out/model",
        ("tuned", "mixed.tsv"),
    ),
    Command(
        "predict",
        "predict tuned --input rows.tsv --out out/answers.jsonl --json",
        ("tuned", "rows.tsv"),
    ),
    Command(
        "embed",
        "embed encoder --input lines.txt --out out/vectors.npy --precision int8",
        ("encoder", "lines.txt"),
    ),
    Command(
        "mine",
        "mine encoder --pairs pairs.jsonl --documents lines.txt --out out/hard.jsonl",
        ("encoder", "pairs.jsonl", "lines.txt"),
    ),
    *[
        Command(
            "index",
            "search encoder --documents lines.txt --query cat --index out/index",
            ("encoder", "lines.txt"),
        )
    ] * (importlib.util.find_spec("faiss") is not None),
    Command("convert", "convert tuned out/model", ("tuned",)),
    Command("convert-google", "convert pre out/model --to google", ("pre",)),
    Command("convert-keras", "convert tuned out/model.keras --to keras", ("tuned",), exact=()),
    Command(
        "saved-model", "export saved-model tuned out/served", ("tuned",),
        exact=("served/*/assets/*",),
    ),
    Command(
        "tflite", "export tflite tuned out/model.tflite --length 16 --data rows.tsv",
        ("tuned", "rows.tsv"), exact=(),
    ),
    Command(
        "finish", "finish out/run", (), {"run": "tuned-half"}, _of_run(*RUN),
        _of_run("model/*", "curves.png"), _LOOSE,
    ),
    Command(
        "plot", "plot out/run", (), {"run": "pre-half"}, _of_run("curves.png"),
        _of_run("curves.png"), _LOOSE,
    ),
    Command(
        "quickstart", "quickstart --workdir out/run --minutes 0.01",
        ("pretrain.toml", "modules"), {}, _of_run(*RUN, ".quickstart", "filled_masks.json"),
        (*_TRAINED, "run/texts/*", "run/vocab.txt", "run/corpus/*"), _LOOSE,
        patches={
            "bert_keras.cli.quickstart.RECIPE": "pretrain.toml",
            "bert_keras.training.measure_seconds_per_step": 1.0,
            "bert_keras.corpus.pydocs._documented_files": [f"modules/{n}.py" for n in range(9)],
        },
    ),
    Command(
        "pretrain-workers", _PRETRAIN, ("pretrain.toml", "corpus"), {},
        _of_run(*RUN), _TRAINED, _LOOSE, workers=2,
    ),
]  # fmt: skip


def write_texts(folder: Path) -> None:
    """Writes the inputs that are text."""
    (folder / "texts").mkdir(parents=True)
    (folder / "modules").mkdir()
    for number in range(12):
        lines = [SENTENCES[(number * k + k) % len(SENTENCES)] for k in range(1, 9)]
        (folder / "texts" / f"{number:02d}.txt").write_text("\n".join(lines) + "\n")
        paragraphs = "\n\n".join(f"{' '.join(lines[k:])} Number {number}." for k in range(6))
        (folder / "modules" / f"{number}.py").write_text(f'"""{paragraphs}\n"""\n')
    lines = [f"{sentence} {number}\n" for number in range(400) for sentence in SENTENCES]
    (folder / "lines.txt").write_text("".join(lines))  # two whole pieces, and a part of one
    (folder / "rows.tsv").write_text("\n".join(ROWS * 3) + "\n")
    pairs = itertools.pairwise(SENTENCES)
    rows = (json.dumps({"anchor": first, "positive": second}) + "\n" for first, second in pairs)
    (folder / "pairs.jsonl").write_text("".join(rows))
    # Each text both good and bad, so that not all answers are right, and once more as it is.
    mixed = [f"{text}\t{label}" for row in ROWS for text in [row.partition("\t")[0]]
             for label in ("good", "bad")]  # fmt: skip
    (folder / "mixed.tsv").write_text("\n".join([*mixed, *ROWS * 2]) + "\n")
    (folder / "pretrain.toml").write_text(PRETRAIN)
    (folder / "finetune.toml").write_text(FINETUNE)
