"""Export a classifier as a TFLite file for phones, and run it with the interpreter.

    python examples/phone.py

export/mobile has the same in Kotlin and Swift, with a tokenizer for each.
"""

import tempfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import bert_keras

TEXTS, LABELS = ["a fine film", "a warm song", "a dull film", "a cold song"] * 8, [1, 1, 0, 0] * 8

tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(TEXTS, size=80))
config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
model = bert_keras.BertForSequenceClassification(config, labels=["bad", "good"])
model.tokenizer = tokenizer
model.compile(bert_keras.AdamW(1e-3, bias_correction=True))
ids = np.array([encoding.input_ids for encoding in tokenizer.encode_batch(TEXTS)])
batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}  # the texts are of one length
model.fit(batch, np.array(LABELS), batch_size=16, epochs=25, verbose=2)

with tempfile.TemporaryDirectory() as name:
    path = Path(name) / "films.tflite"
    bert_keras.export_tflite(model, None, path, quantize="dynamic", length=16)
    print(f"{path.stat().st_size / 1e6:.1f} MB")
    run = Interpreter(model_path=str(path)).get_signature_runner("tokens")
    (encoding,) = tokenizer.encode_batch(["a fine song"])
    padding = [0] * (16 - len(encoding.input_ids))
    ids = np.array([encoding.input_ids + padding], np.int32)
    mask = (ids > 0).astype(np.int32)
    outputs = run(input_ids=ids, attention_mask=mask, token_type_ids=np.zeros_like(ids))
    print({name: values.round(2).tolist() for name, values in outputs.items()})
