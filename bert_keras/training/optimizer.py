"""The optimizer that a recipe describes."""

from collections.abc import Mapping

from bert_keras.config import OptimizerConfig
from bert_keras.optimizers import LAMB, AdamW, WarmupLinearDecay

_KINDS: dict[str, type[AdamW]] = {"adamw": AdamW, "lamb": LAMB}


def make_optimizer(
    settings: OptimizerConfig,
    steps: int,
    rate_factors: Mapping[str, float] | None = None,
    precision: str = "float32",
) -> AdamW:
    """The optimizer and the schedule of ``[optimizer]`` over a run of ``steps`` updates.

    Args:
        settings: The table.
        steps: The run's length; the learning rate reaches 0 at its end.
        rate_factors: As in ``AdamW``.
        precision: The model's; in ``"mixed_float16"`` the loss is scaled.
    """
    return _KINDS[settings.name](
        WarmupLinearDecay(settings.learning_rate, round(settings.warmup_ratio * steps), steps),
        weight_decay=settings.weight_decay,
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        epsilon=settings.epsilon,
        clip_norm=settings.clip_norm,
        bias_correction=settings.bias_correction,
        rate_factors=rate_factors,
        loss_scaling=precision == "mixed_float16",
    )
