"""How a step is computed and which devices share it: the keys that every kind of run has."""

from dataclasses import dataclass

from bert_keras.config.checks import at_least, one_of, require

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


@dataclass(frozen=True, kw_only=True)
class ArithmeticConfig:
    """The part of ``[train]`` that says how a step is computed, not what is learned.

    Attributes:
        precision: ``"float32"``; ``"mixed_bfloat16"``; or ``"mixed_float16"``, whose gradients
            are scaled so that small ones do not vanish, by a factor that finds itself.
        jit_compile: Whether XLA compiles the step; shapes must then be the same in every step.
        steps_per_call: Steps that the device takes without coming back to Python. Fewer where a
            line of the log, an evaluation or a checkpoint is due before.
        accumulation_steps: Micro-batches that a batch is computed in, one after another, to save
            memory; the gradient is that of the whole batch.
        rematerialize: Whether the backward pass computes each Transformer layer once more
            instead of keeping what is inside it: less memory, about a third more work.
    """

    precision: str = "float32"
    jit_compile: bool = False
    steps_per_call: int = 1
    accumulation_steps: int = 1
    rematerialize: bool = False

    def __post_init__(self) -> None:
        one_of("train.precision", self.precision, PRECISIONS)
        at_least("train.steps_per_call", self.steps_per_call, 1)
        at_least("train.accumulation_steps", self.accumulation_steps, 1)


@dataclass(frozen=True, kw_only=True)
class DistributionConfig:
    """``[distribution]``: which devices share a step.

    Attributes:
        strategy: ``"one_device"``; ``"mirrored"``, all GPUs of this machine; ``"multi_worker"``,
            the machines that the environment variable ``TF_CONFIG`` names; ``"tpu"``; or
            ``"auto"``, what of these it finds.
        tpu: ``"local"`` on a TPU VM and on Colab, or the name of a TPU; empty takes
            the environment variable ``TPU_NAME``, else ``"local"``.
    """

    strategy: str = "auto"
    tpu: str = ""

    def __post_init__(self) -> None:
        one_of("distribution.strategy", self.strategy, STRATEGIES)
        require(
            "distribution.tpu is for distribution.strategy = 'tpu' or 'auto'",
            not self.tpu or self.strategy in ("tpu", "auto"),
            self.strategy,
        )
