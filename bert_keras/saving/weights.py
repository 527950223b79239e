"""The weights of a file and those of a model: matched, checked and read."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import Family, all_heads
from bert_keras.saving.names import Names, Shape, Weight, component_of, projection_variables
from bert_keras.saving.stored import StoredModel, StoredWeights, names_by_component

_LAYER = re.compile(r".*?layer_\d+(?=/)")


@dataclass
class Report:
    """The fate of each weight of a file.

    Attributes:
        source: The kind of file.
        loaded: The weights that the model got: (name in the file, our path, shape in the file).
        new: Our paths that the file lacks; they have their initial values.
        left_out: The weights of the file that the model has no place for.
    """

    source: str
    loaded: list[tuple[str, str, Shape]] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Plan(NamedTuple):
    """The model that is to be made.

    Attributes:
        model_class: Its class.
        arguments: The arguments of its constructor besides the config.
        optional: The components, such as ``"classifier"``, that the file need not have.
        superfluous: The components that the file may have although the model lacks them.
        ignored: The components that are left out although the model has such ones.
    """

    model_class: type[BertModel]
    arguments: dict[str, Any]
    optional: set[str]
    superfluous: set[str]
    ignored: set[str]


def weights_to_save(model: BertModel, family: Family, names: Names) -> list[tuple[Weight, Any]]:
    """Each weight of a model as the arrays that a file holds for it, and its value.

    Adapters (LoRA) are merged into the weights that they adapt; no file format has them.

    Raises:
        InputError: When the table has no name for one.
    """
    values = model.weight_values()
    has_pooler = "pooler/output/kernel" in values
    given = {"labels": getattr(model, "labels", 2), "with_pooler": has_pooler}
    given |= {name: getattr(model, name, None) for name in ("dense_units", "dense_bias")}
    table = []
    for path, shape in _variables(family, type(model), model.config, given):
        weight = names.weight(path, shape, model.config)
        if not weight.names:
            raise InputError(f"there is no name for {path} of a {type(model).__name__} in a file")
        table.append((weight, values[path]))
    return table


def _variables(
    family: Family, model_class: type, config: BertConfig, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, Shape]]:
    """The path and shape of each weight that such a model has, known before it is made."""
    own = set(getattr(model_class, "heads", ()))
    if getattr(model_class, "with_pooler", arguments.get("with_pooler", True)):
        own.add("pooler")
    absent = all_heads() - own
    units = getattr(model_class, "fixed_units", None) or count_labels(arguments.get("labels", 2))
    for path, shape in family.variables(config, units):
        if component_of(path) not in absent:
            yield path, shape
    yield from projection_variables(config, arguments)


def _table(stored: StoredModel, plan: Plan) -> list[Weight]:
    """The arrays of the file that each weight of the planned model consists of.

    Raises:
        InputError: When the file lacks a layer: before the table has all layers that a config may
            claim.
    """
    weights, config = stored.weights, stored.config
    table: list[Weight] = []
    variables = _variables(stored.family, plan.model_class, config, plan.arguments)
    for layer, group in groupby(variables, lambda variable: _layer_of(variable[0])):
        found = [weights.names.weight(*variable, config) for variable in group]
        names = [name for weight in found for name in weight.names]
        if layer and weights.shapes.keys().isdisjoint(names):
            raise InputError(
                f"{weights.file} lacks {weights.name(names[0])} and all of {layer}, but its "
                f"config says num_hidden_layers={config.num_hidden_layers}"
            )
        table += found
    return table


def _layer_of(path: str) -> str:
    """The Transformer layer that a variable is in; empty where it is in none."""
    match = _LAYER.match(path)
    return match[0] if match else ""


def check(stored: StoredModel, plan: Plan, report: Report) -> list[Weight]:
    """The weights that the model gets from the file, all of the right shape; fills the report."""
    weights, names = stored.weights, stored.weights.names
    known = names_by_component(names, stored.family, stored.config)

    def names_in_file(components: set[str]) -> set[str]:
        found = {name for component in components for name in known.get(component, ())}
        return found & weights.shapes.keys()

    left_out = {name for name in weights.shapes if name.startswith(names.unused)}
    left_out |= names_in_file(plan.ignored)
    there = weights.shapes.keys() - left_out - set(names.passed_over)
    table = _table(stored, plan)
    components = {weight.component for weight in table}
    new = {name for name in components & plan.optional if there.isdisjoint(known[name])}
    found = []
    for weight in table:
        if weight.component in new:
            report.new.append(weight.path)
        else:
            _check_weight(weight, there, plan.model_class, stored)
            found.append(weight)
    if "masked_lm_head" in components - new:
        _check_tied(weights)
        there -= names.tied.keys()
    left_out |= names_in_file(plan.superfluous - components) & there
    report.left_out = sorted(map(weights.name, left_out))
    unused = sorted(map(weights.name, there - left_out - {n for w in found for n in w.names}))
    if unused:
        count = "a weight" if len(unused) == 1 else f"{len(unused)} weights"
        raise InputError(
            f"{weights.file} holds {count} that a {plan.model_class.__name__} does not use: "
            f"{', '.join(unused[:3])}"
        )
    return found


def _check_weight(
    weight: Weight, there: Collection[str], model_class: type, stored: StoredModel
) -> None:
    """Refuse a weight that the file lacks or has in another shape."""
    weights, names = stored.weights, stored.weights.names
    for name in weight.names or (weight.path,):
        if name not in there:
            raise InputError(
                f"{weights.file} lacks the weight {weights.name(name)}, "
                f"which a {model_class.__name__} needs"
            )
        shape = weights.shapes[name]
        if names.has_heads and _differ_in_heads(shape, weight.shape):
            heads = shape[0] if weight.path.endswith("/attention/output/kernel") else shape[-2]
            raise InputError(
                f"{weights.file}: {weights.name(name)} has {heads} attention heads, but the config "
                f"says num_attention_heads={stored.config.num_attention_heads}"
            )
        if shape != weight.shape:
            raise InputError(
                f"{weights.file}: {weights.name(name)} has the wrong shape for its config. "
                f"Received: {shape}, expected: {weight.shape}"
            )


def _differ_in_heads(shape: Shape | None, expected: Shape) -> bool:
    return (
        shape is not None
        and shape != expected
        and len(shape) == len(expected) > 1
        and math.prod(shape) == math.prod(expected)
    )


def _check_tied(weights: StoredWeights) -> None:
    """Refuse a decoder that is not the word embeddings, as ours is: it would be lost."""
    for copy, original in weights.names.tied.items():
        if copy in weights.shapes and not np.array_equal(
            weights.read(copy), weights.read(original)
        ):
            raise InputError(
                f"{weights.file}: {weights.name(copy)} differs from {weights.name(original)}; "
                "a masked-LM head that is not tied to the embeddings is not supported"
            )


def fill(
    model: BertModel,
    found: list[Weight],
    weights: StoredWeights,
    report: Report,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Read the weights into the model, one after the other."""
    variables = {variable.path: variable for variable in model.trainable_weights}
    planned = {*report.new, *(weight.path for weight in found)}
    assert variables.keys() == planned, "the table and the model differ"
    done, total = 0, sum(weight.bytes for weight in found)
    for weight in found:
        arrays = [_read(weights, name) for name in weight.names]
        variables[weight.path].assign(weight.from_file(arrays))
        report.loaded += [(weights.name(name), weight.path, weight.shape) for name in weight.names]
        done += weight.bytes
        if on_progress is not None and weight.names:
            on_progress(done, total)


def _read(weights: StoredWeights, name: str) -> np.ndarray:
    """The array of a name, which must be of a float type, as every weight is."""
    array = weights.read(name)
    if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
        raise InputError(
            f"{weights.file}: {weights.name(name)} must be of a float type. Received: {array.dtype}"
        )
    return array


def count_labels(labels: int | Sequence[str]) -> int:
    """The number of labels."""
    return labels if isinstance(labels, int) else len(labels)
