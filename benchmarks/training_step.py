r"""A pre-training step: examples a second and peak memory of ours, keras-hub and transformers.

    python benchmarks/training_step.py --shape 4x512 --length 128 --batch 32 \
        --json benchmarks/training_step.json

Everyone trains on the same random ids without padding, a full batch of ``--length`` tokens of
which 15 % are masked, with dropout, AdamW and clipping, from random weights, over BERT's
vocabulary; each in a process of its own, in turns. keras-hub has no next-sentence head and trains
the masked words alone. transformers knows no masked positions and scores the vocabulary at every
token. Each peer runs in bfloat16 and float32, keras-hub with and without XLA, transformers with
``--compiled`` through ``torch.compile`` as well; the best of each counts.

``share`` is the arithmetic that the step needs (not what was done) over the rate at which
TensorFlow multiplies bfloat16 matrices of 4096 x 768 by 768 x 3072, measured in the same run.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contest import Timed, Work, contest
from machine import environment
from peers import keras_hub_masked_lm, torch_device, torch_step

VOCABULARY = 30522
PRODUCT = (4096, 768, 3072)


@dataclass(frozen=True)
class Shape:
    """The shape of the model and of a batch."""

    layers: int
    hidden: int
    length: int
    batch: int

    @property
    def heads(self) -> int:
        """64 features a head, as in the paper."""
        return self.hidden // 64

    @property
    def predictions(self) -> int:
        """15 % of the tokens."""
        return round(0.15 * self.length)

    def operations(self) -> float:
        """Multiplications and additions of one example's three passes, those of products alone."""
        from cost import forward_flops

        from bert_keras.config import BertConfig

        return 3.0 * sum(forward_flops(BertConfig(**self.model()), self.length, self.predictions))

    def model(self) -> dict[str, int]:
        """The architecture, in the names that Hugging Face and we have."""
        return {
            "vocab_size": VOCABULARY,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.hidden,
        }

    def data(self) -> dict[str, np.ndarray]:
        """A batch in our own keys, int32 and float32."""
        draw = np.random.default_rng(0)
        size, masked = (self.batch, self.length), (self.batch, self.predictions)
        positions = [draw.permutation(self.length)[: self.predictions] for _ in range(self.batch)]
        return {
            "input_ids": draw.integers(1000, VOCABULARY, size, np.int32),
            "token_type_ids": np.repeat(np.arange(2, dtype=np.int32), self.length // 2)[None]
            + np.zeros(size, np.int32),
            "attention_mask": np.ones(size, np.int32),
            "masked_lm_positions": np.sort(np.array(positions, np.int32)),
            "masked_lm_ids": draw.integers(1000, VOCABULARY, masked, np.int32),
            "masked_lm_weights": np.ones(masked, np.float32),
            "next_sentence_labels": draw.integers(0, 2, self.batch, np.int32),
        }


def ours(shape: Shape, strategy: Any = None, **settings: Any) -> Work:
    """Our loop's step, on one device unless a strategy is given; ``settings`` as in ``[train]``."""
    import tensorflow as tf

    from bert_keras.arithmetic import for_training
    from bert_keras.config import ArithmeticConfig, BertConfig, OptimizerConfig
    from bert_keras.modeling import BertForPreTraining
    from bert_keras.objectives import TrainStep
    from bert_keras.training import make_optimizer

    strategy = strategy or tf.distribute.get_strategy()
    train = ArithmeticConfig(**settings)
    with strategy.scope():
        model = BertForPreTraining(
            BertConfig(**shape.model()),
            dtype=train.precision,
            arithmetic=for_training(train.jit_compile, train.rematerialize),
        )
        optimizer = make_optimizer(OptimizerConfig(), 1_000_000)
        optimizer.build(model.trainable_variables)
    step = TrainStep(strategy, model, optimizer, model.objective, train)
    rows = tf.data.Dataset.from_tensors(shape.data())
    batch = next(iter(strategy.experimental_distribute_dataset(rows)))

    def take(count: int) -> None:
        for _ in range(count):
            means = step(batch)
        float(means["mlm_loss"].total)  # waits for the last

    return Timed(take)


def keras_hub_step(shape: Shape, precision: str, jit_compile: bool) -> Work:
    """keras-hub's masked LM.

    Not under ``fit``: whole calls of it now and then took twice as long, on one core of two.
    """
    from bert_keras.config import BertConfig

    model = keras_hub_masked_lm(BertConfig(**shape.model()), 1e-4, precision, jit_compile)
    data = shape.data()
    inputs = {
        "token_ids": data["input_ids"],
        "segment_ids": data["token_type_ids"],
        "padding_mask": data["attention_mask"],
        "mask_positions": data["masked_lm_positions"],
    }

    def take(count: int) -> None:
        for _ in range(count):
            model.train_on_batch(inputs, data["masked_lm_ids"], data["masked_lm_weights"])

    return Timed(take)


def transformers_step(shape: Shape, bfloat16: bool, compiled: bool) -> Work:
    """Transformers' pre-training model and torch's fused AdamW."""
    import torch
    import transformers

    model = transformers.BertForPreTraining(transformers.BertConfig(**shape.model()))
    model = model.to(torch_device()).train()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01, fused=True)
    data = {name: torch.tensor(array) for name, array in shape.data().items()}
    labels = torch.full((shape.batch, shape.length), -100)
    labels.scatter_(1, data["masked_lm_positions"].long(), data["masked_lm_ids"].long())
    inputs = {name: data[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    targets = {"labels": labels, "next_sentence_label": data["next_sentence_labels"].long()}

    def take(count: int) -> None:
        for _ in range(count):
            torch_step(run, optimizer, inputs | targets, bfloat16)

    return Timed(take)


def products() -> Work:
    """TensorFlow's products of bfloat16 matrices of the size of ``PRODUCT``."""
    import tensorflow as tf

    rows, inner, columns = PRODUCT
    left = tf.cast(tf.random.normal([rows, inner]), tf.bfloat16)
    right = tf.cast(tf.random.normal([inner, columns]), tf.bfloat16)
    multiply = tf.function(lambda: tf.matmul(left, right)[0, 0])

    def take(count: int) -> None:
        for _ in range(20 * count):  # one alone is mostly the call
            float(multiply())

    return Timed(take)


def contestants(shape: Shape, options: argparse.Namespace) -> Mapping[str, Any]:
    """The contestants by name."""
    bf16, f32 = {"precision": "mixed_bfloat16"}, {"precision": "float32"}
    found: dict[str, tuple[Callable[..., Work], dict[str, Any]]] = {
        "bert_keras, bfloat16": (ours, bf16),
        "bert_keras, bfloat16, rematerialize": (ours, bf16 | {"rematerialize": True}),
        "bert_keras, float32": (ours, f32),
        "keras-hub, bfloat16": (keras_hub_step, bf16 | {"jit_compile": False}),
        "keras-hub, bfloat16, XLA": (keras_hub_step, bf16 | {"jit_compile": True}),
        "keras-hub, float32": (keras_hub_step, f32 | {"jit_compile": False}),
        "transformers, bfloat16": (transformers_step, {"bfloat16": True, "compiled": False}),
        "transformers, float32": (transformers_step, {"bfloat16": False, "compiled": False}),
    }
    if options.compiled:
        compiled = (transformers_step, {"bfloat16": True, "compiled": True})
        found["transformers, bfloat16, compiled"] = compiled
    chosen = {name: maker for name, maker in found.items() if re.search(options.only, name)}
    return {
        name: (make, arguments | {"shape": shape}) for name, (make, arguments) in chosen.items()
    }


def main() -> None:
    """Measure one shape and add it to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="4x512", help="layers x hidden size")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="in a turn")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too: takes minutes")
    parser.add_argument("--only", default="", help="regular expression: who takes part")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    layers, hidden = map(int, options.shape.split("x"))
    shape = Shape(layers, hidden, options.length, options.batch)
    makers = {"products": (products, {}), **contestants(shape, options)}
    results = contest(makers, options.steps, options.rounds)
    rate = results.pop("products")["per_second"] * 20 * 2.0 * np.prod(PRODUCT)
    for row in results.values():
        for name in ("per_second", "least", "most"):
            row[name] = round(row[name] * shape.batch, 2)
        row["share"] = round(row["per_second"] * shape.operations() / rate, 3)
    result = {"machine": environment(), "gflops": round(rate / 1e9), "contestants": results}
    print(json.dumps(result, indent=2))
    if options.json:
        rows = json.loads(options.json.read_text()) if options.json.exists() else {}
        rows[f"{options.shape}, length {options.length}, batch {options.batch}"] = result
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
