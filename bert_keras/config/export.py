"""What an export is told: one frozen dataclass per table of its TOML file."""

from dataclasses import dataclass, field

from bert_keras.config.checks import at_least, one_of

SERVED_WEIGHTS = ("float32", "bfloat16", "float16")
SERVING_DEVICES = ("cpu", "gpu")


@dataclass(frozen=True, kw_only=True)
class SavedModelConfig:
    """``[saved_model]``: how a model is exported for TF Serving.

    Attributes:
        max_length: Longest sequence in tokens with the special ones; left out, what the task
            takes: the model's most, for span questions the length of its windows.
        weights: The type that the weights are stored and computed in.
        device: ``"cpu"`` or ``"gpu"``: where the server computes. For CPUs LayerNorm is written so
            that oneDNN makes one operation of it, which GPUs cannot run.
        pair: Whether the texts come in pairs (``text_a``, ``text_b``).
        top: Masked LM: how many candidates each [MASK] gets.
        max_windows: Tagging and span: a text longer than this many windows is read no further, so
            that a request's cost is bounded.
        max_request_tokens: The most sequences of a request times the tokens of the longest; more
            is refused, so that no request takes all the memory.
    """

    max_length: int | None = None
    weights: str = "float32"
    device: str = "cpu"
    pair: bool = False
    top: int = 5
    max_windows: int = 16
    max_request_tokens: int = 32_768

    def __post_init__(self) -> None:
        one_of("saved_model.weights", self.weights, SERVED_WEIGHTS)
        one_of("saved_model.device", self.device, SERVING_DEVICES)
        for name, least in (("top", 1), ("max_windows", 1), ("max_request_tokens", 1)):
            at_least(f"saved_model.{name}", getattr(self, name), least)
        if self.max_length is not None:
            at_least("saved_model.max_length", self.max_length, 5)


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A file of ``configs/export/``."""

    saved_model: SavedModelConfig = field(default_factory=SavedModelConfig)
