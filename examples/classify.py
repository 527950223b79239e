"""Train a classifier on labels of your own by Keras's ``fit``, score it and ask it.

    python examples/classify.py

A pre-trained model takes the place of the untrained one: ``task.open_model(PATH, packed=True)``.
"""

import tempfile
from pathlib import Path

import bert_keras

GOOD, BAD = ("fine", "warm", "lovely", "brilliant"), ("dull", "cold", "sloppy", "painful")
NOUNS = ("film", "play", "book", "song", "meal")
ROWS = [
    f"a {word} {noun}\t{label}"
    for label, words in (("good", GOOD), ("bad", BAD))
    for word in words
    for noun in NOUNS
]

with tempfile.TemporaryDirectory() as name:
    train = Path(name) / "train.tsv"
    train.write_text("\n".join(["text\tlabel", *ROWS]))

    task = bert_keras.Classification(max_seq_length=16)
    examples = task.read(str(train))
    task = task.with_labels(task.labels_of(examples))
    tokenizer = bert_keras.BertTokenizer(bert_keras.learn_vocabulary(ROWS, size=120))
    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
    model = bert_keras.BertForSequenceClassification(config, labels=task.labels, packed=True)
    model.tokenizer = tokenizer
    model.compile(bert_keras.AdamW(1e-3, bias_correction=True))
    batches = task.batches(task.features(examples, tokenizer), tokenizer, batch_size=20)
    model.fit(batches, steps_per_epoch=20, epochs=3, verbose=2)

    print("accuracy", bert_keras.evaluate(model, str(train)).metrics["accuracy"])
    print("a lovely song:", bert_keras.predict(model, ["a lovely song"])[0]["label"])
