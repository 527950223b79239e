"""The base of all BERT models: construction, serialization and copies."""

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.forward import Forward
from bert_keras.modeling.inputs import (
    SEQUENCES,
    as_array,
    as_mapping,
    check_ids,
    is_data_source,
)
from bert_keras.modeling.layers import NO_QUANTIZATION, Configured
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.objectives import Batch

if TYPE_CHECKING:  # a model is given its tokenizer; the encoder is a model itself
    from bert_keras.modeling.encoder import BertEncoder
    from bert_keras.tokenization import Tokenizer


FROZEN = "frozen"  # in a serialized model: the layers that are not trained


class Assets(Protocol):
    """Writing and reading what a ``.keras`` file holds of a model besides its weights."""

    def save(self, model: "BertModel", folder: Path) -> None:
        """Write it into a folder."""
        ...

    def load(self, model: "BertModel", folder: Path) -> None:
        """Read it from a folder into the model."""
        ...


class BertModel(Configured, keras.Model):
    """A Keras model made from a ``BertConfig``; the constructor makes its weights.

    Saved with it are its ``tokenizer``; ``other_config``, what its ``config.json`` had besides the
    architecture; and ``other_files``, the JSON of further files of its directory, by name. ``save``
    also writes its ``card``, where it has one, as the ``README.md`` of a Hugging Face directory.

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only (faster where shapes may be
            dynamic: CPU, GPU) or on the padded batch (TPU, XLA, TFLite).
        arithmetic: The operations that the layers compute in, for good; not part of what is saved.
        initialize: Whether initial weights are drawn; zeros otherwise, for a model whose weights
            are all read from a file.
        **kwargs: Arguments of ``keras.Model``, such as ``dtype`` for a policy.
    """

    takes_pairs: ClassVar[bool] = True  # whether its input may be a pair of texts
    needs_pairs: ClassVar[bool] = False  # whether its input must be a pair of texts
    input_axes: ClassVar[tuple[str, ...]] = ("batch", "length")  # those of its ids

    built: bool
    config_class: ClassVar[type[BertConfig]] = BertConfig
    encoder_class: ClassVar[type["BertEncoder"] | None] = None  # ``None``: ``BertEncoder``
    packed: bool
    encoder: "BertEncoder"
    report: Any  # of a loaded model: where each weight came from
    tokenizer: "Tokenizer | None" = None
    assets: ClassVar[Assets | None] = None  # set by ``bert_keras.saving``

    def build(self, *shapes: Any) -> None:
        """Nothing to do: the constructor has made the weights.

        So their paths (``embeddings/word_embeddings``) do not depend on the model's name, nor on a
        model around it.
        """
        self.built = True

    def __init__(
        self, config: BertConfig, seed: int | None = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, **kwargs)
        self.packed = packed
        # By this Keras decides where it may choose XLA, for a model around this one too; XLA needs
        # fixed shapes, and packed ones go by the batch.
        self.supports_jit = not packed
        self.other_config: dict[str, Any] = {}
        self.other_files: dict[str, Any] = {}
        self.card = ""

    def export(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Export as ``keras.Model.export`` does: a SavedModel of ids, of any batch size and length.

        ``export_saved_model`` writes one that takes text.
        """
        shape = (None,) * len(self.input_axes)
        specs = {name: keras.InputSpec("int32", shape) for name in SEQUENCES}
        if len(args) < 3:  # after format and verbose
            kwargs.setdefault("input_signature", [specs])
        super().export(filepath, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predict as ``keras.Model.predict`` does, from whatever a model may be called with.

        ``bert_keras.predict`` answers texts.

        Raises:
            InputError: When the batch is none, or has ids in arrays that the model does not have.
        """
        if not is_data_source(x):
            x = {name: as_array(name, values) for name, values in as_mapping(x).items()}
            check_ids(x, self.config)
        return super().predict(x, *args, **kwargs)

    def check_strategy(self, method: str) -> None:
        """Refuse, for a method, the scope of a strategy that the model was not made in.

        Raises:
            InputError: When its weights lie elsewhere than the strategy takes them to.
        """
        here = tf.distribute.get_strategy()
        one = isinstance(here, tf.distribute.OneDeviceStrategy) or not tf.distribute.has_strategy()
        if not (one or here is self._distribute_strategy):
            raise InputError(f"{method}: make the model, or load it, in this strategy's scope too")

    def check_compiled(self, jit_compile: Any, steps_per_execution: int = 1) -> None:
        """Refuse what Keras cannot do for the model where it lies.

        Raises:
            InputError: It names the argument of ``compile``.
        """
        mirrored = isinstance(self.distribute_strategy, tf.distribute.MirroredStrategy)
        several = mirrored and self.distribute_strategy.num_replicas_in_sync > 1
        if jit_compile is True and self.packed:
            raise InputError(
                "jit_compile: XLA needs fixed shapes, and a packed model's go by the batch; "
                "leave it out, or make the model with packed=False"
            )
        for name, is_set in (  # keras-team/keras#19246; tensorflow.org/xla/known_issues
            ("steps_per_execution", steps_per_execution != 1),
            ("jit_compile", jit_compile is True),
        ):
            if several and is_set:
                raise InputError(f"{name}: Keras fails with it on several devices; leave it out")

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: Keras quantizes its own layers alone, and would leave these as they are.

        Raises:
            InputError: It names what writes weights of 8 bits.
        """
        raise InputError(NO_QUANTIZATION)

    def tokenizer_or(self, given: "Tokenizer | None" = None) -> "Tokenizer":
        """The given tokenizer, else the model's own.

        Raises:
            InputError: When there is none.
        """
        tokenizer = given or self.tokenizer
        if tokenizer is None:
            raise InputError("the model has no tokenizer: no vocab.txt, no tokenizer.json")
        return tokenizer

    @property
    def default_length(self) -> int:
        """The tokens that a text is cut to by default.

        The smaller of ``max_position_embeddings`` and the tokenizer's ``model_max_length``.
        """
        limit = None if self.tokenizer is None else self.tokenizer.model_max_length
        positions = self.config.longest_sequence
        return positions if limit is None else min(limit, positions)

    def drop_decision(self) -> None:
        """Drop what was fitted to the weights, before they change; of most models nothing was."""

    def dropout_counter(self) -> DropoutSeeds:
        """The model's only counter of training calls.

        A method, since Keras would write an attribute into ``.keras`` files under a second name.
        """
        return self.encoder.dropout_seeds

    def forward(self, batch: Batch, rows: int = 0) -> Batch:
        """The outputs for a batch, dropout off, computed by a graph; see ``Forward``."""
        return self._forward(batch, rows)

    @cached_property
    def _forward(self) -> Forward:
        return Forward(self)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        arguments = {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "config": self.config.to_dict(),
            "seed": self.seed,
            "packed": self.packed,
        }
        frozen = [path for path, layer in _layers_of(self) if not layer.trainable]
        return arguments | ({FROZEN: frozen} if frozen else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The model of a ``get_config``."""
        dtype = config.get("dtype")
        if isinstance(dtype, dict):
            dtype = keras.saving.deserialize_keras_object(dtype, custom_objects)
        own = cls.config_class.from_dict(config["config"])
        frozen = config.get(FROZEN, ())
        arguments = {name: value for name, value in config.items() if name != FROZEN}
        model = cls(**(arguments | {"config": own, "dtype": dtype}))
        model.freeze(frozen)
        return model

    def freeze(self, frozen: Collection[str]) -> None:
        """Train all layers but these, which are named by their paths in the model."""
        for path, layer in _layers_of(self):
            if layer.trainable == (path in frozen):  # it sets all the layers that are in it
                layer.trainable = path not in frozen

    def weight_values(self) -> dict[str, tf.Tensor]:
        """The values of the weights by path; an adapter (LoRA) is merged into its weight.

        What leaves a model as a file or a copy has these, so that it needs no adapters.
        """
        values = {weight.path: weight.value for weight in self.weights}
        for _, layer in _layers_of(self):
            if getattr(layer, "lora_enabled", False):
                kernel = layer._kernel
                values[kernel.path] = tf.cast(tf.convert_to_tensor(layer.kernel), kernel.dtype)
                del values[layer.lora_kernel_a.path], values[layer.lora_kernel_b.path]
        return values

    def copy(self, **changes: Any) -> Self:
        """A model of the same class with a copy of the weights.

        Args:
            **changes: Constructor arguments to change, such as ``dtype``, ``packed`` or
                ``arithmetic``; another ``config`` must give the weights the same shapes.

        Example:
            >>> served = model.copy(dtype="bfloat16", arithmetic=OneDNN())  # doctest: +SKIP
        """
        copy = self.like(**changes)
        for new, value in zip(copy.weights, self.weight_values().values(), strict=True):
            new.assign(tf.cast(value, new.dtype))
        return copy

    def like(self, **changes: Any) -> Self:
        """A model as of ``copy``, but of zero weights, which may have other shapes."""
        if isinstance(changes.get("config"), BertConfig):
            changes["config"] = changes["config"].to_dict()
        blank = {"arithmetic": self.arithmetic, "initialize": False}
        copy = type(self).from_config(self.get_config() | blank | changes)
        paths = [list(model.weight_values()) for model in (self, copy)]
        assert paths[0] == paths[1], "a model and its copy have different weights"
        copy.tokenizer = self.tokenizer
        copy.other_config |= self.other_config
        copy.other_files |= self.other_files
        if hasattr(self, "report"):
            copy.report = self.report
        return copy

    def save_assets(self, directory: str) -> None:
        """Write tokenizer, ``other_config`` and ``other_files`` into a ``.keras`` file."""
        if self.tokenizer is not None or self.other_config or self.other_files:
            self._registered_assets().save(self, Path(directory))

    def load_assets(self, directory: str | None) -> None:
        """Read from a ``.keras`` file what ``save_assets`` wrote."""
        if directory and any(Path(directory).glob("*")):
            self._registered_assets().load(self, Path(directory))

    def _registered_assets(self) -> Assets:
        if self.assets is None:
            raise InputError(
                "a .keras file holds more of a model than weights, which bert_keras.saving writes "
                "and reads; import it first"
            )
        return self.assets


def _layers_of(layer: keras.layers.Layer, path: str = "") -> Iterator[tuple[str, Any]]:
    """A layer and all that are in it, with their paths in it; a layer comes before its own."""
    yield path, layer
    for inner in layer._layers:
        yield from _layers_of(inner, f"{path}/{inner.name}" if path else inner.name)
