"""From a file's weights to a model's: all of them, each in its place, or a clear refusal."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.saving.names import ENCODER, HEADS, Entry, Shape, entries

_logger = logging.getLogger("bert_keras")

# In the files of others, and no weights of their own: the decoder is tied, the ids are counted.
_DECODER, _DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
_NO_WEIGHTS = ("bert.embeddings.position_ids", "bert.embeddings.token_type_ids")
_WORDS, _OUTPUT_BIAS = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"


@dataclass(frozen=True)
class Weights:
    """The weights of a checkpoint under the table's names and in Hugging Face's layout.

    Attributes:
        file: What messages call the file.
        shapes: The shape of each weight by the table's name, or by the file's where the table
            knows none.
        read: Gives the array of a name.
        name: Gives what the file itself calls a name of the table.
        untrained: Beginnings of the names of weights that were never trained and are left out.
    """

    file: str
    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]
    name: Callable[[str], str] = str
    untrained: tuple[str, ...] = ()

    def has(self, part: str) -> bool:
        """Whether some weight's name begins with ``part``."""
        return any(name.startswith(part) for name in self.shapes)


@dataclass
class Report:
    """What became of the weights of a checkpoint.

    Attributes:
        source: What kind of checkpoint it was.
        taken: Each of the file's weights that the model has now: (name there, our path, shape).
        new: Our paths that the file had nothing for; they hold their initial values.
        left_out: The file's weights that the model has no place for.
    """

    source: str
    taken: list[tuple[str, str, Shape]] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """The model that is to be made.

    Attributes:
        model_class: One of ours.
        config: Its architecture.
        arguments: What else its constructor is given.
        may_be_new: The parts (``"classifier"``, say) that the file need not have.
        may_be_left_out: Beginnings of names that the file may have too many.
        ignored: Beginnings of names that are left out although the model has such a part.
        on_progress: Told of the bytes read so far and of all there are, in float32.
    """

    model_class: type
    config: BertConfig
    arguments: Mapping[str, Any] = field(default_factory=dict)
    may_be_new: Collection[str] = ()
    may_be_left_out: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    on_progress: Callable[[int, int], None] | None = None


def model_entries(
    model_class: type, config: BertConfig, arguments: Mapping[str, Any]
) -> list[Entry]:
    """The table's entries of such a model, known before it is made."""
    heads = getattr(model_class, "heads", {})
    pooler = getattr(model_class, "with_pooler", arguments.get("with_pooler", True))
    absent = {*HEADS, "pooler"} - set(heads) - ({"pooler"} if pooler else set())
    labels = arguments.get("labels", 2)
    count = labels if isinstance(labels, int) else len(labels)
    return [entry for entry in entries(config, count) if entry.part not in absent]


def make_model(request: Request, weights: Weights, source: str) -> Any:
    """Makes the model and fills it; its ``report`` says what went where.

    Everything is checked against the file before a model is made, so that a config that lies
    about its sizes costs no memory.

    Raises:
        InputError: When a weight is missing, unused or of another shape.
    """
    ignored_names = (*request.ignored, *weights.untrained)
    ignored = {name for name in weights.shapes if name.startswith(ignored_names)}
    shapes = {name: shape for name, shape in weights.shapes.items() if name not in ignored}
    weights = replace(weights, shapes=shapes)
    report = Report(source, left_out=sorted(map(weights.name, ignored)))
    _check_encoder(request.config, weights)
    table = model_entries(request.model_class, request.config, request.arguments)
    found = _check(table, request, weights, report)
    # Where every weight is read, none is drawn before.
    given = {"initialize": bool(report.new)} | dict(request.arguments)
    model = request.model_class(request.config, **given)
    variables = {variable.path: variable for variable in model.trainable_weights}
    assert variables.keys() == {entry.ours for entry in table}, "the table and the model differ"
    done, total = 0, sum(entry.bytes for entry in found)
    for entry in found:
        arrays = [_read(weights, name) for name in entry.theirs]
        variables[entry.ours].assign(entry.from_theirs(arrays))
        report.taken += [(weights.name(name), entry.ours, entry.shape) for name in entry.theirs]
        done += entry.bytes
        if request.on_progress is not None:
            request.on_progress(done, total)
    model.report = report
    if report.new:
        _logger.warning("%s: new and to be trained: %s", weights.file, ", ".join(report.new))
    if report.left_out:
        _logger.warning("%s: left out: %s", weights.file, ", ".join(report.left_out))
    return model


def model_weights(model: Any) -> list[tuple[Entry, Any]]:
    """The table's entries that the model has, each with its variable."""
    arguments: dict[str, Any] = {"labels": getattr(model, "labels", 2)}
    encoder = getattr(model, "encoder", model)
    arguments["with_pooler"] = encoder.pooler is not None
    variables = {variable.path: variable for variable in model.weights}
    table = model_entries(type(model), model.config, arguments)
    return [(entry, variables[entry.ours]) for entry in table]


def _read(weights: Weights, name: str) -> np.ndarray:
    """An array that is one of numbers with a point, as every weight is."""
    array = weights.read(name)
    if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
        raise InputError(
            f"{weights.file}: {weights.name(name)} must be of a float type. Received: {array.dtype}"
        )
    return array


def _check_encoder(config: BertConfig, weights: Weights) -> None:
    """Refuses a config of more layers than the file has before the table is made of them."""
    last = f"{ENCODER}encoder.layer.{config.num_hidden_layers - 1}."
    if not weights.has(last):
        raise InputError(
            f"{weights.file} lacks the weights {last}*, but its config says "
            f"num_hidden_layers={config.num_hidden_layers}"
        )


def _check(table: list[Entry], request: Request, weights: Weights, report: Report) -> list[Entry]:
    """The entries that the file has, each of the right shape; fills the rest of the report."""
    found, unused = [], set(weights.shapes) - set(_NO_WEIGHTS)
    untouched = {entry.part for entry in table} & set(request.may_be_new)
    for entry in table:
        if any(name in weights.shapes for name in entry.theirs):
            untouched.discard(entry.part)
    for entry in table:
        if entry.part in untouched:
            report.new.append(entry.ours)
            continue
        for name in entry.theirs:
            _check_weight(name, entry.shape, request, weights)
        unused -= set(entry.theirs)
        found.append(entry)
    if "masked_lm_head" in {entry.part for entry in found}:
        _check_tied(weights)
        unused -= {_DECODER, _DECODER_BIAS}
    left_out = {name for name in unused if name.startswith(request.may_be_left_out)}
    report.left_out += sorted(map(weights.name, left_out))
    unused -= left_out
    if unused:
        names = sorted(map(weights.name, unused))
        count = "a weight" if len(names) == 1 else f"{len(names)} weights"
        raise InputError(
            f"{weights.file} holds {count} that a {request.model_class.__name__} does not use: "
            f"{', '.join(names[:3])}"
        )
    return found


def _check_weight(name: str, shape: Shape, request: Request, weights: Weights) -> None:
    if name not in weights.shapes:
        raise InputError(
            f"{weights.file} lacks the weight {weights.name(name)}, "
            f"which a {request.model_class.__name__} needs"
        )
    if weights.shapes[name] != shape:
        raise InputError(
            f"{weights.file}: {weights.name(name)} has the wrong shape for its config. "
            f"Received: {weights.shapes[name]}, expected: {shape}"
        )


def _check_tied(weights: Weights) -> None:
    """A decoder of its own would be lost: here it is the word embeddings."""
    for copy, original in ((_DECODER, _WORDS), (_DECODER_BIAS, _OUTPUT_BIAS)):
        if copy in weights.shapes and not np.array_equal(
            weights.read(copy), weights.read(original)
        ):
            raise InputError(
                f"{weights.file}: {weights.name(copy)} differs from {weights.name(original)}; "
                "a masked-LM head that is not tied to the embeddings is not supported"
            )
