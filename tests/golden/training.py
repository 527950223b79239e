"""First steps of training by ``fit``'s own step, and what the models then answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import bert_keras
from bert_keras.optimizers import LAMB, WarmupLinearDecay
from bert_keras.tasks import fill_mask
from tests.golden import inputs, sampling, task_data

STEPS = 4


def recording(optimizer_class: type, **settings: Any) -> keras.optimizers.Optimizer:
    """An optimizer that keeps the global norm of the gradients it was last given."""

    class Recording(optimizer_class):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.gradient_norm = tf.Variable(0.0, trainable=False)

        def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
            norm = tf.linalg.global_norm([grad for grad in grads if grad is not None])
            self.gradient_norm.assign(norm)
            super().apply(grads, trainable_variables)

    return Recording(**settings)


def steps_of(model: Any, batches: Sequence[Any], optimizer: Any) -> dict[str, list[float]]:
    """Losses and norms of a step for each batch."""
    model.compile(optimizer)
    values: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        values.setdefault(name, []).append(float(value))

    for batch in batches:
        before = _weights(model)
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        for name in sorted(logs):
            if name.endswith("loss"):
                add(name, logs[name])
        add("gradient norm", optimizer.gradient_norm.numpy())
        add("update norm", np.linalg.norm(_weights(model) - before))
        add("parameter norm", np.linalg.norm(_weights(model)))
    return values


def pretraining_values(folder: Path) -> dict[str, Any]:
    """Steps of three models, each on another sampling, and the loss of all samplings."""
    corpus = bert_keras.Corpus.open(inputs.make_corpus(folder))
    rate = WarmupLinearDecay(2e-3, warmup_steps=2, total_steps=10)
    optimizers = {
        ("nsp", "token"): recording(bert_keras.AdamW, learning_rate=rate),
        ("none", "whole_word"): recording(bert_keras.AdamW, learning_rate=1e-3, clip_norm=None),
        ("sop", "span"): recording(LAMB, learning_rate=rate),
    }
    values: dict[str, Any] = {}
    for mode, optimizer in optimizers.items():
        model = inputs.model(bert_keras.BertForPreTraining, packed=mode[0] == "none")
        found = steps_of(model, sampling.batches(corpus, mode, STEPS), optimizer)
        values |= {f"{' '.join(mode)}/{name}": numbers for name, numbers in found.items()}
    for mode in sampling.MODES:
        # The first has seen pairs, the second none: a batch with labels would trace it anew.
        model = inputs.model(bert_keras.BertForPreTraining)
        (batch,) = sampling.batches(corpus, mode, 1, start=2)
        means = model.objective(model, batch, training=False)
        losses = [float(r.value()) for name, r in sorted(means.items()) if name.endswith("loss")]
        values[f"{' '.join(mode)}/untrained losses"] = losses
    model = inputs.model(bert_keras.BertForNextSentencePrediction)
    optimizer = recording(bert_keras.AdamW, learning_rate=1e-3, bias_correction=True)
    found = steps_of(model, sampling.batches(corpus, ("nsp", "token"), STEPS), optimizer)
    return values | {f"next sentence model/{name}": numbers for name, numbers in found.items()}


def tasks_values(folder: Path) -> dict[str, Any]:
    """Steps of every task, its loss afterwards and its answers."""
    values: dict[str, Any] = {}
    for name, (task, write, questions) in task_data.TASKS.items():
        examples = task.read(str(write(folder / name)))
        task = task.with_labels(task.labels_of(examples))
        model = inputs.model(task.model_class, packed=True, **task.model_arguments())
        features = task.features(examples, model.tokenizer)
        length = task.max_seq_length
        arguments = {} if name == "masked_lm" else {"length": length}
        batches = task.batches(features, model.tokenizer, batch_size=8, seed=2, **arguments)
        optimizer = recording(bert_keras.AdamW, learning_rate=1e-3, bias_correction=True)
        found = steps_of(model, list(batches.take(STEPS)), optimizer)
        values |= {f"{name}/{key}": numbers for key, numbers in found.items()}
        result = bert_keras.evaluate(model, str(write(folder / name)), max_seq_length=length)
        losses = {key: value for key, value in result.metrics.items() if key.endswith("_loss")}
        values[f"{name}/loss of all"] = list(losses.values())
        if name == "masked_lm":
            masks = fill_mask(model, *questions, top=3)
            values[f"{name}/answers"] = [[list(c) for c in candidates] for candidates in masks]
            continue
        answers = bert_keras.predict(model, *questions, max_seq_length=length)
        for number, answer in enumerate(answers):
            values[f"{name}/answer {number}"] = {k: answer[k] for k in task_data.ANSWERS[name]}
    return values


def outputs_values(folder: Path) -> dict[str, Any]:
    """What the encoder and the sentence embeddings give, padded and packed."""
    encodings = inputs.tokenizer().encode_batch(task_data.TEXTS, max_length=24)
    length = max(len(encoding.input_ids) for encoding in encodings)
    ids = np.zeros((len(encodings), length), np.int32)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.input_ids)] = encoding.input_ids
        mask[row, : len(encoding.input_ids)] = 1
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    values: dict[str, Any] = {}
    for packed in (False, True):
        model = inputs.model(bert_keras.BertEncoder, packed=packed)
        outputs = model(batch, training=False)
        kind = "packed" if packed else "padded"
        for name in ("sequence_output", "pooled_output"):
            array = outputs[name].numpy()
            real = array[mask > 0] if name == "sequence_output" else array
            values[f"encoder {kind}/{name} norms"] = np.linalg.norm(real, axis=-1).tolist()
            values[f"encoder {kind}/{name} beginning"] = real[0, :8].tolist()
    for pooling in ("mean", "cls", "max"):
        model = inputs.model(bert_keras.BertForSentenceEmbedding, pooling=pooling)
        vectors = model.embed(task_data.TEXTS)
        values[f"sentence embedding {pooling}/products"] = (vectors @ vectors[0]).tolist()
        values[f"sentence embedding {pooling}/beginnings"] = vectors[:, :8].tolist()
    return values


def _weights(model: Any) -> np.ndarray:
    return np.concatenate([v.numpy().ravel() for v in model.trainable_weights]).astype(np.float64)
