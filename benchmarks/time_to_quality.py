r"""Held-out masked-LM loss over the seconds of training: ours, transformers, keras-hub.

    python benchmarks/time_to_quality.py CORPUS --json benchmarks/time_to_quality.json

CORPUS is that of ``configs/pretrain/small-sotu.toml``, whose model (2 layers of 128) all train from
random weights on the same documents, and whose recipe ours follows to its end. The peers have no
recipe for such a corpus; each gets what its own documentation recommends for pre-training
(transformers' ``run_mlm``: batches of 8, rate 5e-5, linear decay; keras-hub's guide: batches of
128, rate 5e-4, a quarter of the tokens masked), and once more our recipe's batch and rate. They
train on blocks of 128 tokens cut from the documents, as their examples do, masked by their own
code. All are asked the same questions, of the kind that the peers train on and ours does in a third
of its steps: held-out documents' sentences packed to 128 tokens, 15 % masked by our pipeline.
Each has a process of its own; they train in turns, and the evaluations do not count.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contest import Contestant, Work
from machine import environment
from peers import keras_hub_masked_lm, torch_device, torch_step

RECIPE = Path(__file__).parents[1] / "configs" / "pretrain" / "small-sotu.toml"
LENGTH, BATCHES = 128, 12
Batch = dict[str, np.ndarray]
Train = Callable[[], object]
Evaluate = Callable[[], float]


def questions(corpus: str) -> tuple[Any, list[Batch]]:
    """The documents to train on, and the batches that all are evaluated on."""
    from bert_keras.config import DataConfig
    from bert_keras.corpus import Corpus
    from bert_keras.data.pretraining import pretraining_dataset

    train, held_out = Corpus.open(corpus).split(0.05)
    data = DataConfig(
        max_seq_length=LENGTH, max_predictions_per_seq=20, next_sentence="none", short_seq_prob=0.0
    )
    batches = pretraining_dataset(held_out, data, 64, seed=1).take(BATCHES)
    return train, list(batches.as_numpy_iterator())


def mean_loss(batches: list[Batch], logits_of: Callable[[Batch], np.ndarray]) -> float:
    """The cross-entropy in nats of the masked words; logits [B, P, V]."""
    from scipy.special import log_softmax

    total = count = 0.0
    for batch in batches:
        scores = log_softmax(np.asarray(logits_of(batch), np.float32), axis=-1)
        found = np.take_along_axis(scores, batch["masked_lm_ids"][..., None], axis=-1)[..., 0]
        total -= float((found * batch["masked_lm_weights"]).sum())
        count += float(batch["masked_lm_weights"].sum())
    return total / count


def blocks(train: Any, batch_size: int) -> Iterator[np.ndarray]:
    """Endless batches [B, 128] of the documents' tokens, in random order."""
    room = LENGTH - 2
    tokens = np.asarray(train.tokens, np.int32)
    starts, ends = (train.sentence_offsets[train.documents[:, side]] for side in (0, 1))
    stream = np.concatenate([tokens[a:b] for a, b in zip(starts, ends, strict=True)])
    body = stream[: len(stream) // room * room].reshape(-1, room)
    edge = np.ones((len(body), 1), np.int32)
    template = train.tokenizer.template
    rows = np.concatenate([edge * template.prefix, body, edge * template.suffix], axis=1)
    draw = np.random.default_rng(0)
    while True:
        order = draw.permutation(len(rows))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield rows[order[start : start + batch_size]]


def in_seconds(train: Train, evaluate: Evaluate) -> Work:
    """The held-out loss after training for so many seconds."""

    def work(seconds: int) -> float:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and train() is not StopIteration:
            pass
        return evaluate()

    return work


def ours(corpus: str) -> Work:
    """The recipe in bfloat16, by our step on its phases; at its end it stays as it is."""
    import tensorflow as tf

    from bert_keras.arithmetic import for_training
    from bert_keras.config import PretrainConfig, load_toml
    from bert_keras.corpus import Corpus
    from bert_keras.modeling import BertForPreTraining
    from bert_keras.objectives import TrainStep
    from bert_keras.training import make_optimizer
    from bert_keras.training.phases import pretraining_phases

    config = load_toml(PretrainConfig, RECIPE, ["train.precision=mixed_bfloat16"])
    opened = Corpus.open(corpus)
    architecture = config.model.bert_config(opened.vocab_size)
    arithmetic = for_training(config.train.jit_compile)
    model = BertForPreTraining(architecture, dtype=config.train.precision, arithmetic=arithmetic)
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    optimizer.build(model.trainable_variables)
    step = TrainStep(tf.distribute.get_strategy(), model, optimizer, model.objective, config.train)

    def batches() -> Iterator[Any]:
        done = 0
        for phase in pretraining_phases(config, opened):
            dataset = phase.batches_from(done)
            step.expect(dataset.element_spec)  # as the loop does
            yield from dataset.take(phase.last_step - done)
            done = phase.last_step

    stream, (_, held_out) = batches(), questions(corpus)
    forward = tf.function(lambda batch: model(batch)["masked_lm_logits"])

    def take_step() -> object:
        batch = next(stream, None)
        return StopIteration if batch is None else step(batch)

    return in_seconds(take_step, lambda: mean_loss(held_out, forward))


def peers_config(vocab_size: int) -> Any:
    """The recipe's size, with the dropout that BERT has."""
    from bert_keras.config import BertConfig

    return BertConfig.from_preset("tiny", vocab_size=vocab_size, max_position_embeddings=LENGTH)


def transformers_run(corpus: str, rate: float, batch_size: int, seconds: int) -> Work:
    """The masked LM of transformers with its own collator, torch's fused AdamW, bfloat16."""
    import torch
    import transformers

    train_texts, held_out = questions(corpus)
    config = peers_config(train_texts.vocab_size).to_dict()
    model = transformers.BertForMaskedLM(transformers.BertConfig(**config))
    model = model.to(torch_device()).train()
    optimizer = torch.optim.AdamW(model.parameters(), rate, fused=True)
    tokenizer = transformers.BertTokenizer(str(Path(corpus) / "vocab.txt"))
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    stream, spent = blocks(train_texts, batch_size), 0.0

    def train() -> None:
        nonlocal spent
        begin = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = rate * max(0.0, 1 - spent / seconds)
        batch = collator([{"input_ids": row} for row in next(stream).tolist()])
        torch_step(model, optimizer, batch, bfloat16=True)
        spent += time.perf_counter() - begin

    def logits_of(batch: Batch) -> np.ndarray:
        inputs = ("input_ids", "attention_mask", "token_type_ids")
        given = {name: torch.tensor(batch[name]).long().to(model.device) for name in inputs}
        with torch.inference_mode():
            found = model(**given).logits
        positions = batch["masked_lm_positions"]
        return np.take_along_axis(found.float().cpu().numpy(), positions[..., None], axis=1)

    def evaluate() -> float:
        model.eval()
        loss = mean_loss(held_out, logits_of)
        model.train()
        return loss

    return in_seconds(train, evaluate)


def keras_hub_run(corpus: str, rate: float, batch_size: int, masked: float) -> Work:
    """keras-hub's masked LM with its own mask generator, bfloat16."""
    import keras_hub
    import tensorflow as tf

    train_texts, held_out = questions(corpus)
    config = peers_config(train_texts.vocab_size)
    model = keras_hub_masked_lm(config, rate, "mixed_bfloat16", jit_compile=False)
    special = [train_texts.tokenizer.pad_id, *train_texts.tokenizer.template.special_ids]
    generator = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=train_texts.vocab_size,
        mask_selection_rate=masked,
        mask_selection_length=round(masked * LENGTH),
        mask_token_id=train_texts.tokenizer.mask_id,
        unselectable_token_ids=special,
    )

    def examples(ids: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        found = generator(ids)
        inputs = {
            "token_ids": found["token_ids"],
            "segment_ids": tf.zeros_like(ids),
            "padding_mask": tf.ones_like(ids),
            "mask_positions": found["mask_positions"],
        }
        return inputs, found["mask_ids"], found["mask_weights"]

    dataset = tf.data.Dataset.from_generator(
        lambda: blocks(train_texts, batch_size),
        output_signature=tf.TensorSpec([batch_size, LENGTH], tf.int32),
    )
    stream = iter(dataset.map(examples).prefetch(tf.data.AUTOTUNE))

    def logits_of(batch: Batch) -> np.ndarray:
        return model.predict_on_batch(
            {
                "token_ids": batch["input_ids"],
                "segment_ids": batch["token_type_ids"],
                "padding_mask": batch["attention_mask"],
                "mask_positions": batch["masked_lm_positions"],
            }
        )

    return in_seconds(
        lambda: model.train_on_batch(*next(stream)), lambda: mean_loss(held_out, logits_of)
    )


def plot(results: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """The losses over the minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, points in results.items():
        seconds, losses = zip(*points, strict=True)
        axes.plot(np.array(seconds) / 60, losses, label=name)
    axes.set(xlabel="minutes of training", ylabel="held-out masked-LM loss")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path)


def makers(options: argparse.Namespace) -> dict[str, tuple[Callable[..., Work], dict[str, Any]]]:
    """The contestants by name."""
    corpus = {"corpus": options.corpus}
    rate, batch = {"rate": 2e-3}, {"batch_size": 32}
    theirs = corpus | {"seconds": options.seconds}
    return {
        "transformers, run_mlm": (transformers_run, theirs | {"rate": 5e-5, "batch_size": 8}),
        "keras-hub, guide": (
            keras_hub_run, corpus | {"rate": 5e-4, "batch_size": 128, "masked": 0.25}),
        "transformers, our rate": (transformers_run, theirs | rate | batch),
        "keras-hub, our rate": (keras_hub_run, corpus | rate | batch | {"masked": 0.15}),
        "bert_keras, small-sotu.toml": (ours, corpus),
    }  # fmt: skip


def main() -> None:
    """Train in turns, print and keep the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--seconds", type=int, default=1800, help="of training, each")
    parser.add_argument("--turn", type=int, default=30, help="seconds of a turn")
    parser.add_argument("--only", default="", help="regular expression: who takes part")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    contestants = []
    for name, (make, arguments) in makers(options).items():
        if not re.search(options.only, name):
            continue
        contestant = Contestant(name, make, arguments)
        if contestant.failure:
            raise SystemExit(f"{name}: {contestant.failure}")
        contestants.append(contestant)
    curves: dict[str, list[tuple[float, float]]] = {c.name: [] for c in contestants}
    for seconds in range(options.turn, options.seconds + 1, options.turn):
        for contestant in contestants:
            curves[contestant.name].append((seconds, round(contestant.work(options.turn), 4)))
        print(seconds, {name: points[-1][1] for name, points in curves.items()}, flush=True)
        if options.json:
            result = {"machine": environment(), "curves": curves}
            options.json.write_text(json.dumps(result, indent=2) + "\n")
            plot(curves, options.json.with_suffix(".svg"))
    for contestant in contestants:
        contestant.end()


if __name__ == "__main__":
    main()
