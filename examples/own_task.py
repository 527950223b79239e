"""Add a task of your own, stars from 1 to 5, which recipes, ``evaluate`` and ``predict`` know.

python examples/own_task.py
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import bert_keras
from bert_keras.tasks import register

WORDS = ("awful", "dull", "fair", "good", "superb")  # one star to five
RECIPE = {"data": {"task": "stars"}, "train": {"steps": 80}, "optimizer": {"learning_rate": 2e-3}}
ROWS = [f"a {word} {noun}\t{n}" for noun in ("film", "book") for n, word in enumerate(WORDS, 1)] * 4


@register
@dataclass(frozen=True, kw_only=True)
class Stars(bert_keras.Regression):
    """A regression whose answers are whole stars, scored by how many are right."""

    name, title, curves, best_metric = "stars", "Stars", ("exact",), "exact"

    def answers(self, logits):
        return [{"score": float(min(5, max(1, round(float(row[0])))))} for row in logits]

    def score(self, examples, predictions):
        right = [float(e.label) == p["score"] for e, p in zip(examples, predictions, strict=True)]
        return {"exact": sum(right) / max(1, len(right))}


with tempfile.TemporaryDirectory() as name:
    (train := Path(name) / "train.tsv").write_text("\n".join(["text\tlabel", *ROWS]))
    tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(ROWS, size=100))
    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
    bert_keras.save(bert_keras.BertEncoder(config), Path(name) / "start", tokenizer)
    recipe = bert_keras.from_tables(bert_keras.FinetuneConfig, RECIPE)
    path = bert_keras.finetune(recipe, f"{name}/run", f"{name}/start", str(train), str(train))
    print("a good book:", bert_keras.predict(bert_keras.load(path), ["a good book"])[0]["score"])
