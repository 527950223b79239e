"""Train a tagger of names by Keras's ``fit``, and find the names in a text.

python examples/tag.py
"""

import tempfile
from pathlib import Path

import bert_keras

PEOPLE, PLACES = ("Ada", "Charles", "Mary", "George"), ("London", "Turin", "Paris", "Rome")
SENTENCES = [
    [(person, "B-PER"), (verb, "O"), ("in", "O"), (place, "B-LOC"), (".", "O")]
    for person in PEOPLE
    for place in PLACES
    for verb in ("lived", "worked")
]

with tempfile.TemporaryDirectory() as name:
    train = Path(name) / "train.conll"  # a word and its tag a line, an empty line after a sentence
    train.write_text("\n\n".join("\n".join(map(" ".join, words)) for words in SENTENCES))

    task = bert_keras.Tagging(max_seq_length=16)
    examples = task.read(str(train))
    task = task.adapted_to(examples)  # finds the scheme of the tags
    task = task.with_labels(task.labels_of(examples))
    words = [word for sentence in SENTENCES for word, _ in sentence]
    casing = bert_keras.Casing(do_lower_case=False)
    tokenizer = bert_keras.BertTokenizer(
        bert_keras.learn_vocabulary(words, 100, casing=casing), casing
    )
    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=tokenizer.vocab_size)
    model = bert_keras.BertForTokenClassification(config, labels=task.labels, packed=True)
    model.tokenizer = tokenizer
    model.compile(bert_keras.AdamW(1e-3, bias_correction=True))
    batches = task.batches(task.features(examples, tokenizer), tokenizer, batch_size=16)
    model.fit(batches, steps_per_epoch=20, epochs=3, verbose=2)

    (answer,) = bert_keras.predict(model, ["Mary worked in Turin."])
    print([(entity["text"], entity["label"]) for entity in answer["entities"]])
