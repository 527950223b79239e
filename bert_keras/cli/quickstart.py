"""``bert-keras quickstart``: from text to a model in a few minutes, on any machine."""

import argparse
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_keras.cli import vocab
from bert_keras.cli.arguments import add_command, positive, recipe_file
from bert_keras.cli.console import (
    console,
    cpu_has_bfloat16,
    errors,
    progress,
    start_tensorflow,
    table,
)
from bert_keras.errors import InputError

if TYPE_CHECKING:
    from bert_keras.config import PretrainConfig

RECIPE = Path("configs/pretrain/tiny-quickstart.toml")
VOCAB_SIZE = 4000
MARK_FILE = ".quickstart"  # tells the command's folder from any other
SENTENCES = (
    "Return the [MASK] of the array.",
    "This function is [MASK] in Python.",
    "If the file does not [MASK], an error is raised.",
    "The default value [MASK] None.",
    "A list [MASK] strings.",
)


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "quickstart",
        run,
        "pre-train a small BERT on the documentation installed here, in a few minutes",
        "  bert-keras quickstart\n  bert-keras quickstart --minutes 30 --workdir /tmp/quickstart",
    )
    parser.add_argument(
        "--workdir", type=Path, default=Path("quickstart"), help="where it lives (./quickstart)"
    )
    parser.add_argument(
        "--minutes", type=positive, default=5.0, help="how long to train, about (default: 5)"
    )


def run(options: argparse.Namespace) -> None:
    """Collect text, learn a vocabulary, prepare a corpus, pre-train, and fill masks."""
    import bert_keras.backend  # noqa: F401 - another one is refused before a minute went by

    workdir: Path = options.workdir
    _check_folder(workdir)
    corpus = make_corpus(workdir)
    console.print("4. Pre-training: masked words and next sentences", style="bold")
    config = _config(workdir, corpus, options.minutes)
    _train(config, workdir, corpus)
    console.print("5. Masked words, filled in", style="bold")
    _fill_masks(workdir)
    console.print(
        f"\nThis is what {config.train.steps:,} steps of a tiny model give: words that are\n"
        "frequent where the mask stands. Next sentences are learned from the last, longest\n"
        "texts alone: in short ones nearly every pair is a random one. The published\n"
        "BERT-base took four days on 16 TPU chips.\n"
        f"Curves: {workdir / 'curves.png'}    model: {workdir / 'model'}\n"
        f"Go on with:  bert-keras fill-mask {workdir} 'Return the [MASK] of the list.'"
    )


def _check_folder(workdir: Path) -> None:
    """Mark a new folder as this command's, and refuse any other folder.

    Raises:
        InputError: When there is something in the folder, and no mark.
    """
    from bert_keras.files import check_utf8, write_text_atomic

    check_utf8(workdir, "as the name of its corpus in the run's config.toml has to be")
    mark = workdir / MARK_FILE
    if mark.exists():
        return
    if workdir.exists() and any(workdir.iterdir()):
        raise InputError(
            f"{workdir} is not empty and not the folder of a quickstart; choose another --workdir"
        )
    write_text_atomic(mark, "The folder of bert-keras quickstart; it may be removed as a whole.\n")


def make_corpus(workdir: Path) -> Path:
    """Make text, vocabulary and corpus, as far as they are not there; the corpus's directory."""
    texts, vocabulary, corpus = (workdir / name for name in ("texts", "vocab.txt", "corpus"))
    console.print("1. Text: the documentation of the Python packages installed here", style="bold")
    if not texts.exists():
        _write_texts(texts)
    with _nothing_twice():  # the same texts are read twice
        console.print("2. A vocabulary of word pieces", style="bold")
        if not vocabulary.exists():
            vocab.learn([str(texts)], vocabulary, VOCAB_SIZE, cased=False)
        console.print("3. A corpus: documents, sentences, word-piece ids", style="bold")
        if not corpus.exists():
            _prepare(texts, vocabulary, corpus)
    return corpus


@contextmanager
def _nothing_twice() -> Iterator[None]:
    """A block in which the library logs no line a second time."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        line = record.getMessage()
        is_first = line not in said
        said.add(line)
        return is_first

    logger = logging.getLogger("bert_keras")
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _write_texts(texts: Path) -> None:
    """Write each package's modules as text files: a module is a document."""
    from bert_keras.corpus.pydocs import pydocs_documents
    from bert_keras.files import atomic_directory

    with progress("collecting", unit="bytes") as advance, atomic_directory(texts) as directory:
        size = 0
        for number, paragraphs in enumerate(pydocs_documents(), start=1):
            text = "\n\n".join(paragraphs) + "\n"
            (directory / f"{number:05d}.txt").write_text(text, encoding="utf-8")
            size += len(text.encode())
            advance(size, None)
    console.print(f"{texts}: {number:,} documents, {size / 1e6:.1f} MB")


def _prepare(texts: Path, vocabulary: Path, corpus: Path) -> None:
    from bert_keras.corpus import prepare_corpus

    with progress("preparing", unit="bytes") as advance:
        report = prepare_corpus([str(texts)], vocabulary, corpus, on_progress=advance)
    console.print(
        f"{corpus}: {report.documents:,} documents, {report.sentences:,} sentences, "
        f"{report.tokens:,} word pieces"
    )


def _config(workdir: Path, corpus: Path, minutes: float) -> "PretrainConfig":
    """The recipe with as many steps as fit into the minutes; a run that resumes keeps its own."""
    start_tensorflow()
    from bert_keras.config import PretrainConfig, from_tables, load_toml
    from bert_keras.corpus import Corpus
    from bert_keras.saving.mark import read_mark
    from bert_keras.training import measure_seconds_per_step

    if mark := read_mark(workdir):
        console.print(f"the run in {workdir} resumes; remove the folder to start anew")
        return from_tables(PretrainConfig, dict(mark.config))
    config = load_toml(PretrainConfig, recipe_file(RECIPE))
    if cpu_has_bfloat16():
        config = config.replace(train=replace(config.train, precision="mixed_bfloat16"))
    with errors.status("measuring how long a step takes here"):
        seconds = measure_seconds_per_step(config, Corpus.open(corpus))
    steps = max(20, round(60 * minutes / seconds))
    console.print(f"{steps:,} steps of {seconds * 1000:.0f} ms fit into {minutes:g} minutes")
    every = math.ceil(steps / 10)
    return config.replace(
        train=replace(
            config.train, steps=steps, eval_every_steps=every, log_every_steps=max(1, steps // 100)
        ),
        checkpoint=replace(config.checkpoint, every_steps=every),
    )


def _train(config: "PretrainConfig", workdir: Path, corpus: Path) -> None:
    from bert_keras.cli.progress import PretrainingProgress
    from bert_keras.training import pretrain

    with PretrainingProgress() as bar:
        pretrain(config, workdir, corpus, callbacks=[bar])


def _fill_masks(workdir: Path) -> None:
    from bert_keras.saving import load
    from bert_keras.tasks import fill_mask
    from bert_keras.training.curves import (
        FilledMask,
        plot_curves,
        read_filled_masks,
        write_filled_masks,
    )

    model = load(workdir / "model")
    rows, masks = [], []
    for sentence in SENTENCES:
        (candidates,) = fill_mask(model, sentence, top=3)
        rows.append([sentence, "  ".join(f"{c.token} {c.score:.2f}" for c in candidates)])
        masks.append(FilledMask(sentence, [(c.token, float(c.score)) for c in candidates]))
    if read_filled_masks(workdir) != masks:  # else all was drawn before
        plot_curves(workdir, masks)
        write_filled_masks(workdir, masks)
    console.print(table("", ["sentence", "likeliest words"], rows))
