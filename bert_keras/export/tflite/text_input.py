"""TFLite files that take text: the tokenizer in front of a model, in one graph.

Besides builtin operations they have two of tensorflow-text, FastBertNormalize and
FastWordpieceTokenizeWithOffsets, which an app must link; they need no Flex delegate.
"""

import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.errors import InputError
from bert_keras.export.comparison import TOLERANCE, largest_difference
from bert_keras.export.report import Report
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.sequences import NAMES
from bert_keras.export.session import temporary_folder
from bert_keras.export.tflite.answers import Arrays, IdAnswers
from bert_keras.export.tflite.convert import CUSTOM_OPERATIONS, operations_of, quiet_converter
from bert_keras.export.tflite.interpreter import TextModel, TFLiteModel
from bert_keras.export.tflite.measure import batches_of
from bert_keras.export.tflite.metadata import METADATA, packed, with_files
from bert_keras.modeling.model import BertModel
from bert_keras.signals import give_way
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.span import Span
from bert_keras.tokenization import require_wordpiece
from bert_keras.tokenization.graph.phone import PhoneTokenizer, unordered_marks

SIGNATURE, TOKENIZE = "text", "tokenize"
PLACES = ("byte_starts", "byte_ends", "word_ids")


def text_inputs(model: BertModel, pair: bool) -> tuple[str, ...]:
    """The names of the texts that a model takes, in the order of their tokens.

    Raises:
        InputError: When pairs are asked for and such a model takes none.
    """
    if isinstance(model, Span.model_class):
        return ("question", "context")
    if pair and not model.takes_pairs:
        raise InputError(f"a {type(model).__name__} takes single texts: leave --pair out")
    return ("text_a", "text_b") if pair or model.needs_pairs else ("text",)


class TextInput:
    """The tokenizer as a TFLite file, to put in front of others.

    Args:
        model: The model, with its tokenizer.
        answers: What it answers; outputs by token come with their places in the text.
        length: Tokens of every sequence; None leaves each as long as its text.
        longest: The most tokens of a sequence; longer texts are cut.
        pair: Whether the texts come in pairs.
        truncation: How a longer text is cut; see ``Tokenizer.encode``.

    Raises:
        InputError: When pairs are asked for and such a model takes none.
    """

    def __init__(
        self,
        model: BertModel,
        answers: IdAnswers,
        length: int | None,
        longest: int,
        pair: bool,
        truncation: str = "head",
    ) -> None:
        self.tokenizer = require_wordpiece(model.tokenizer_or(), "text in a file", "--input tokens")
        self.inputs = text_inputs(model, pair)
        self.length, self.longest, self.truncation = length, longest, truncation
        is_span = isinstance(model, Span.model_class)
        self.span = Span(max_seq_length=longest) if is_span else None
        self.passed_on = PLACES if answers.token_outputs else ()
        self.file = self._converted()
        operations_of(self.file, CUSTOM_OPERATIONS["text"])  # no others

    def in_front_of(self, data: bytes) -> bytes:
        """The file of a model that takes ids, made to take text."""
        return joined(self.file, data, SIGNATURE, self.passed_on)

    def measured_in_front_of(self, data: bytes, labels: Sequence[str]) -> tuple[Report, bytes]:
        """The file of a model that takes ids, made to take text and compared with it.

        Returns:
            A report: the number of texts and of their tokens that differ from the host's (0), the
            largest difference of an answer, relative to those above 1, and the median time of
            either file, in ms; and the file, with its vocabulary and its labels packed after it.

        Raises:
            InputError: When a token differs, or an answer by more than 1e-4.
        """
        content = with_files(self.in_front_of(data), self.tokenizer.vocab, labels)
        columns = self._sample()
        batches = batches_of(self._features(columns), self.tokenizer.pad_id, self.length)
        texts = [dict(zip(self.inputs, row, strict=True)) for row in zip(*columns, strict=True)]
        tokens = self._compared_tokens(texts, batches)
        largest, milliseconds = _compared_answers(data, content, texts, batches)
        report = {
            "bytes": len(content) - len(data),
            "texts": len(texts),
            "tokens": tokens,
            "tokens_that_differ": 0,
            "largest_difference": largest,
            "milliseconds": milliseconds,
            "unordered_marks": unordered_marks(self.tokenizer.vocab, self.tokenizer.casing),
        }
        return report, content

    def _features(self, columns: list[list[str]]) -> list[Feature]:
        """The sequences of texts; of a question's context the first window."""
        if self.span is not None:
            examples = [self.span.from_text(*row) for row in zip(*columns, strict=True)]
            return [self.span.features([each], self.tokenizer)[0] for each in examples]
        pairs = columns[1] if len(columns) > 1 else None
        encodings = self.tokenizer.encode_batch(columns[0], pairs, self.longest, self.truncation)
        return [Feature(0, e.input_ids, e.token_type_ids) for e in encodings]

    def _compared_tokens(self, texts: list[dict[str, str]], batches: list[Arrays]) -> int:
        """The number of the texts' tokens, after a check that they are the host's."""
        tokenize = TextModel(self.file)
        for sent, batch in zip(texts, batches, strict=True):
            given = tokenize.run(**sent)
            if any(not np.array_equal(given[name], batch[name]) for name in NAMES):
                raise InputError(
                    f"the file reads other tokens than the tokenizer in {sent}; nothing was written"
                )
        return sum(int(batch["attention_mask"].sum()) for batch in batches)

    def _sample(self) -> list[list[str]]:
        """Texts of many scripts, empty and long ones; a pair is a text and the next one."""
        paragraphs = PROSE[:12]
        marked = "The ferry to the [MASK] was late[SEP]again [mask]."
        texts = [*SENTENCES, marked, *paragraphs, " ".join(paragraphs)]
        return [[*texts[n:], *texts[:n]] for n in range(len(self.inputs))]

    def _converted(self) -> bytes:
        template = self.tokenizer.template
        longest = None if self.span is None else self.span.longest_question(template)
        phone = PhoneTokenizer(self.tokenizer, self.longest, self.truncation, longest)
        names = (*NAMES, *self.passed_on)

        def tokenize(**texts: tf.Tensor) -> dict[str, tf.Tensor]:
            batch = phone.encode(*(texts[name] for name in self.inputs))
            if self.length is not None:
                batch = phone.padded(batch, self.length)
            return {name: batch[name] for name in names}

        specs = {name: tf.TensorSpec([1], tf.string, name) for name in self.inputs}
        function = tf.function(tokenize, autograph=False).get_concrete_function(**specs)
        module = tf.Module(name="tokenizer")
        module.phone = phone
        with temporary_folder() as folder, quiet_converter():
            tf.saved_model.save(module, folder, signatures={TOKENIZE: function})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[TOKENIZE])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            converter.allow_custom_ops = True
            data: bytes = give_way(converter.convert)
        return data


def _compared_answers(
    data: bytes, with_text: bytes, texts: list[dict[str, str]], batches: list[Arrays]
) -> tuple[float, dict[str, float]]:
    """The largest difference between two files' answers; the median time of each, in ms."""
    from_ids, from_text = TFLiteModel(data), TextModel(with_text)
    seconds: dict[str, list[float]] = {"tokens": [], "text": []}
    largest = 0.0
    for sent, batch in zip(texts, batches, strict=True):
        begin = time.perf_counter()
        expected = from_ids.run(batch)
        middle = time.perf_counter()
        given = from_text.run(**sent)
        seconds["tokens"].append(middle - begin)
        seconds["text"].append(time.perf_counter() - middle)
        for name, values in expected.items():
            largest = max(largest, largest_difference(given[name], values))
    if largest > TOLERANCE:
        raise InputError(
            f"the file's answers to text differ from those to ids by up to {largest:.2g}; "
            "nothing was written"
        )
    return largest, {name: 1000 * float(np.median(times)) for name, times in seconds.items()}


def joined(first: bytes, second: bytes, signature: str, passed_on: tuple[str, ...]) -> bytes:
    """Two TFLite files as one graph: the operations of the first, then those of the second.

    Args:
        first: A file of one signature and one graph.
        second: Another, whose inputs are outputs of the first by the same names.
        signature: The name of the signature of the result, with the inputs of the first.
        passed_on: Outputs of the first that the result has, besides those of the second.
    """
    result, added = (schema.ModelT.InitFromPackedBuf(data, 0) for data in (first, second))
    assert len(result.subgraphs) == len(added.subgraphs) == 1, "control flow is not joined"
    graph, other = result.subgraphs[0], added.subgraphs[0]
    asked, answered = result.signatureDefs[0], added.signatureDefs[0]
    codes, buffers, tensors = (
        len(table) for table in (result.operatorCodes, result.buffers, graph.tensors)
    )
    outputs = {entry.name: entry.tensorIndex for entry in asked.outputs}
    places = {number: tensors + number for number in range(len(other.tensors))}
    places |= {entry.tensorIndex: outputs[entry.name] for entry in answered.inputs}
    places[-1] = -1  # an optional input that is left out
    for tensor in other.tensors:
        tensor.buffer += buffers
    for operator in other.operators:
        operator.opcodeIndex += codes
        for name in ("inputs", "outputs", "intermediates"):
            numbers = getattr(operator, name)
            if numbers is not None:
                setattr(operator, name, [places[int(number)] for number in numbers])
    for entry in added.metadata or []:
        entry.buffer += buffers
    for entry in answered.outputs:
        entry.tensorIndex = places[entry.tensorIndex]
    kept = [entry for entry in asked.outputs if entry.name.decode() in passed_on]
    asked.signatureKey = signature.encode()
    asked.outputs = [*answered.outputs, *kept]
    graph.outputs = [entry.tensorIndex for entry in asked.outputs]
    graph.tensors += other.tensors
    graph.operators += other.operators
    result.operatorCodes += added.operatorCodes
    # The second's metadata for MediaPipe describe inputs that are not there any more.
    result.metadata = [entry for entry in added.metadata or [] if entry.name != METADATA]
    result.buffers += added.buffers
    return packed(result, [buffer.data for buffer in result.buffers])
