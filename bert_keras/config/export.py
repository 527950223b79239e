"""The settings of an export: one frozen dataclass per table of its TOML file."""

from dataclasses import dataclass, field

from bert_keras.config.checks import LEAST_LENGTH, at_least, one_of, require
from bert_keras.errors import InputError

SERVED_WEIGHTS = ("float32", "bfloat16", "float16")
SERVING_DEVICES = ("cpu", "gpu")
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
INPUTS = ("tokens", "text")


@dataclass(frozen=True, kw_only=True)
class SavedModelConfig:
    """``[saved_model]``: how a model is exported for TF Serving.

    Attributes:
        max_length: Longest sequence in tokens with the special ones; left out, what the
            model was trained at, or reads at most where it does not say.
        weights: The type that the weights are stored and computed in.
        device: ``"cpu"`` or ``"gpu"``: where the server computes. For CPUs LayerNorm is written so
            that oneDNN makes one operation of it, which GPUs cannot run.
        input: ``"text"``: the tokenizer is in the graph, by operations of tensorflow-text; it must
            be of word pieces, or a Unigram as XLM-R's. ``"tokens"``: ids alone, by TensorFlow's own
            operations. Left out, text where the tokenizer is of word pieces, else tokens, with a
            warning.
        pair: Whether the texts come in pairs (``text_a``, ``text_b``); left out, as the model was
            trained, and singly where it does not say.
        top: Masked LM: how many candidates each [MASK] gets.
        max_windows: Tagging and span: a text longer than this many windows is read no further, as
            if it ended there, so that a request's cost is bounded.
        max_request_tokens: The most sequences of a request times the tokens of the longest; more
            is refused, so that no request takes all the memory.

    Example:
        >>> settings = SavedModelConfig(weights="bfloat16", max_length=64)
        >>> settings.device, settings.weights
        ('cpu', 'bfloat16')
    """

    max_length: int | None = None
    weights: str = "float32"
    device: str = "cpu"
    input: str | None = None
    pair: bool | None = None
    top: int = 5
    max_windows: int = 16
    max_request_tokens: int = 32_768

    def __post_init__(self) -> None:
        one_of("saved_model.weights", self.weights, SERVED_WEIGHTS)
        one_of("saved_model.device", self.device, SERVING_DEVICES)
        if self.input is not None:
            one_of("saved_model.input", self.input, INPUTS)
        _only_of_text(self.pair, self.input)
        for name, least in (("top", 1), ("max_windows", 1), ("max_request_tokens", 1)):
            at_least(f"saved_model.{name}", getattr(self, name), least)
        if self.max_length is not None:
            at_least("saved_model.max_length", self.max_length, LEAST_LENGTH)


@dataclass(frozen=True, kw_only=True)
class TFLiteConfig:
    """``[tflite]``: how a model is exported for phones.

    Attributes:
        quantize: ``"none"``: float32. ``"float16"``: weights of 16 bits. ``"dynamic"``: weights of
            8 bits, what is computed from them rounded to 8 bits as it comes. ``"int8"``: so too,
            with the ranges fixed beforehand on calibration text where that loses little.
        input: ``"tokens"``, ids from a tokenizer on the phone, or ``"text"``, by two operations of
            tensorflow-text that the app must link.
        pair: ``"text"``: whether the texts come in pairs (``text_a``, ``text_b``); left out, as the
            model was trained, and singly where it does not say.
        length: Tokens of every sequence; left out, what the model was trained at, and where it
            does not say, 128 or what it reads at most.
        dynamic: Whether batch and length are left open; ``length`` is then only what texts are
            measured at.
        prune_vocab: A file of the task's text: word pieces that it does not need are left out.
        masked_score: What padding adds to an attention score; left out, BERT's -10000. No file of
            ours computes scores in 8 bits; one that is to be quantized further wants about -50,
            since 256 steps must span it.
        max_accuracy_drop: The export fails when the task's metric, or the agreement with Keras
            where there are no labels, is more percentage points lower than Keras's at the model's
            own length.

    Example:
        >>> settings = TFLiteConfig(quantize="dynamic", length=64)
        >>> settings.input
        'tokens'
    """

    quantize: str = "none"
    input: str = "tokens"
    pair: bool | None = None
    length: int | None = None
    dynamic: bool = False
    prune_vocab: str | None = None
    masked_score: float | None = None
    max_accuracy_drop: float | None = None

    def __post_init__(self) -> None:
        one_of("tflite.quantize", self.quantize, QUANTIZATIONS)
        one_of("tflite.input", self.input, INPUTS)
        _only_of_text(self.pair, self.input)
        if self.length is not None:
            at_least("tflite.length", self.length, LEAST_LENGTH)
        if self.masked_score is not None:
            require("tflite.masked_score must be negative", self.masked_score < 0,
                    self.masked_score)  # fmt: skip
        if self.max_accuracy_drop is not None:
            require("tflite.max_accuracy_drop must lie in [0, 100]",
                    0 <= self.max_accuracy_drop <= 100, self.max_accuracy_drop)  # fmt: skip


def _only_of_text(pair: bool | None, given: str | None) -> None:
    if pair and given == "tokens":
        raise InputError("pair needs a file that takes text: give --input text too")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A file of ``configs/export/``."""

    saved_model: SavedModelConfig = field(default_factory=SavedModelConfig)
    tflite: TFLiteConfig = field(default_factory=TFLiteConfig)
