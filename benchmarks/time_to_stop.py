"""The time of each command from SIGTERM to its end, in each of its phases.

    python benchmarks/time_to_stop.py --json benchmarks/time_to_stop.json

Makes inputs that are large enough that a stop comes in the middle of a phase, starts each command
once for every phase and delay, and sends SIGTERM that long after the phase began. What is due is
saved in that time. A run that leaves a process, a temporary file or another exit code than 143
counts as failed. The longest time of each phase goes into README.md; ``--render`` renders those of
an earlier run, ``--only`` takes some commands alone.
"""

import argparse
import json
import os
import pkgutil
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import environment
from tables import conditions, markdown, replace_block

HERE = Path(__file__).parent
DELAYS = (0.2, 1.0)  # seconds after the phase began
LONGEST = 180.0  # seconds that are waited for
Row = dict[str, Any]

# A phase begins when the function is called.
RUN = "bert_keras.training.trainer:Trainer."
TRAINING = {
    "first step": RUN + "_run_first_steps",
    "training": RUN + "_log",
    "evaluation": RUN + "_evaluate",
    "saving": RUN + "_save",
}
MODEL = {"opening the model": "bert_keras.saving.files:build"}
FEATURES = {"features": "bert_keras.tasks.texts:TextTask.features"}
ANSWERS = {"the model's answers": "bert_keras.tasks.evaluate:run_model"}
PREPARE = {"reading": "bert_keras.corpus.writer:CorpusWriter.append"}
PHASES = {
    "vocab": {
        "reading": "bert_keras.tokenization.learning:count_words",
        "learning": "bert_keras.tokenization.learning:give_way",
    },
    "prepare": PREPARE | {"hashing": "bert_keras.corpus.prepare:hash_arrays"},
    "prepare --workers 2": PREPARE,
    "pretrain": {"checking the corpus": "bert_keras.corpus.store:Corpus.verify"} | TRAINING,
    "finetune": {"reading": "bert_keras.tasks.finetune:_read"} | FEATURES | TRAINING,
    "evaluate": MODEL | FEATURES | {"the model's answers": "bert_keras.tasks.answering:run_model"},
    "predict": MODEL | FEATURES | ANSWERS,
    "fill-mask": MODEL,
    "convert": MODEL | {"writing": "bert_keras.saving.huggingface:atomic_directory"},
    "export saved-model": {
        "saving": "tensorflow:saved_model.save",
        "comparing": "bert_keras.export.saved_model:compare",
    },
    "export tflite": {
        "saving": "tensorflow:saved_model.save",
        "converting": "bert_keras.export.tflite.convert:give_way",
    },
    "quickstart": {"collecting texts": "bert_keras.cli.quickstart:_write_texts"},
}


def watched(phases: dict[str, str], descriptor: int, arguments: list[str]) -> int:
    """Run a command that says through a pipe which phase begins."""
    current = [""]

    def telling(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if current[0] != phase:
                current[0] = phase
                os.write(descriptor, f"{phase}\n".encode())
            return function(*given, **named)

        return call

    for phase, place in phases.items():
        owner, _, name = place.rpartition("." if "." in place.partition(":")[2] else ":")
        home = pkgutil.resolve_name(owner)
        setattr(home, name, telling(phase, getattr(home, name)))
    sys.argv[1:] = arguments
    from bert_keras.__main__ import main as run

    return run()


class Inputs:
    """Texts, labeled rows, a corpus and models of random weights, all made up."""

    def __init__(self, folder: Path, megabytes: int, layers: int, hidden: int) -> None:
        self.folder = folder
        draw = random.Random(0)  # noqa: S311 - made-up text
        syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
        words = ["".join(draw.choices(syllables, k=draw.randint(1, 5))) for _ in range(200_000)]
        (folder / "texts").mkdir()
        for number in range(megabytes):
            lines = (" ".join(draw.choices(words, k=12)).capitalize() for _ in range(12_000))
            (folder / "texts" / f"{number:03}.txt").write_text(".\n".join(lines) + ".\n")
        rows = (
            f"{' '.join(draw.choices(words, k=draw.randint(5, 40)))}\t{draw.choice('ab')}"
            for _ in range(100_000)
        )
        (folder / "rows.tsv").write_text("\n".join(rows) + "\n")
        self.command("vocab", folder / "texts" / "000.txt", "--out", folder / "vocab.txt")
        self.command("prepare", folder / "texts" / "000.txt", "--vocab", folder / "vocab.txt",
                     "--out", folder / "corpus")  # fmt: skip
        self._recipes(layers, hidden)
        self._models(layers, hidden)

    def command(self, *arguments: Any) -> None:
        """Run a command to its end."""
        line = [sys.executable, "-m", "bert_keras", *map(str, arguments)]
        subprocess.run(line, check=True)  # noqa: S603 - our own command

    def arguments(self, name: str, out: Path) -> list[str]:
        """The command's line."""
        made = self.folder
        rows, labeled = made / "rows.tsv", made / "labeled"
        vocab = ["--vocab", made / "vocab.txt", "--out", out / "corpus"]
        lines: dict[str, list[Any]] = {
            "vocab": ["vocab", made / "texts", "--out", out / "vocab.txt"],
            "prepare": ["prepare", made / "texts", *vocab],
            "prepare --workers 2": ["prepare", made / "texts", *vocab, "--workers", "2"],
            "pretrain": ["pretrain", made / "pretrain.toml", "--corpus", made / "corpus",
                         "--workdir", out / "run"],
            "finetune": ["finetune", made / "finetune.toml", "--model", made / "base", "--train",
                         rows, "--dev", rows, "--workdir", out / "run"],
            "evaluate": ["evaluate", labeled, "--data", rows],
            "predict": ["predict", labeled, "--input", rows, "--out", out / "answers.csv"],
            "fill-mask": ["fill-mask", made / "base", "[MASK]"],
            "convert": ["convert", made / "base", out / "model"],
            "export saved-model": ["export", "saved-model", labeled, out / "served"],
            "export tflite": ["export", "tflite", labeled, out / "model.tflite"],
            "quickstart": ["quickstart", "--workdir", out / "quickstart"],
        }  # fmt: skip
        return list(map(str, lines[name]))

    def _recipes(self, layers: int, hidden: int) -> None:
        pace = "log_every_steps = 2\neval_every_steps = 6\n"
        (self.folder / "pretrain.toml").write_text(
            f"[model]\nnum_hidden_layers = {layers}\nhidden_size = {hidden}\n"
            f"num_attention_heads = {hidden // 64}\nintermediate_size = {4 * hidden}\n"
            "[data]\nmax_seq_length = 128\neval_fraction = 0.5\n"
            f"[train]\nsteps = 1000\nbatch_size = 16\neval_batches = 1000\n{pace}"
            "[checkpoint]\nevery_steps = 4\n"
        )
        (self.folder / "finetune.toml").write_text(
            "[data]\nmax_seq_length = 64\n"
            f"[train]\nsteps = 1000\nbatch_size = 32\n{pace}[checkpoint]\nevery_steps = 4\n"
        )

    def _models(self, layers: int, hidden: int) -> None:
        from bert_keras.config import BertConfig
        from bert_keras.modeling import BertForPreTraining, BertForSequenceClassification
        from bert_keras.saving import save
        from bert_keras.tokenization import BertTokenizer

        tokenizer = BertTokenizer.from_vocab(self.folder / "vocab.txt")
        config = BertConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
        )
        labeled = BertForSequenceClassification(config, labels=("a", "b"))
        save(labeled, self.folder / "labeled", tokenizer)
        save(BertForPreTraining(config), self.folder / "base", tokenizer)


def stop(inputs: Inputs, command: str, wanted: str, delay: float) -> Row:
    """Send SIGTERM once; the phase in which it came, and the seconds until all was over."""
    with tempfile.TemporaryDirectory() as folder:
        out, scratch = Path(folder) / "out", Path(folder) / "scratch"
        out.mkdir(), scratch.mkdir()
        reading, writing = os.pipe()
        phases = json.dumps(PHASES[command])
        with subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, __file__, "--watched", phases, str(writing),
             *inputs.arguments(command, out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, pass_fds=[writing],
            start_new_session=True, env=os.environ | {"TMPDIR": str(scratch)},
        ) as process:  # fmt: skip
            os.close(writing)
            come: list[str] = []
            began = threading.Event()

            def listen() -> None:
                with os.fdopen(reading) as lines:
                    for line in lines:
                        come.append(line.strip())
                        if come[-1] == wanted:
                            began.set()
                began.set()  # it has ended

            threading.Thread(target=listen, daemon=True).start()
            began.wait(LONGEST)
            time.sleep(delay)
            is_running, phase = process.poll() is None, come[-1] if come else ""
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
                _, errors = process.communicate()
            seconds = time.monotonic() - start
        left = sorted(path.name for path in [*scratch.iterdir(), *out.glob(".*.tmp")])
        code = process.returncode
        # Where it came too late, as Python was at its end, it says nothing of the phase.
        is_running &= bool(left) or code not in (0, -signal.SIGTERM)
        fault = ""
        if is_running and (code != 128 + signal.SIGTERM or left or "Traceback" in errors):
            fault = f"exit code {code}, left {left}: {errors[-300:]}"
        return {
            "command": command,
            "phase": phase if is_running else "",
            "seconds": round(seconds, 2),
            "fault": fault,
        }


def table(result: Row) -> str:
    """A row for each command and phase, as Markdown."""
    longest: dict[tuple[str, str], list[Row]] = {}
    for row in result["stops"]:
        longest.setdefault((row["command"], row["phase"]), []).append(row)
    rows = []
    for (command, phase), stops in longest.items():
        if phase:
            most = max(stop["seconds"] for stop in stops)
            failed = " (failed)" if any(stop["fault"] for stop in stops) else ""
            rows.append([f"`{command}`", phase, f"{most:.1f}{failed}", len(stops)])
    header = ["command", "SIGTERM came while", "seconds to the end, at most", "of stops"]
    return f"{markdown(header, rows)}\n\n{conditions(result['machine'])}"


def measure(options: argparse.Namespace) -> Row:
    """All commands in all phases."""
    stops = []
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(Path(folder), options.megabytes, options.layers, options.hidden)
        for command, phases in PHASES.items():
            for phase in phases if not options.only or command in options.only else ():
                for delay in options.delays:
                    stops.append(stop(inputs, command, phase, delay))
                    print(*stops[-1].values(), sep="\t", flush=True)
    return {"machine": environment(), "stops": stops}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or render."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=HERE / "time_to_stop.json")
    parser.add_argument("--only", nargs="*", metavar="COMMAND", choices=tuple(PHASES))
    parser.add_argument("--delays", nargs="+", type=float, default=DELAYS)
    parser.add_argument("--megabytes", type=int, default=40, help="of text")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args(arguments)
    if not options.render:
        result = measure(options)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    else:
        result = json.loads(options.json.read_text(encoding="utf-8"))
    if not options.only:
        replace_block(HERE / "README.md", "time to stop", table(result))
    return int(any(row["fault"] for row in result["stops"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watched"]:
        sys.exit(watched(json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
    sys.exit(main())
