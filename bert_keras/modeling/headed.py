"""What the models have in common that put a head on the encoder."""

from typing import Any, ClassVar

from bert_keras.config import BertConfig
from bert_keras.modeling.encoder import make_encoders
from bert_keras.modeling.supervised import SupervisedModel


class HeadedModel(SupervisedModel):
    """A model with an ``encoder``; ``heads`` names the layers on top of it."""

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
        """What the heads are made of beside the config and their seed."""
        return {}
