"""Pre-training: from a corpus and a recipe to a work directory with a trained model."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bert_keras.arithmetic import for_training
from bert_keras.config import BertConfig, PretrainConfig
from bert_keras.corpus import Corpus
from bert_keras.errors import InputError
from bert_keras.modeling.headed import HeadedModel
from bert_keras.objectives import TrainStep, is_compiled
from bert_keras.optimizers import AdamW
from bert_keras.saving import load, save
from bert_keras.saving.families import pretraining_class
from bert_keras.saving.vocabulary import carry_over
from bert_keras.tokenization import Tokenizer
from bert_keras.training.curves import describe_curves
from bert_keras.training.phases import log_epochs, log_held_out, pretraining_phases
from bert_keras.training.run import Run, make_optimizer
from bert_keras.training.strategy import check_batches, host_of, is_chief
from bert_keras.training.trainer import Trainer

describe_curves("mlm", "Masked words")
describe_curves("nsp", "Next sentence")


def pretrain(
    config: PretrainConfig,
    workdir: str | Path,
    corpus: str | Path | None = None,
    init: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Path:
    """Pre-train a BERT on a corpus (Devlin et al. 2019, section 3.1).

    The same call on the same work directory resumes from the newest checkpoint; on a finished run
    it returns at once.

    Args:
        config: The recipe.
        workdir: The directory of the run: ``run.json``, ``config.toml``, ``checkpoints/``,
            ``metrics.jsonl``, ``logs/``, ``curves.png`` and, at the end, ``model/``.
        corpus: The corpus directory; by default the recipe's ``data.corpus``.
        init: A model to start from instead of random weights: a directory, or a run as
            ``bert_keras.load`` opens it.
        callbacks: Keras callbacks.

    Returns:
        The directory of the trained model.

    Raises:
        InputError: When the corpus, the recipe and the work directory do not fit together.
        Interrupted: After Ctrl-C or SIGTERM, once the state is saved.
        Diverged: When the loss is not finite or has blown up, and ``watch`` says to stop.
        WorkerLost: When another worker of the run is gone.

    Example:
        >>> config = load_toml(PretrainConfig, "pretrain.toml", ["train.steps=2"])
        >>> path = pretrain(config, "runs/first", corpus="corpus")
        >>> path.as_posix()
        'runs/first/model'
    """
    path = _corpus_path(config, corpus)
    run = Run("pretrain", workdir, config.distribution)
    with run.agreement(path, init or config.model.init):
        config = run.with_start(config, init)
        texts = Corpus.open(path)
        _architecture(config, texts)  # checks the recipe before anything is written
        run.set_sources(config, json.loads(texts.identity))
        if not run.has_model():  # else nothing is trained on them
            texts.verify()
    with run.locked():
        if not run.is_finished():
            _train(run, config, texts, callbacks)
    return run.model_path


def _train(
    run: Run, config: PretrainConfig, corpus: Corpus, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    sizes = [phase.batch_size for phase in config.data.phases if phase.batch_size]
    check_batches(run.strategy, config.train, [config.train.batch_size, *sizes])
    with run.strategy.scope():
        model, optimizer = _make_model(config, corpus, run.start())
    run.begin(config, model, corpus.tokenizer)
    phases = pretraining_phases(config, corpus, host_of(run.strategy))
    if is_chief(run.strategy):
        log_held_out(corpus, phases[0].batches.corpus.documents, config.data.eval_fraction)
        log_epochs(phases)
    trainer = Trainer(
        model, optimizer, model.objective, config, run.strategy, run.workdir, callbacks
    )
    trainer.fit(phases)
    with run.finishing() as path:
        save(model, path, corpus.tokenizer)


def measure_seconds_per_step(config: PretrainConfig, corpus: Corpus, seconds: float = 3.0) -> float:
    """The seconds that a step of the run takes here, measured on a model that is thrown away.

    Args:
        config: The recipe; each phase is weighted by its share of the steps.
        corpus: What to train on.
        seconds: How long to measure each phase.
    """
    model, optimizer = _make_model(config, corpus, config.model.init)
    strategy = tf.distribute.get_strategy()
    step_function = TrainStep(strategy, model, optimizer, model.objective, config.train)
    mean, done = 0.0, 0
    for phase in pretraining_phases(config, corpus):
        dataset = phase.batches_from(done)
        step_function.expect(dataset.element_spec)
        batches = iter(dataset)
        for _ in range(3):  # to trace, and to fill the pipeline
            step_function(next(batches))
        steps, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            step_function(next(batches))
            steps += 1
        share = (phase.last_step - done) / config.train.steps
        mean += share * (time.monotonic() - start) / steps
        done = phase.last_step
    return mean


def _make_model(config: PretrainConfig, corpus: Corpus, init: str) -> tuple[HeadedModel, AdamW]:
    model_class, bert_config = _architecture(config, corpus)
    train = config.train
    compiles = is_compiled(train.jit_compile, tf.distribute.get_strategy())
    model = model_class(
        bert_config,
        seed=train.seed,
        dtype=train.precision,
        arithmetic=for_training(compiles, train.rematerialize),
        initialize=not init,
    )
    if init:
        _start_from(model, init, corpus)
    if config.model.positions == "sinusoidal":
        _fix_positions(model, init)
    return model, make_optimizer(config.optimizer, train.steps, precision=train.precision)


def _fix_positions(model: HeadedModel, init: str) -> None:
    """Make the positions sines and cosines; refuse a start from others."""
    embeddings = model.encoder.embeddings
    before = embeddings.position_embeddings.numpy()
    embeddings.fix_positions()
    if init and not np.array_equal(before, embeddings.position_embeddings):
        raise InputError(
            f'model.positions = "sinusoidal" is for new weights and for models that were trained '
            f"so, and {init} has learned positions: leave model.positions out"
        )


def _architecture(config: PretrainConfig, corpus: Corpus) -> tuple[type[HeadedModel], BertConfig]:
    """The class and the config of the model.

    Raises:
        InputError: When the recipe has pairs and the class no head for them, sequences without
            positions, or token types without an embedding.
    """
    model_class = pretraining_class(config.model.family)
    bert_config = config.model.bert_config(
        corpus.vocab_size, model_class.config_class, pad_token_id=corpus.tokenizer.pad_id
    )
    types = corpus.tokenizer.template.second_type + 1
    if bert_config.type_vocab_size < types:
        raise InputError(
            f"model.type_vocab_size must be at least {types} with the tokenizer of {corpus.path}, "
            f"which gives the second text of a pair type {types - 1} (byte-level BPE and Unigram "
            f"need 1). Received: {bert_config.type_vocab_size}"
        )
    for data, *_ in config.phases():
        if data.next_sentence != "none" and "next_sentence_head" not in model_class.heads:
            raise InputError(
                f'model.family = "{config.model.family}" is trained by masked words alone: set '
                f'data.next_sentence = "none". Received: "{data.next_sentence}"'
            )
        if data.max_seq_length > bert_config.longest_sequence:
            raise InputError(
                f"max_seq_length must not exceed {bert_config.longest_sequence}, the positions "
                f"of the model (model.max_position_embeddings = "
                f"{bert_config.max_position_embeddings}). Received: {data.max_seq_length}"
            )
    return model_class, bert_config


def _start_from(model: HeadedModel, init: str, corpus: Corpus) -> None:
    """Copy the weights of a saved model of the same architecture; its vocabulary may be another."""
    source = load(init)
    of_vocabulary = {name: getattr(model.config, name) for name in ("vocab_size", "pad_token_id")}
    is_one = isinstance(source, type(model))
    if not is_one or replace(source.config, **of_vocabulary) != model.config:
        raise InputError(
            f"{init} cannot start this run: it must be a {type(model).__name__} with the "
            f"architecture of the recipe's [model]. Received: {type(source).__name__} with "
            f"{source.config}"
        )
    own = dict(source.tokenizer.identity) if source.tokenizer else None
    is_same = own is None or own == dict(corpus.tokenizer.identity)
    if not is_same or source.config != model.config:
        _refuse_casing(source.tokenizer_or(), corpus, init)
        carry_over(model, source, corpus.tokenizer, init)
        return
    for variable, other in zip(model.trainable_weights, source.trainable_weights, strict=True):
        variable.assign(other)


def _refuse_casing(own: Tokenizer, corpus: Corpus, init: str) -> None:
    """Refuse the same word pieces in another casing: a flag was forgotten."""
    ours, theirs = dict(own.identity), dict(corpus.tokenizer.identity)
    casings = [identity.pop("casing", None) for identity in (ours, theirs)]
    if ours == theirs and casings[0] != casings[1]:
        raise InputError(
            f"{init} has another casing than the corpus {corpus.path}: {casings[0]} there, "
            f"{casings[1]} here; prepare the corpus as the model was trained"
        )


def _corpus_path(config: PretrainConfig, corpus: str | Path | None) -> Path:
    path = corpus or config.data.corpus
    if not path:
        raise InputError("no corpus: pass --corpus DIR or set data.corpus in the recipe")
    return Path(path)
