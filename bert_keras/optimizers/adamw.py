"""AdamW as BERT was trained with."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.optimizers.loss_scale import LossScale

NO_DECAY = ["bias", "gamma", "beta"]


@keras.saving.register_keras_serializable(package="bert_keras")
class AdamW(keras.optimizers.AdamW):
    """Adam with decoupled weight decay, as BERT used it (Devlin et al. 2019, appendix A.2).

    It differs from Keras's AdamW as the original does: biases and LayerNorm weights are not
    decayed, the moments are not bias-corrected by default, and the gradients are clipped by their
    global norm *after* they are summed over the replicas (Keras's ``global_clipnorm`` clips each
    replica's part, so that two replicas differ from one). The bias correction is that of algorithm
    1 of Kingma and Ba (2014) and of torch: epsilon is added to the corrected root, where Keras adds
    it to the uncorrected one, which slows the first steps. A variable is updated by one fused
    kernel.

    Args:
        learning_rate: A float or a schedule; BERT's pre-training peak was 1e-4.
        weight_decay: Decay per step, times the learning rate.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        clip_norm: Bound on the global norm of all gradients; 0 or ``None`` does not clip.
        bias_correction: Whether the moments are corrected for their start at zero.
        rate_factors: Factors of the learning rate, and so of the decay, by the beginning of a
            variable's path, such as ``{"embeddings/": 0.5}``.
        loss_scaling: Whether ``scale_loss`` scales the loss for float16; see ``LossScale``.
        name: The optimizer's name.
        **kwargs: Further arguments of ``keras.optimizers.Optimizer``.

    Example:
        >>> model = BertForMaskedLM(config)
        >>> rate = WarmupLinearDecay(1e-4, warmup_steps=100, total_steps=1000)
        >>> model.compile(AdamW(rate, weight_decay=0.01))
        >>> history = model.fit(batches, steps_per_epoch=2, verbose=0)
    """

    def __init__(
        self,
        learning_rate: Any = 1e-4,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        clip_norm: float | None = 1.0,
        bias_correction: bool = False,
        rate_factors: Mapping[str, float] | None = None,
        loss_scaling: bool = False,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            name=name,
            **kwargs,
        )
        self.clip_norm = clip_norm
        self.bias_correction = bias_correction
        self.rate_factors = dict(rate_factors or {})
        self.loss_scaling = loss_scaling
        self.loss_scale: LossScale | None = None
        self.exclude_from_weight_decay(var_names=NO_DECAY)

    def build(self, variables: Sequence[Any]) -> None:
        """Make the moments and, for a scaled loss, the state of the scale."""
        if not self.built and self.loss_scaling:
            self.loss_scale = LossScale(self.add_variable)
        paths = [getattr(variable, "path", "") for variable in variables]
        unused = [key for key in self.rate_factors if not any(p.startswith(key) for p in paths)]
        if unused:
            beginnings = dict.fromkeys(f"{path.split('/')[0]}/" for path in paths)
            raise InputError(
                f"rate_factors: no variable's path begins with {', '.join(map(repr, unused))}; "
                f"they begin with {', '.join(beginnings)}"
            )
        super().build(variables)

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss to take gradients of; ``apply`` divides them by the scale."""
        if not self.loss_scaling:
            return loss
        return loss * (self.loss_scale.factor if self.loss_scale else LossScale.INITIAL)

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Any = None) -> None:
        """Sum the gradients over the replicas, clip them and update the variables.

        A variable whose gradient is ``None`` (of a head that the batch has no labels for) is
        neither updated nor decayed.
        """
        variables = trainable_variables or self._trainable_variables
        if not self.built:
            self.build(list(variables))  # of all, though some may have no gradient yet
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1 and self.gradient_accumulation_steps:
            raise InputError(
                f"gradient_accumulation_steps={self.gradient_accumulation_steps}: Keras does not "
                f"accumulate over {replicas} replicas; take a larger batch, or accumulate by "
                "train.accumulation_steps of a recipe"
            )
        present = [pair for pair in zip(grads, variables, strict=True) if pair[0] is not None]
        if present:
            grads, trainable_variables = zip(*present, strict=True)
        super().apply(grads, trainable_variables)

    def _clip_gradients(self, grads: list[tf.Tensor]) -> list[tf.Tensor]:
        """Unscale and clip the sum over the replicas; each one's equal share of it is returned.

        Keras calls it once for each update: with ``gradient_accumulation_steps``, on the mean over
        the micro-batches.
        """
        grads = super()._clip_gradients(grads)
        if not (self.clip_norm or self.loss_scale):
            return grads
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context else 1
        if replicas > 1:
            grads = context.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        if self.loss_scale:
            grads = self.loss_scale.unscale(grads)
        if self.clip_norm:
            grads, _ = tf.clip_by_global_norm(grads, self.clip_norm)
        # Keras sums over the replicas again.
        return [grad / replicas for grad in grads] if replicas > 1 else grads

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing to do: ``update_step`` decays, at each variable's own rate."""

    def _rate_factor(self, index: int) -> float:
        path = self._trainable_variables[index].path
        return next((f for start, f in self.rate_factors.items() if path.startswith(start)), 1.0)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decay a variable, and update it and its moments (Kingma and Ba 2014, section 2)."""
        index = self._get_variable_index(variable)
        learning_rate = tf.cast(learning_rate, variable.dtype) * self._rate_factor(index)
        beta_1, beta_2 = self.beta_1, self.beta_2
        if self.loss_scale:
            # A skipped step has rate 0 and keeps the moments.
            is_applied = self.loss_scale.is_applied
            learning_rate *= is_applied
            beta_1, beta_2 = (1 - (1 - beta) * is_applied for beta in (beta_1, beta_2))
        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign_sub(variable * (self.weight_decay * learning_rate))
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        # The kernel corrects by 1 - beta^t: a power of 0 does not correct.
        step = self._updates(variable.dtype)
        powers = [tf.zeros((), variable.dtype)] * 2
        if self.bias_correction:
            powers = [tf.pow(beta, step) for beta in (self.beta_1, self.beta_2)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=learning_rate,
            beta1=beta_1,
            beta2=beta_2,
            # It adds epsilon to the uncorrected root (the paper's epsilon hat). By this factor
            # epsilon is added to the corrected one, as in algorithm 1.
            epsilon=self.epsilon * tf.sqrt(1.0 - powers[1]),
            grad=tf.cast(gradient, variable.dtype),
        )

    def _updates(self, dtype: Any) -> tf.Tensor:
        """The number of this update, from 1, without those skipped for the loss scale."""
        step = tf.cast(self.iterations + 1, dtype)
        if not self.loss_scale:
            return step
        # At least 1, as the first may be skipped.
        return tf.maximum(step - tf.cast(self.loss_scale.skipped, dtype), 1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["amsgrad"]
        return config | {
            "clip_norm": self.clip_norm,
            "bias_correction": self.bias_correction,
            "rate_factors": self.rate_factors,
            "loss_scaling": self.loss_scaling,
        }
