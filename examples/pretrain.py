"""Pre-train a BERT on text of your own by Keras's ``fit``, and let it fill in a masked word.

python examples/pretrain.py
"""

import tempfile
from pathlib import Path

import bert_keras

ANIMALS, THINGS = ("cat", "dog", "bird", "horse"), ("river", "house", "hill", "garden")
VERBS = ("sees", "likes", "leaves")
SENTENCES = [f"The {a} {verb} the {b}." for a in ANIMALS for b in THINGS for verb in VERBS]

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "texts").mkdir()
    for number in range(12):  # a file is a document
        lines = SENTENCES[number * 4 : number * 4 + 4]
        (folder / "texts" / f"{number}.txt").write_text("\n".join(lines * 4))
    vocabulary = bert_keras.learn_vocabulary(SENTENCES, size=100)
    bert_keras.write_vocabulary(folder / "vocab.txt", vocabulary)
    bert_keras.prepare_corpus([str(folder / "texts")], folder / "vocab.txt", folder / "corpus")

    corpus = bert_keras.Corpus.open(folder / "corpus")
    data = bert_keras.DataConfig(max_seq_length=32, max_predictions_per_seq=5)
    batches = bert_keras.pretraining_dataset(corpus, data, batch_size=16, seed=0)  # endless
    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=corpus.vocab_size)
    model = bert_keras.BertForPreTraining(config)
    model.compile(bert_keras.AdamW(2e-3, bias_correction=True))
    model.fit(batches, steps_per_epoch=30, epochs=3, verbose=2)
    bert_keras.save(model, folder / "model", corpus.tokenizer)  # transformers opens it, too

    model = bert_keras.load(folder / "model")
    (candidates,) = bert_keras.fill_mask(model, "The cat sees the [MASK].", top=3)
    print("The cat sees the ...", [candidate.token for candidate in candidates])
