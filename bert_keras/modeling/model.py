"""The base of all BERT models: construction, serialisation, compilation and loss."""

from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import keras
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling.layers import Configured
from bert_keras.modeling.random import DropoutSeeds
from bert_keras.objectives import Batch, SupervisedObjective, total_loss

if TYPE_CHECKING:  # a model is given its tokenizer; the encoder is a model itself
    from bert_keras.modeling.encoder import BertEncoder
    from bert_keras.tokenization import Tokenizer


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
    architecture; and ``other_files``, the JSON of further files of its directory, by name.

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

    built: bool
    config_class: ClassVar[type[BertConfig]] = BertConfig
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
        self, config: BertConfig, seed: int = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, **kwargs)
        self.packed = packed
        self.other_config: dict[str, Any] = {}
        self.other_files: dict[str, Any] = {}

    def tokenizer_or(self, given: "Tokenizer | None" = None) -> "Tokenizer":
        """The given tokenizer, else the model's own.

        Raises:
            InputError: When there is none.
        """
        tokenizer = given or self.tokenizer
        if tokenizer is None:
            raise InputError("the model has no tokenizer: its directory lacks vocab.txt")
        return tokenizer

    @property
    def default_length(self) -> int:
        """The tokens that a text is cut to by default.

        The smaller of ``max_position_embeddings`` and the tokenizer's ``model_max_length``.
        """
        limit = None if self.tokenizer is None else self.tokenizer.model_max_length
        positions = self.config.max_position_embeddings
        return positions if limit is None else min(limit, positions)

    def dropout_counter(self) -> DropoutSeeds:
        """The model's only counter of training calls.

        A method, since Keras would write an attribute into ``.keras`` files under a second name.
        """
        return self.encoder.dropout_seeds

    def forward(self, batch: Batch) -> Batch:
        """The outputs for a batch, dropout off, computed by a graph.

        There is one graph for sequences [B, L] and one for windows [B, W, L]; TensorFlow would
        merge both to one of unknown rank.
        """
        return self._graphs[len(batch["input_ids"].shape)](batch)

    @cached_property
    def _graphs(self) -> defaultdict[int, Any]:
        def graph() -> Any:
            return tf.function(lambda batch: self(batch, training=False), reduce_retracing=True)

        return defaultdict(graph)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "config": self.config.to_dict(),
            "seed": self.seed,
            "packed": self.packed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The model of a ``get_config``."""
        dtype = config.get("dtype")
        if isinstance(dtype, dict):
            dtype = keras.saving.deserialize_keras_object(dtype, custom_objects)
        own = cls.config_class.from_dict(config["config"])
        return cls(**(config | {"config": own, "dtype": dtype}))

    def copy(self, **changes: Any) -> Self:
        """A model of the same class with a copy of the weights.

        Args:
            **changes: Constructor arguments to change, such as ``dtype``, ``packed`` or
                ``arithmetic``; another ``config`` must give the weights the same shapes.

        Example:
            >>> served = model.copy(dtype="bfloat16", arithmetic=OneDNN())  # doctest: +SKIP
        """
        copy = self.like(**changes)
        for new, old in zip(copy.weights, self.weights, strict=True):
            new.assign(tf.cast(old.value, new.dtype))
        return copy

    def like(self, **changes: Any) -> Self:
        """A model as of ``copy``, but of zero weights, which may have other shapes."""
        if isinstance(changes.get("config"), BertConfig):
            changes["config"] = changes["config"].to_dict()
        blank = {"arithmetic": self.arithmetic, "initialize": False}
        copy = type(self).from_config(self.get_config() | blank | changes)
        paths = [[weight.path for weight in model.weights] for model in (self, copy)]
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


class SupervisedModel(BertModel):
    """A model with an objective, which ``fit`` minimises.

    The batches of ``model.fit(dataset)`` hold their labels.

    Attributes:
        objective: Its losses and measures; a trainer may be given another.
        means: Keras's metrics, by the names of the objective.
    """

    token_outputs: tuple[str, ...] = ()  # the outputs that have a value for each token

    def __init__(
        self, config: BertConfig, seed: int = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        self.objective = self.supervised_objective()
        self.means = {name: keras.metrics.Mean(name) for name in self.objective.names}

    def supervised_objective(self) -> SupervisedObjective:
        """The model's default objective."""
        raise NotImplementedError(f"{type(self).__name__} has no objective of its own")

    def compile(self, optimizer: Any = None, *, jit_compile: Any = None, **kwargs: Any) -> None:
        """``keras.Model.compile`` with defaults for BERT.

        Args:
            optimizer: ``None`` for BERT's AdamW at a constant 1e-4.
            jit_compile: ``None`` compiles with XLA on a GPU or TPU; on a CPU the plain graph is
                faster.
            **kwargs: Further arguments of ``keras.Model.compile``.
        """
        if optimizer is None:
            from bert_keras.optimizers import AdamW  # here alone: models need no optimizer

            optimizer = AdamW(1e-4)
        if getattr(optimizer, "loss_scaling", False):
            # With Keras's loss scaling too, gradients would be unscaled twice.
            kwargs.setdefault("auto_scale_loss", False)
        if jit_compile is None:
            kinds = {device.device_type for device in tf.config.list_logical_devices()}
            jit_compile = "auto" if kinds & {"GPU", "TPU"} else False
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, *args: Any, shuffle: Any = None, **kwargs: Any) -> Any:
        """``keras.Model.fit``; ``shuffle=None`` keeps a data set's order without a warning."""
        if shuffle is None:
            shuffle = not isinstance(x, tf.data.Dataset)
        return super().fit(x, *args, shuffle=shuffle, **kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """This replica's part of the loss of a batch; updates the metrics."""
        means = self.objective.measure(x, y_pred)
        for name, mean in means.items():
            self.means[name].update_state(mean.value(), sample_weight=mean.weight)
        return total_loss(means)

    def compute_metrics(self, x: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The means so far, by ``compute_loss``, of the tasks that the batch has labels for."""
        missing = self.means.keys() - self.objective.weights(x).keys()
        results = self.get_metrics_result()
        return {name: value for name, value in results.items() if name not in missing}
