"""The sides of sentence_encoders.py: our trainer, and that of sentence-transformers.

Both train on the same examples after the same recipe; ``ours`` and ``theirs`` return the model and
the times of its steps alone.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from finetuning_sides import train_ours
from machine import Clock, Times

import bert_keras
from bert_keras.config import FinetuneConfig
from bert_keras.optimizers import WarmupLinearDecay
from bert_keras.tasks.registry import make_task


def ours(config: FinetuneConfig, examples: Sequence[Any]) -> tuple[Any, Times]:
    """Our model after the recipe's steps."""
    task: Any = make_task(config.data).adapted_to(examples)
    tokenizer = bert_keras.load(config.model.init).tokenizer_or()
    features = task.training_features(examples, task.features(examples, tokenizer))
    return train_ours(config, task, features, lambda *_: None)


def theirs(config: FinetuneConfig, examples: Sequence[Any]) -> tuple[Any, Times]:
    """The model of sentence-transformers after its trainer, with BERT's schedule."""
    import sentence_transformers as library
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR

    name, start = config.data.task, config.model.init
    length = config.data.settings["max_seq_length"]
    if name == "ranking":
        kinds: Any = library.cross_encoder
        model: Any = library.CrossEncoder(start, num_labels=1, max_length=length, device="cpu")
        loss = kinds.losses.BinaryCrossEntropyLoss(model)
        kind, settings = kinds.CrossEncoderTrainer, kinds.CrossEncoderTrainingArguments
    else:
        kinds = library.sentence_transformer
        model = library.SentenceTransformer(start, device="cpu")
        model.max_seq_length = length
        losses = {"similarity": "CoSENTLoss", "contrastive": "MultipleNegativesRankingLoss"}
        loss = getattr(kinds.losses, losses[name])(model)
        kind = library.SentenceTransformerTrainer
        settings = library.SentenceTransformerTrainingArguments
    factors = _factors(config)

    class Trainer(kind):  # type: ignore[misc, valid-type]
        """Its trainer with BERT's schedule."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factors.__getitem__)
            return self.lr_scheduler

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=settings(folder, **_arguments(config)),
            train_dataset=Dataset.from_dict(_columns(name, examples)),
            loss=loss,
        )
        clock = Clock()
        trainer.train()
    return model.eval(), clock.read()


def _factors(config: FinetuneConfig) -> list[float]:
    """BERT's schedule: the rate of each step as a share of the highest."""
    settings, steps = config.optimizer, config.train.steps
    peak = settings.learning_rate
    rate = WarmupLinearDecay(peak, round(settings.warmup_ratio * steps), steps)
    return [float(rate(step)) / peak for step in range(steps + 1)]


def _arguments(config: FinetuneConfig) -> dict[str, Any]:
    """The recipe as settings of its trainer; contrastive batches have no text twice, as it says."""
    train, settings = config.train, config.optimizer
    arguments = {
        "max_steps": train.steps,
        "per_device_train_batch_size": train.batch_size,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip_norm,
        "adam_epsilon": settings.epsilon,
        "bf16": train.precision == "mixed_bfloat16",
        "use_cpu": True,
        "seed": train.seed,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if config.data.task == "contrastive":
        arguments["batch_sampler"] = "no_duplicates"
    return arguments


def _columns(task: str, examples: Sequence[Any]) -> dict[str, list[Any]]:
    """The columns that its losses read."""
    if task == "contrastive":
        return {
            "anchor": [example.anchor for example in examples],
            "positive": [example.positive for example in examples],
        }
    highest = max(float(example.label) for example in examples)
    label = "label" if task == "ranking" else "score"
    return {
        "sentence1": [example.text for example in examples],
        "sentence2": [example.text_pair for example in examples],
        label: [float(example.label) / highest for example in examples],
    }


def vectors_of(model: Any, texts: list[str]) -> np.ndarray:
    """The vectors of texts by a sentence encoder of either side."""
    if isinstance(model, bert_keras.BertForSentenceEmbedding):
        return model.embed(texts)
    vectors: np.ndarray = model.encode(texts, show_progress_bar=False)
    return vectors


def order_of(model: Any, query: str, documents: list[str]) -> list[int]:
    """The numbers of documents, the best first, by a ranker of either side."""
    if isinstance(model, bert_keras.BertForSequenceClassification):
        return [found["document"] for found in bert_keras.rank(model, query, documents)]
    return [int(found["corpus_id"]) for found in model.rank(query, documents)]
