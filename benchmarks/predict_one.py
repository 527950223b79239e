"""One text from Python: ``predict`` against the model's own call."""

import argparse
import statistics
import string
import time

import numpy as np

from bert_keras import BertConfig, BertForSequenceClassification, Casing, predict
from bert_keras.tokenization import BertTokenizer, learn_vocabulary

TEXT = "a text of a few words that somebody wants an answer to"
ROUNDS = 200


def measure(layers: int, hidden: int) -> tuple[float, float, float]:
    """The median milliseconds of ``predict`` and of the call, and the median of their ratios."""
    letters = np.random.default_rng(0).choice(list(string.ascii_lowercase), (2000, 5))
    words = ["".join(row) for row in letters]
    tokenizer = BertTokenizer(learn_vocabulary([TEXT, *words], 1000, Casing()))
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )
    model = BertForSequenceClassification(config)
    model.tokenizer = tokenizer
    encoding = tokenizer.encode(TEXT)
    batch = {
        "input_ids": np.array([encoding.input_ids], np.int32),
        "attention_mask": np.ones((1, len(encoding.input_ids)), np.int32),
        "token_type_ids": np.array([encoding.token_type_ids], np.int32),
    }
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        predict(model, [TEXT])
        between = time.perf_counter()
        model.forward(batch)["logits"].numpy()
        times.append((between - begin, time.perf_counter() - between))
    whole, call = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return whole, call, statistics.median(a / b for a, b in times)


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["2x128", "6x384"], help="LAYERSxHIDDEN")
    for size in parser.parse_args().sizes:
        whole, call, ratio = measure(*map(int, size.split("x")))
        print(f"{size}: predict {whole:.2f} ms, the model's call {call:.2f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
