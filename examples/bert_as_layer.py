"""Put a BERT into a Keras model of your own: the price of a thing by its name and its age.

python examples/bert_as_layer.py
"""

import keras
import numpy as np

import bert_keras

PRICES = {"a wooden chair": 40.0, "an iron lamp": 60.0, "a silver watch": 300.0, "a cup": 5.0}
texts = [text for text in PRICES for _ in range(10)]
ages = np.tile(np.arange(10, dtype="float32"), len(PRICES))[:, None]
prices = np.array([PRICES[text] for text in texts], "float32") * 0.9 ** ages[:, 0]

tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(texts, size=80))
encodings = tokenizer.encode_batch(texts)
length = max(len(encoding.input_ids) for encoding in encodings)
ids = np.zeros((len(texts), length), "int32")  # 0 is [PAD]
for row, encoding in zip(ids, encodings, strict=True):
    row[: len(encoding.input_ids)] = encoding.input_ids
mask = (ids > 0).astype("int32")

config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in ("input_ids", "attention_mask")}
age = keras.Input((1,), name="age")
pooled = bert_keras.BertEncoder(config, name="bert")(inputs)["pooled_output"]
hidden = keras.layers.Dense(32, "relu")(keras.layers.Concatenate()([pooled, age]))
model = keras.Model(inputs | {"age": age}, keras.layers.Dense(1)(hidden))

model.compile(bert_keras.AdamW(2e-3, bias_correction=True), "mse")
batch = {"input_ids": ids, "attention_mask": mask, "age": ages}
model.fit(batch, np.log(prices), epochs=20, batch_size=20, verbose=2)
error = np.abs(np.exp(model.predict(batch, verbose=0)[:, 0]) / prices - 1)
print(f"median error of a price: {np.median(error):.0%}")
