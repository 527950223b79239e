"""Export a classifier for TF Serving, text in and answers out, and open it as a server does.

    python examples/serve.py

The folder is what TF Serving's ``--model_base_path`` is pointed at; export/serving has the rest.
"""

import tempfile
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401 - brings the tokenizer's operations

import bert_keras

ROWS = ["a fine film\tgood", "a warm song\tgood", "a dull film\tbad", "a cold song\tbad"] * 4

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "train.tsv").write_text("\n".join(["text\tlabel", *ROWS]))
    tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(ROWS, size=80))
    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
    bert_keras.save(bert_keras.BertEncoder(config), folder / "start", tokenizer)
    tables = {"train": {"steps": 40, "batch_size": 16}, "optimizer": {"learning_rate": 1e-3}}
    recipe = bert_keras.from_tables(bert_keras.FinetuneConfig, tables)
    train = str(folder / "train.tsv")
    bert_keras.finetune(recipe, folder / "run", folder / "start", train, train)

    report = bert_keras.export_saved_model(bert_keras.load(folder / "run"), None, folder / "films")
    served = tf.saved_model.load(report["version"]).signatures["serving_default"]
    answers = served(text=tf.constant(["a fine song", "a dull song"]))
    print(answers["labels"].numpy().tolist(), answers["probabilities"].numpy().round(2).tolist())
