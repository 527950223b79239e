"""Text to a corpus on many machines, by Apache Beam: the bytes that one machine writes.

Each input file is tokenized wherever Beam puts it, into a file of its own; the process that started
the pipeline then writes these in the order of the inputs. So what needs an order (the offsets, near
duplicates) sees the same documents one after another as on a single machine.
"""

import dataclasses
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

try:
    import apache_beam as beam
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    from bert_keras.errors import InputError, install_command

    raise InputError(
        f"preparing a corpus on Apache Beam needs it ({error}): {install_command('beam')}"
    ) from None

from bert_keras.corpus.decoding import ReadCounts
from bert_keras.corpus.formats import TEXT_COLUMN
from bert_keras.corpus.inputs import PYDOCS, resolve_inputs
from bert_keras.corpus.prepare import (
    CorpusReport,
    describe_source,
    read_tokenizer,
    write_corpus,
)
from bert_keras.corpus.sources import check_split, read_source, recognize_sources
from bert_keras.corpus.tfds import TFDS_PREFIX
from bert_keras.corpus.tokenizing import tokenize_batches
from bert_keras.corpus.writer import TokenizedBatch
from bert_keras.errors import InputError
from bert_keras.files import check_utf8, refuse_existing
from bert_keras.hub import DATA_PREFIX, pinned_data
from bert_keras.tokenization import Casing, Losses, Tokenizer

_MANIFEST = "manifest.json"


def prepare_corpus_on_beam(
    inputs: Sequence[str | Path],
    vocab: str | Path,
    out: str | Path,
    casing: Casing = Casing(),
    split: str = "file",
    drop_duplicates: bool = False,
    chinese_words: bool = False,
    parts: str | None = None,
    options: Sequence[str] = (),
    text_column: str = TEXT_COLUMN,
    sentences: str | None = None,
) -> CorpusReport:
    """The corpus that ``prepare_corpus`` writes, byte for byte, made on many machines.

    A file is read by one worker, so a large collection should come in many files. The workers
    need ``bert_keras`` and must be able to read the inputs and to write ``parts``.

    Args:
        inputs: Files, folders and globs that this machine and the workers see alike;
            data sets of TFDS and of the hub, as in ``prepare_corpus``; or globs of a file system
            that Beam knows, such as ``"gs://bucket/texts/*.jsonl"``.
        vocab: The ``vocab.txt`` or the directory of a model, read here.
        out: The directory to make, on this machine.
        casing: As in ``prepare_corpus``.
        split: As in ``prepare_corpus``.
        drop_duplicates: As in ``prepare_corpus``.
        chinese_words: As in ``prepare_corpus``.
        parts: A folder that all machines see, for the workers' files, which are removed in the
            end. By default one in the folder of ``out``.
        text_column: As in ``prepare_corpus``.
        sentences: As in ``prepare_corpus``.
        options: Beam's own, such as ``["--runner=DataflowRunner", "--project=mine"]``.

    Raises:
        InputError: As ``prepare_corpus`` does; also for ``"pydocs"``, which is something else on
            every machine, and when Beam lacks the runner or a file system.
    """
    out = Path(out)
    refuse_existing(out)
    tokenizer, others = read_tokenizer(vocab, casing)
    pipeline = _pipeline(options)
    check_split(split)
    inputs = [pinned_data(str(name)) for name in inputs]
    sources = recognize_sources(_sources(inputs), text_column, others)
    for name in (*sources, parts or out):
        check_utf8(name, "as Apache Beam asks")
    source = describe_source(inputs, split, text_column, sentences, drop_duplicates)
    counts = ReadCounts()
    with _folder(parts or str(out.absolute().parent / f".{out.name}.parts")) as folder:
        _run(pipeline, sources, _Tokenize(tokenizer, source, folder), folder)
        batches = _batches_of(folder, counts)
        return write_corpus(batches, tokenizer, out, source, counts, chinese_words)


def _pipeline(options: Sequence[str]) -> beam.Pipeline:
    try:
        return beam.Pipeline(options=PipelineOptions(list(options)))
    except (ImportError, ValueError) as error:  # the runner or what it needs is missing
        raise InputError(f"Apache Beam cannot start: {error}") from None


def _run(
    pipeline: beam.Pipeline, sources: Sequence[Path | str], tokenize: "_Tokenize", folder: str
) -> None:
    """Tokenize the sources on the workers and write the manifest of their files."""
    with pipeline:
        (
            pipeline
            | "inputs" >> beam.Create(list(enumerate(map(str, sources))))
            | "spread" >> beam.Reshuffle()
            | "tokenize" >> beam.ParDo(tokenize)
            | "gather" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "list" >> beam.Map(_write_manifest, FileSystems.join(folder, _MANIFEST))
        )


class _Tokenize(beam.DoFn):
    """A step from (number, source) to a file with its ids, and the manifest's line about it."""

    def __init__(self, tokenizer: Tokenizer, settings: dict[str, Any], folder: str) -> None:
        self.tokenizer = tokenizer
        self.split, self.sentences, self.text_column = (
            settings[name] for name in ("split", "sentences", "text_column")
        )
        self.folder = folder

    def process(self, element: tuple[int, str]) -> Iterator[dict[str, Any]]:
        number, source = element
        # Beam may try a source twice, even at the same time: each try has a file of its own.
        path = FileSystems.join(self.folder, f"{number:09d}-{uuid.uuid4().hex}")
        counts, batches, losses = ReadCounts(), 0, Losses()
        try:
            with _at_hand(source) as name, FileSystems.create(path, _BINARY, _PLAIN) as file:
                paragraphs = read_source(name, self.split, counts, _pass, self.text_column)
                for batch in tokenize_batches(paragraphs, self.tokenizer, 1, self.sentences):
                    _write_batch(file, batch)
                    batches += 1
                    losses.add(batch.losses)
        except InputError as error:  # for whoever started the pipeline, who sees no traceback
            yield {"number": number, "error": str(error)}
            return
        yield {
            "number": number,
            "path": path,
            "batches": batches,
            "counts": dataclasses.asdict(counts),
            "losses": dataclasses.asdict(losses),
        }


_BINARY = "application/octet-stream"
_PLAIN = CompressionTypes.UNCOMPRESSED


def _pass(size: int) -> None:
    """Ignore the progress, which nobody looks at in a worker."""


def _sources(inputs: Sequence[str | Path]) -> list[Path | str]:
    """Each file of the inputs, in the order in which a single machine reads them."""
    if PYDOCS in map(str, inputs):
        raise InputError("pydocs is this machine's own text; write it to files for Beam")
    return resolve_inputs(inputs, _remote_files)


def _remote_files(name: str) -> list[str]:
    """The files that a URL names, sorted."""
    _check_file_system(name)
    (match,) = FileSystems.match([name])
    if not match.metadata_list:
        raise InputError(f"no file matches {name}")
    return sorted(found.path for found in match.metadata_list)


def _check_file_system(path: str) -> None:
    try:
        FileSystems.get_filesystem(path)
    except ValueError as error:  # which names apache-beam[gcp]
        raise InputError(f"Apache Beam: {error}") from None


@contextmanager
def _at_hand(source: str) -> Iterator[Path | str]:
    """The source as a file of this machine, or a data set."""
    if "://" not in source:
        yield source if source.startswith((TFDS_PREFIX, DATA_PREFIX)) else Path(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.rsplit("/", 1)[-1]
        with FileSystems.open(source, _BINARY, _PLAIN) as remote, copy.open("wb") as local:
            shutil.copyfileobj(remote, local)
        yield copy


@contextmanager
def _folder(path: str) -> Iterator[str]:
    """A new folder below ``path`` on any file system, which is removed in the end."""
    _check_file_system(path)
    folder = FileSystems.join(path, uuid.uuid4().hex)
    FileSystems.mkdirs(folder)
    try:
        yield folder
    finally:
        if "://" in path:  # where folders are but the beginnings of names
            (match,) = FileSystems.match([FileSystems.join(folder, "*")])
            FileSystems.delete([found.path for found in match.metadata_list])
        else:
            shutil.rmtree(folder)
            if not any(Path(path).iterdir()):
                Path(path).rmdir()


def _write_batch(file: Any, batch: TokenizedBatch) -> None:
    for array in (batch.tokens, batch.lengths, batch.document_ends):
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _write_manifest(lines: list[dict[str, Any]], path: str) -> None:
    with FileSystems.create(path, _BINARY, _PLAIN) as file:
        file.write(json.dumps(sorted(lines, key=lambda line: line["number"])).encode())


def _batches_of(folder: str, counts: ReadCounts) -> Iterable[TokenizedBatch]:
    """The batches of the workers' files, in the order of the inputs."""
    with FileSystems.open(FileSystems.join(folder, _MANIFEST), _BINARY, _PLAIN) as file:
        lines = json.loads(file.read())
    for line in lines:
        if "error" in line:
            raise InputError(line["error"])
    for line in lines:
        counts.add(ReadCounts(**line["counts"]))
        losses = Losses(**line["losses"])
        with FileSystems.open(line["path"], _BINARY, _PLAIN) as file:
            for _ in range(line["batches"]):
                tokens, lengths, document_ends = (
                    np.lib.format.read_array(file, allow_pickle=False) for _ in range(3)
                )
                yield TokenizedBatch(tokens, lengths, document_ends, losses)
                losses = Losses()  # the first batch has those of all
    counts.warn()
