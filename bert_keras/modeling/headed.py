"""The base of the models that put heads on encoders."""

from contextlib import nullcontext
from typing import Any, ClassVar

import keras

from bert_keras.config import BertConfig
from bert_keras.config.model import require_dropout
from bert_keras.modeling.encoder import BertEncoder
from bert_keras.modeling.heads import Classifier
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.supervised import SupervisedModel


class HeadedModel(SupervisedModel):
    """A model with an ``encoder``; ``heads`` are the classes of the layers on top, by name."""

    heads: ClassVar[dict[str, type]] = {}
    with_pooler = True

    def __init__(
        self, config: BertConfig, seed: int | None = 0, packed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, seed, packed, **kwargs)
        (self.encoder,) = make_encoders(self, "encoder", with_pooler=self.with_pooler)
        for name, layer in self.heads.items():
            head = self.sublayer(layer, name, **self.head_arguments())
            head.build()
            setattr(self, name, head)
        self.build()

    def head_arguments(self) -> dict[str, Any]:
        """The heads' further constructor arguments."""
        return {}


class ClassifierModel(HeadedModel):
    """The base of the models whose head is one classifier, which gives ``logits``.

    Args:
        config: The architecture.
        seed: Fixes the initial weights and the dropout masks.
        packed: Whether the layers work on the real tokens only.
        classifier_dropout: The share of the head's input that is dropped in training; ``None``
            takes the config's, of BERT ``hidden_dropout_prob``.
        **kwargs: Arguments of ``keras.Model``.

    Raises:
        InputError: When ``classifier_dropout`` does not lie in [0, 1).

    Attributes:
        fixed_units: How many scores the classifier gives; None where the labels say it.
        default_dropout: The config's field that is the head's dropout where no other is given.
    """

    heads: ClassVar[dict[str, type]] = {"classifier": Classifier}
    label_keys: ClassVar[dict[str, str]] = {"logits": "labels"}
    fixed_units: ClassVar[int | None] = None
    default_dropout: ClassVar[str] = "hidden_dropout_prob"

    def __init__(
        self,
        config: BertConfig,
        seed: int | None = 0,
        packed: bool = False,
        classifier_dropout: float | None = None,
        **kwargs: Any,
    ) -> None:
        if classifier_dropout is not None:
            require_dropout("classifier_dropout", classifier_dropout)
        self.classifier_dropout = classifier_dropout
        super().__init__(config, seed, packed, **kwargs)

    def head_arguments(self) -> dict[str, Any]:
        """The classifier's size and dropout."""
        rate = self.classifier_dropout
        rate = getattr(self.config, self.default_dropout) if rate is None else rate
        return {"units": self.fixed_units or len(self.labels), "dropout_rate": rate}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"classifier_dropout": self.classifier_dropout}


def make_encoders(model: BertModel, *names: str, with_pooler: bool = True) -> list[BertEncoder]:
    """Encoders for a model, with its config, arithmetic and dtype policy.

    A single encoder has the variable paths of a ``BertEncoder`` (``embeddings/word_embeddings``)
    and the model's seed. The paths of several begin with the encoder's name
    (``decoder/embeddings/...``), and each has a seed of its own.

    Args:
        model: The model that will own them.
        names: Their names.
        with_pooler: Whether they have a pooler.
    """
    is_alone = len(names) == 1
    encoder_class = model.encoder_class or BertEncoder
    encoders = []
    for name in names:
        with nullcontext() if is_alone else keras.name_scope(name):
            encoders.append(
                encoder_class(
                    model.config,
                    model.seed if is_alone else model.sub_seed(name),
                    model.packed,
                    with_pooler,
                    arithmetic=model.arithmetic,
                    initialize=model.initialize,
                    dtype=model.dtype_policy,
                    name=name,
                )
            )
    return encoders
