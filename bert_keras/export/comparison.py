"""A SavedModel compared with Keras, through the loader that TF Serving uses."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export.answers import Answers
from bert_keras.export.answers.base import Arrays, Texts
from bert_keras.export.samples import comparison_texts
from bert_keras.export.session import ServingSession, quiet
from bert_keras.export.signatures import DEFAULT, TOKENIZE
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import Tokenizer, check_reading

TOLERANCE = 1e-4  # in float32
_ROWS = 8  # texts that are compared at a time


def largest_difference(given: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of two arrays of one shape; relative to expected values above 1."""
    scale = np.maximum(np.abs(expected), 1.0)
    return float((np.abs(given - expected) / scale).max(initial=0))


@dataclass
class OwnLength:
    """Differences between the exported answers and Keras's at the model's own length.

    Attributes:
        length: That length, in tokens.
        texts: The number of texts that were compared.
        cut: The number of those that the export cuts and the model does not.
        tokens: The number of their tokens, as the model reads them.
        not_read: The number of those that the export does not read.
        other_answers: The number of texts with another answer in words.
        differences: By output, the largest difference of its numbers; relative to those above 1.
    """

    length: int
    texts: int = 0
    cut: int = 0
    tokens: int = 0
    not_read: int = 0
    other_answers: int = 0
    differences: dict[str, float] = field(default_factory=dict)

    def add(
        self, answers: Answers, own: Answers, texts: Texts, given: Arrays, model: BertModel
    ) -> None:
        """Add some texts and the answers of the export to them."""
        expected = own.expected(model, texts)
        pairs = list(texts[1]) if len(texts) > 1 else None
        for encoding in own.tokenizer.encode_batch(list(texts[0]), pairs):
            count = len(encoding.input_ids)
            whole, read = (min(count, one.most_read()) for one in (own, answers))
            self.tokens += whole
            self.not_read += max(0, whole - read)
            self.cut += read < whole
        self.texts += len(texts[0])
        words = [name for name, array in expected.items() if array.dtype == object]
        for row in range(len(texts[0])):
            rows = [tuple(filter(None, each[name][row : row + 1].ravel()))
                    for name in words for each in (given, expected)]  # fmt: skip
            self.other_answers += rows[::2] != rows[1::2]
        for name, array in expected.items():
            if array.dtype.kind == "f" and array.shape == given[name].shape:
                difference = largest_difference(given[name], array)
                self.differences[name] = max(self.differences.get(name, 0.0), difference)


@dataclass
class Comparison:
    """Differences between the exported answers and Keras's.

    Attributes:
        texts: The number of texts that were compared.
        tokens: The number of their tokens, as the model reads them.
        longest: The tokens of the longest.
        differences: By output, the largest difference of its numbers; relative to those above 1.
        other_answers: By output of words or whole numbers, the number of values that differ.
        own_length: The same at the model's own length, where the export has another length and
            takes text; ids do not show what is cut.
    """

    texts: int = 0
    tokens: int = 0
    longest: int = 0
    differences: dict[str, float] = field(default_factory=dict)
    other_answers: dict[str, int] = field(default_factory=dict)
    own_length: OwnLength | None = None

    @property
    def largest_difference(self) -> float:
        """The largest difference of all outputs."""
        return max(self.differences.values(), default=0.0)


def check_tokens(tokenizer: Tokenizer) -> None:
    """Compare the tokens of a tokenizer in the graph with the host's, on the comparison's texts.

    Args:
        tokenizer: The host's.

    Raises:
        InputError: When there is no such graph, or a text has other tokens there; shows them.
    """
    # Imported here: it needs tensorflow-text, which is not available for every system.
    from bert_keras.tokenization.graph import GraphTokenizer

    added = [token.content for token in getattr(tokenizer, "added", ())]
    texts = [*comparison_texts(tokenizer, 0), *(between.join(added) for between in (" ", "", "x"))]
    hosts = [encoding.input_ids for encoding in tokenizer.encode_batch(texts)]
    longest = max(map(len, hosts))
    encoded = GraphTokenizer(tokenizer, 2 * longest).encode(tf.constant(texts))
    for text, host, ids, mask in zip(
        texts, hosts, encoded["input_ids"].numpy(), encoded["attention_mask"].numpy(), strict=True
    ):
        given = ids[: mask.sum()].tolist()
        if given == host:
            continue
        pairs = enumerate(zip(given, host, strict=False))
        place = next((n for n, (one, other) in pairs if one != other), min(len(given), len(host)))
        shown = ([tokenizer.vocab[n] for n in each[place : place + 5]] for each in (given, host))
        raise InputError(
            "the graph's tokens differ from the host's: {} in place of {}, in {!r:.80}".format(
                *shown, text
            )
        )


def compare(answers: Answers, own: Answers, model: BertModel, folder: Path) -> Comparison:
    """Compare a SavedModel with Keras on real text.

    Args:
        answers: What was exported.
        own: The same at the model's own length.
        model: The model in float32, with its tokenizer.
        folder: The SavedModel.

    Raises:
        InputError: When the host does not give the library's tokens or the graph the host's, an
            answer is not finite or, in float32, differs by more than 1e-4.
    """
    length = max(answers.comparison_length(), own.comparison_length())
    samples = comparison_texts(answers.tokenizer, length)
    check_reading(answers.tokenizer, samples)
    texts = answers.columns(samples)
    from_ids = answers.config.input == "tokens"
    # Ids one row at a time: outputs at padding mean nothing.
    rows = max(1, min(_ROWS, answers.config.max_request_tokens // answers.row_tokens()))
    rows = 1 if from_ids else rows
    add = _compare_ids if from_ids else _compare_rows
    result = Comparison()
    lengths = answers.config.max_length, own.config.max_length
    if lengths[0] != lengths[1] and not from_ids:
        result.own_length = OwnLength(lengths[1] or 0)
    with ServingSession(folder) as session, quiet():
        for start in range(0, len(texts[0]), rows):
            some = [column[start : start + rows] for column in texts]
            add(answers, own, model, session, some, result)
    if answers.config.weights == "float32":
        _check(result)
    return result


def _compare_rows(
    answers: Answers,
    own: Answers,
    model: BertModel,
    session: ServingSession,
    texts: list[list[str]],
    result: Comparison,
) -> None:
    """Add some texts to the result."""
    inputs = answers.request(texts)
    encoded = session.run(TOKENIZE, inputs)
    host = answers.host_batch(texts)
    for name, array in host.items():
        if not np.array_equal(encoded[name], array):
            raise InputError(_other_tokens(name, texts, encoded[name], array))
    given = _decoded(session.run(DEFAULT, inputs))
    _add_answers(answers, given, answers.expected(model, texts), host, result)
    if result.own_length:
        result.own_length.add(answers, own, texts, given, model)


def _compare_ids(
    answers: Answers,
    own: Answers,
    model: BertModel,
    session: ServingSession,
    texts: list[list[str]],
    result: Comparison,
) -> None:
    """Add a text by its ids; one that is cut is skipped, as ids do not show it."""
    encode = answers.tokenizer.encode_batch
    (encoding,) = encode(texts[0], texts[1] if len(texts) > 1 else None)
    if len(encoding.input_ids) > answers.length:
        return
    host = answers.host_batch(texts)
    expected = answers.expected_from_ids(model, texts)
    _add_answers(answers, _decoded(session.run(DEFAULT, host)), expected, host, result)


def _add_answers(
    answers: Answers, given: Arrays, expected: Arrays, host: Arrays, result: Comparison
) -> None:
    result.texts += len(host["attention_mask"])
    result.tokens += int(host["attention_mask"].sum())
    result.longest = max(result.longest, host["attention_mask"].shape[1])
    _add_differences(answers, given, expected, result)


def _add_differences(answers: Answers, given: Arrays, expected: Arrays, result: Comparison) -> None:
    weights, differences, others = answers.config.weights, result.differences, result.other_answers
    for name, wanted in expected.items():
        array = given[name]
        if array.shape != wanted.shape:
            # With coarser weights other entities may be found, as many or not.
            if weights == "float32":
                raise InputError(
                    f"the export disagrees with Keras: {name} is of shape {array.shape}, "
                    f"not {wanted.shape}; nothing was written"
                )
            others[name] = others.get(name, 0) + max(array.size, wanted.size)
        elif wanted.dtype.kind == "f":
            if not np.isfinite(array).all():
                raise InputError(
                    f"the exported {name} are not finite numbers: with weights={weights} the "
                    "model cannot be served; nothing was written"
                )
            difference = largest_difference(array, wanted)
            differences[name] = max(differences.get(name, 0.0), difference)
        else:
            count = int(answers.is_other(name, given, expected, TOLERANCE).sum())
            others[name] = others.get(name, 0) + count


def _check(result: Comparison) -> None:
    for name, difference in result.differences.items():
        if difference > TOLERANCE:
            raise InputError(
                f"the export disagrees with Keras: {name} differ by up to {difference:.2g}, more "
                f"than {TOLERANCE}; nothing was written"
            )
    for name, count in result.other_answers.items():
        if count:
            raise InputError(
                f"the export disagrees with Keras: {count} of the {name} differ; nothing was "
                "written"
            )


def _other_tokens(
    name: str, texts: list[list[str]], given: np.ndarray, expected: np.ndarray
) -> str:
    if given.shape != expected.shape:
        return (
            f"the graph's tokens differ from the host's: {name} of shape {given.shape}, not "
            f"{expected.shape}; nothing was written"
        )
    row = int(np.flatnonzero((given != expected).any(axis=1))[0])
    text = " | ".join(column[row] for column in texts)
    return f"the graph's tokens differ from the host's: {text!r:.80}; nothing was written"


def _decoded(outputs: Arrays) -> Arrays:
    """The outputs with words as ``str``."""
    return {
        name: np.array([value.decode("utf-8") for value in array.ravel()], object).reshape(
            array.shape
        )
        if array.dtype == object
        else array
        for name, array in outputs.items()
    }
