"""Metadata that MediaPipe's text tasks read: what the tensors are, the vocabulary, the labels.

A flatbuffer of its own schema (mediapipe/tasks/metadata/metadata_schema.fbs) in a buffer of the
model, and the files packed after it as an uncompressed zip archive, which readers of the model do
not see. The few tables that are needed are written by their published field numbers, so that a
plain install can do it; the tests let MediaPipe read them.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.errors import InputError
from bert_keras.export.sequences import NAMES
from bert_keras.tokenization import WordPieceTokenizer

VOCABULARY_FILE, LABELS_FILE, THRESHOLDS_FILE = "vocab.txt", "labels.txt", "thresholds.txt"
METADATA = b"TFLITE_METADATA"  # the name under which readers look for it
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.1.0"  # the first that knows BERT's tokenizer
# MediaPipe finds the inputs of a BERT by these names.
_TASK_NAMES = dict(zip(NAMES, ("ids", "mask", "segment_ids"), strict=True))
_AXIS_LABELS, _VOCABULARY = 2, 5  # AssociatedFileType
_FEATURES = 1  # ContentProperties
_BERT_TOKENIZER = 4  # ProcessUnitOptions


def unlike_mediapipe(tokenizer: WordPieceTokenizer) -> str:
    """The difference of a tokenizer's rules from MediaPipe's; empty where there is none.

    MediaPipe always lower-cases, ASCII alone, keeps accents, and splits Chinese characters. Accents
    are not counted here: ``export/mobile/README.md`` describes them for all uncased models.
    """
    if tokenizer.added:
        shown = ", ".join(repr(token.content) for token in tokenizer.added[:3])
        return f"the model has added tokens ({shown}), which MediaPipe and WordPiece.kt take apart"
    casing = tokenizer.casing
    if not casing.do_lower_case:
        return "the model is cased, and MediaPipe lower-cases all text"
    if not casing.tokenize_chinese_chars:
        return "the model keeps Chinese characters together, and MediaPipe parts them"
    return ""


def with_metadata(
    data: bytes, vocabulary: Sequence[str], labels: Sequence[str], names_tokenizer: bool = True
) -> bytes:
    """A TFLite file with metadata, its vocabulary and its labels.

    Args:
        data: The file without.
        vocabulary: The word pieces in the order of their ids.
        labels: The labels in the order of the output's last axis; may be empty.
        names_tokenizer: Whether MediaPipe tokenizes for the file; otherwise it refuses it.

    Raises:
        InputError: When a label is of several lines, or empty.
    """
    wrong = [label for label in labels if not label.strip() or len(label.splitlines()) > 1]
    if wrong:
        raise InputError(
            f"labels must be one line each, to be packed into the file. Received: {wrong[0]!r}"
        )
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA, len(model.buffers)
    description = _describe(model, bool(labels), names_tokenizer)
    contents = [_content(buffer, data) for buffer in model.buffers]
    model.metadata = [*(model.metadata or []), entry]
    return with_files(packed(model, [*contents, description]), vocabulary, labels)


def packed(model: schema.ModelT, contents: Sequence[bytes | np.ndarray | None]) -> bytes:
    """The bytes of a TFLite model.

    Args:
        model: The model.
        contents: The content of each of its buffers.
    """
    model.buffers = [_AlignedBuffer(content) for content in contents]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _content(buffer: schema.BufferT, data: bytes) -> bytes | np.ndarray | None:
    """The content of a buffer; ai-edge-quantizer puts large ones after the model."""
    if buffer.offset > 1:  # 0 and 1 mean none
        return data[buffer.offset : buffer.offset + buffer.size]
    return buffer.data


class _AlignedBuffer(schema.BufferT):
    """A buffer at a multiple of 16 bytes, as the schema wants it and the generated code forgets."""

    def __init__(self, data: bytes | np.ndarray | None) -> None:
        super().__init__()
        self.data = None if data is None else bytes(data)

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the generated name
        """Write the buffer."""
        vector = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head = builder.Head() - len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


def with_files(data: bytes, vocabulary: Sequence[str], labels: Sequence[str]) -> bytes:
    """A TFLite file with its vocabulary and its labels packed after it."""
    return _with_lines(data, {VOCABULARY_FILE: vocabulary, LABELS_FILE: labels})


def with_thresholds(data: bytes, thresholds: Sequence[float]) -> bytes:
    """A file of ``with_files`` with a label's threshold a line, if there are any."""
    return _with_lines(data, {THRESHOLDS_FILE: list(map(repr, thresholds))})


def _with_lines(data: bytes, files: Mapping[str, Sequence[str]]) -> bytes:
    """A TFLite file with text files packed after it, those that have a line."""
    target = io.BytesIO(data)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_STORED) as archive:
        for name, lines in files.items():
            if not lines:
                continue
            # Of a fixed date, so that the same model is the same file.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, "".join(f"{line}\n" for line in lines))
    return target.getvalue()


def _describe(model: schema.ModelT, has_labels: bool, names_tokenizer: bool) -> bytes:
    """The ``ModelMetadata`` of a file with one signature."""
    builder = flatbuffers.Builder(1024)
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    inputs = {entry.tensorIndex: entry.name.decode() for entry in signature.inputs}
    outputs = {entry.tensorIndex: entry.name.decode() for entry in signature.outputs}
    # In the order of the graph, which is not that of the signature.
    input_tensors = [_tensor(builder, _TASK_NAMES[inputs[i]], []) for i in graph.inputs]
    output_tensors = [
        _tensor(builder, outputs[i], [_file(builder, LABELS_FILE, _AXIS_LABELS)] * has_labels)
        for i in graph.outputs
    ]
    vocabulary = _vector(builder, [_file(builder, VOCABULARY_FILE, _VOCABULARY)])
    tokenizer = _table(builder, {0: vocabulary}, 1)
    unit = _table(builder, {1: tokenizer}, 2, {0: _BERT_TOKENIZER})
    tables = {2: _vector(builder, input_tensors), 3: _vector(builder, output_tensors)}
    if names_tokenizer:
        tables[5] = _vector(builder, [unit])
    subgraph = _table(builder, tables, 10)
    fields = {
        0: builder.CreateString("BERT"),
        3: _vector(builder, [subgraph]),
        7: builder.CreateString(_PARSER_VERSION),
    }
    builder.Finish(_table(builder, fields, 8), _IDENTIFIER)
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, name: str, files: list[int]) -> int:
    features = _table(builder, {}, 0)
    content = _table(builder, {1: features}, 3, {0: _FEATURES})
    fields = {0: builder.CreateString(name), 3: content}
    if files:
        fields[6] = _vector(builder, files)
    return _table(builder, fields, 7)


def _file(builder: flatbuffers.Builder, name: str, kind: int) -> int:
    return _table(builder, {0: builder.CreateString(name)}, 5, {2: kind})


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _table(
    builder: flatbuffers.Builder, offsets: dict[int, int], size: int,
    small: dict[int, int] | None = None,
) -> int:  # fmt: skip
    """A table of ``size`` fields: those that refer to others, and those of one byte."""
    builder.StartObject(size)
    for number, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(number, offset, 0)
    for number, value in (small or {}).items():
        builder.PrependUint8Slot(number, value, 0)
    return int(builder.EndObject())
