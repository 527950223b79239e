"""The shape of a BERT: the keys of ``bert_config.json``."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeGuard

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import write_text_atomic

# The published sizes, as layers / hidden size: Devlin et al. 2019, section 3 (base, large) and
# Turc et al. 2019, table 1 (tiny to medium). Heads are hidden / 64, the inner layer 4 x hidden.
PRESETS = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}
# What each name of ``hidden_act`` computes: Hugging Face's names, and our own "gelu_tanh". Its
# several names for the tanh form of GELU are the same function to float precision.
ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    """The architecture of a BERT; the defaults are base's (Devlin et al. 2019, section 3).

    The fields are exactly the keys of Google's ``bert_config.json`` and of Hugging Face's
    ``config.json`` that shape the model. ``hidden_act`` ``"gelu"`` is the exact (erf) form,
    ``"gelu_new"`` and ``"gelu_tanh"`` the tanh form, as Hugging Face reads them; Google's own
    checkpoints were trained with the tanh form. ``ACTIVATIONS`` has all names.

    Attributes:
        vocab_size: V, the rows of the table of word pieces.
        hidden_size: H, a multiple of ``num_attention_heads``.
        num_hidden_layers: How many Transformer layers there are.
        num_attention_heads: N, the heads of each.
        intermediate_size: The width of each layer's inner activation.
        hidden_act: Its function, and that of the masked-LM head.
        hidden_dropout_prob: The share of outputs that is dropped in training, in [0, 1).
        attention_probs_dropout_prob: The same of the attention's weights.
        max_position_embeddings: The rows of the table of positions.
        type_vocab_size: How many token types there are.
        initializer_range: The standard deviation that weights are drawn with.
        layer_norm_eps: Added to the variance in LayerNorm.
        pad_token_id: The id that fills sequences up.

    Raises:
        InputError: When a value is impossible, with the rule it breaks.

    Example:
        >>> config = BertConfig.from_preset("tiny", vocab_size=8000)
        >>> config.num_hidden_layers, config.hidden_size
        (2, 128)
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            require_whole_number(name, getattr(self, name), at_least=1)
        require_whole_number("pad_token_id", self.pad_token_id, at_least=0)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            require_dropout(name, getattr(self, name))
        for name in ("initializer_range", "layer_norm_eps"):
            value = getattr(self, name)
            if not (_is_number(value) and value > 0):
                raise InputError(f"{name} must be greater than 0. Received: {value!r}")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                "hidden_size must be a multiple of num_attention_heads. Received: "
                f"hidden_size={self.hidden_size}, num_attention_heads={self.num_attention_heads}"
            )
        if self.pad_token_id >= self.vocab_size:
            raise InputError(
                "pad_token_id must be smaller than vocab_size. Received: "
                f"pad_token_id={self.pad_token_id}, vocab_size={self.vocab_size}"
            )
        if not isinstance(self.hidden_act, str) or self.hidden_act not in ACTIVATIONS:
            raise InputError(
                f"hidden_act must be one of {', '.join(ACTIVATIONS)}. Received: {self.hidden_act!r}"
            )

    @property
    def activation(self) -> str:
        """The function that ``hidden_act`` names, such as "gelu_erf", whichever name it goes by."""
        return ACTIVATIONS[self.hidden_act]

    @property
    def longest_sequence(self) -> int:
        """The tokens of the longest sequence: one for each position."""
        return self.max_position_embeddings

    @property
    def has_token_types(self) -> bool:
        """Tell whether there is a table of token types; without one all types are the same."""
        return True

    @property
    def embedding_width(self) -> int:
        """The width of the tables of embeddings: the hidden size, unless they are factorized."""
        return self.hidden_size

    @property
    def pooler_activation(self) -> str:
        """The function of the pooler, as ``activation`` or Keras names it."""
        return "tanh"

    @property
    def masked_lm_activation(self) -> str:
        """The function of the masked-LM head, by its name in ``activation``."""
        return self.activation

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> Self:
        """A published size by name, with ``changes`` to single fields.

        Args:
            name: ``"tiny"`` (2 layers, hidden size 128), ``"mini"`` (4, 256), ``"small"``
                (4, 512), ``"medium"`` (8, 512), ``"base"`` (12, 768) or ``"large"`` (24, 1024).
            **changes: Fields to set otherwise, mostly ``vocab_size``.

        Raises:
            InputError: When there is no such preset or a change is impossible.
        """
        if name not in PRESETS:
            raise InputError(f"no preset {name!r}; the presets are {', '.join(PRESETS)}")
        layers, hidden = PRESETS[name]
        shape = {
            "num_hidden_layers": layers,
            "hidden_size": hidden,
            "num_attention_heads": hidden // 64,
            "intermediate_size": 4 * hidden,
        }
        return cls(**(shape | changes))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """A config from the keys of a ``config.json``; keys that are not fields are ignored."""
        return cls(**{name: values[name] for name in field_names(cls) if name in values})

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dictionary, in the order they are declared."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """The config in a ``bert_config.json`` or ``config.json``.

        Raises:
            InputError: When the file is not a JSON object or holds an impossible value.
            FileNotFoundError: When there is no such file.
        """
        return cls.from_dict(read_json_object(path))

    def to_json(self, path: str | Path) -> None:
        """Write the fields as JSON.

        Raises:
            InputError: When the file is there already.
        """
        write_text_atomic(path, json.dumps(self.to_dict(), indent=2) + "\n")


def field_names(cls: type) -> list[str]:
    """The names of a dataclass's fields."""
    return [field.name for field in dataclasses.fields(cls)]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def require_dropout(name: str, value: object) -> None:
    """Raise ``InputError`` unless a value is a share that can be dropped in training."""
    if not (_is_number(value) and 0 <= value < 1):
        raise InputError(f"{name} must lie in [0, 1). Received: {value!r}")


def require_whole_number(name: str, value: object, at_least: int) -> None:
    """Raise ``InputError`` unless a value is a whole number that is large enough."""
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise InputError(
            f"{name} must be a whole number of at least {at_least}. Received: {value!r}"
        )
