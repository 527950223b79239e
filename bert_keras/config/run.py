"""The tables of a recipe that every kind of run has: arithmetic, devices, checkpoints, watch."""

import math
from dataclasses import dataclass

from bert_keras.config.checks import at_least, one_of, require, share

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
AUTO = "auto"
STRATEGIES = (AUTO, "one_device", "mirrored", "multi_worker", "tpu")


@dataclass(frozen=True, kw_only=True)
class ArithmeticConfig:
    """The part of ``[train]`` that says how a step is computed, not what is learned.

    Attributes:
        precision: ``"float32"``; ``"mixed_bfloat16"``; or ``"mixed_float16"``, whose gradients
            are scaled so that small ones do not vanish, by a factor that adapts itself.
        jit_compile: Whether XLA compiles the step, whose shapes are then static; ``"auto"``: on
            GPUs and TPUs, not on CPUs. A TPU computes nothing else, whatever is set.
        steps_per_call: Steps that the device computes in one call from Python. Fewer where a line
            of the log, an evaluation or a checkpoint is due before.
        accumulation_steps: Micro-batches that a batch is computed in, one after another, to save
            memory; the gradient is that of the whole batch.
        rematerialize: Whether the backward pass computes each Transformer layer once more
            instead of keeping what is inside it: less memory, about a third more work.
    """

    precision: str = "float32"
    jit_compile: bool | str = AUTO
    steps_per_call: int = 1
    accumulation_steps: int = 1
    rematerialize: bool = False

    def __post_init__(self) -> None:
        one_of("train.precision", self.precision, PRECISIONS)
        compiles = self.jit_compile
        is_known = isinstance(compiles, bool) or compiles == AUTO
        require('train.jit_compile must be true, false or "auto"', is_known, compiles)
        at_least("train.steps_per_call", self.steps_per_call, 1)
        at_least("train.accumulation_steps", self.accumulation_steps, 1)


@dataclass(frozen=True, kw_only=True)
class DistributionConfig:
    """``[distribution]``: which devices share a step.

    Attributes:
        strategy: ``"one_device"``; ``"mirrored"``, all GPUs of this machine; ``"multi_worker"``,
            the machines that the environment variable ``TF_CONFIG`` names; ``"tpu"``; or
            ``"auto"``, which of these it finds.
        tpu: ``"local"`` on a TPU VM and on Colab, or the name of a TPU; empty takes
            the environment variable ``TPU_NAME``, else ``"local"``.
    """

    strategy: str = AUTO
    tpu: str = ""

    def __post_init__(self) -> None:
        one_of("distribution.strategy", self.strategy, STRATEGIES)
        require(
            "distribution.tpu is for distribution.strategy = 'tpu' or 'auto'",
            not self.tpu or self.strategy in ("tpu", AUTO),
            self.strategy,
        )


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """``[checkpoint]``: when the state of a run is written; both intervals may be set.

    The last step is always saved, and the one at which the run is asked to stop.

    Attributes:
        every_steps: Steps between checkpoints; 0 leaves it to ``every_minutes``.
        every_minutes: Minutes between checkpoints; 0 leaves it to ``every_steps``. The weights do
            not depend on it.
        keep: How many of the newest are kept.
    """

    every_steps: int = 1000
    every_minutes: float = 0.0
    keep: int = 2

    def __post_init__(self) -> None:
        at_least("checkpoint.every_steps", self.every_steps, 0)
        minutes = self.every_minutes
        require("checkpoint.every_minutes must not be negative", 0 <= minutes < math.inf, minutes)
        at_least("checkpoint.keep", self.keep, 1)


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """``[watch]``: what is done about a run that goes wrong.

    A run diverges where the loss of a step is not a finite number, or exceeds ``loss_factor`` times
    the median of the steps before. Such steps are found when the next line is logged, the next
    evaluation made or the next checkpoint written, and are never part of a checkpoint.

    Attributes:
        on_divergence: ``"stop"`` ends the run. ``"roll_back"`` goes back to a checkpoint, skips
            the data of the bad step and of the steps right before it, and resumes (Chowdhery et
            al. 2022, section 5.1).
        loss_factor: See above; over the last 100 steps, once there are 20. 0 looks at finite
            numbers only.
        skip_steps: The steps whose data are skipped, the bad one among them.
        max_roll_backs: The run ends at the next divergence after so many.
        input_share: A run whose steps spend more than this share of their time waiting for
            batches warns once; 1 never.
    """

    on_divergence: str = "stop"
    loss_factor: float = 5.0
    skip_steps: int = 10
    max_roll_backs: int = 3
    input_share: float = 0.5

    def __post_init__(self) -> None:
        one_of("watch.on_divergence", self.on_divergence, ("stop", "roll_back"))
        factor = self.loss_factor
        is_factor = factor == 0 or 1 < factor < math.inf
        require("watch.loss_factor must be greater than 1, or 0 for never", is_factor, factor)
        at_least("watch.skip_steps", self.skip_steps, 1)
        at_least("watch.max_roll_backs", self.max_roll_backs, 1)
        share("watch.input_share", self.input_share)
