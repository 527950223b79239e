"""The model that fine-tuning starts from."""

from dataclasses import replace

import tensorflow as tf

from bert_keras.arithmetic import for_training
from bert_keras.config import FinetuneConfig, FinetuneModelConfig
from bert_keras.errors import InputError
from bert_keras.modeling.headed import ClassifierModel
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.random import fold_in, kernel_initializer
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import is_compiled
from bert_keras.tasks.task import Task


def start_model(config: FinetuneConfig, task: Task) -> SupervisedModel:
    """The model of ``model.init`` with a new head for the task, and the task's objective.

    Packed, so that nothing is computed for padding, unless XLA compiles the step: on the devices
    of the strategy in whose scope this is called.

    Raises:
        InputError: When it cannot be opened, reads shorter sequences than the task's, or has no
            tokenizer.
    """
    settings = config.model
    train = config.train
    compiles = is_compiled(train.jit_compile, tf.distribute.get_strategy())
    arguments = task.model_arguments() | {
        "seed": train.seed,
        "dtype": train.precision,
        "packed": not compiles,
        "arithmetic": for_training(compiles, train.rematerialize),
    }
    if settings.classifier_dropout is not None and issubclass(task.model_class, ClassifierModel):
        arguments["classifier_dropout"] = settings.classifier_dropout
    model = task.open_model(settings.init, **arguments)
    assert isinstance(model, SupervisedModel)
    model.drop_decision()
    if model.tokenizer is None:
        raise InputError(
            f"{settings.init} has no tokenizer, such as vocab.txt or tokenizer.json, without which "
            "no text can be read"
        )
    longest = model.config.longest_sequence
    if task.max_seq_length > longest:
        raise InputError(
            f"data.max_seq_length is {task.max_seq_length}, but {settings.init} reads {longest} "
            f"tokens at most; set data.max_seq_length={longest} or less"
        )
    model = _with_changes(model, settings)
    if settings.head_initializer_range is not None:
        _draw_head(model, settings.head_initializer_range, config.train.seed)
    _freeze(model, settings.frozen_layers)
    return model


def layer_rates(layers: int, decay: float) -> dict[str, float]:
    """Layer-wise learning-rate decay: each layer's factor, by the beginning of its path.

    Args:
        layers: How many Transformer layers there are; the head and the pooler have the full rate.
        decay: As ``optimizer.layer_decay``.
    """
    if decay == 1:
        return {}
    rates = {f"layer_{index}/": decay ** (layers - index) for index in range(layers)}
    # Below all layers, which share the bias.
    lowest = dict.fromkeys(("embeddings/", "position_bias/"), decay ** (layers + 1))
    return rates | lowest


def _with_changes(model: SupervisedModel, settings: FinetuneModelConfig) -> SupervisedModel:
    """The model with the recipe's dropout; with random weights if it says so."""
    rates = {
        name: value
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")
        if (value := getattr(settings, name)) is not None
    }
    config = replace(model.config, **rates)
    if settings.random_weights:
        changed = model.like(config=config, initialize=True)
    elif rates:
        changed = model.copy(config=config)
    else:
        return model
    changed.objective = model.objective
    return changed


def _draw_head(model: BertModel, stddev: float, seed: int) -> None:
    """Draw anew the kernels that the model's file lacked."""
    for variable in model.trainable_variables:
        if variable.path in model.report.new and variable.path.endswith("kernel"):
            draw = kernel_initializer(stddev, fold_in(seed, variable.path))
            variable.assign(draw(variable.shape))


def _freeze(model: BertModel, layers: int | None) -> None:
    """Exclude the embeddings and the lowest layers from training."""
    if layers is None:
        return
    encoder = model.encoder
    if layers > len(encoder.transformer_layers):
        raise InputError(
            f"model.frozen_layers is {layers}, but the model has "
            f"{len(encoder.transformer_layers)} layers"
        )
    lowest = (encoder.embeddings, encoder.position_bias, *encoder.transformer_layers[:layers])
    for layer in filter(None, lowest):
        layer.trainable = False
