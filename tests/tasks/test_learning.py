"""Tasks of whole texts learn sixteen examples by heart, through plain ``model.fit``."""

import json

import pytest

import bert_keras
from bert_keras.tasks import Classification, MaskedLM, MultiLabel, MultipleChoice, Regression

ADJECTIVES = ["fine", "dull", "warm", "cold"]
NOUNS = ["film", "joy", "fun", "pain"]
PHRASES = [f"a {adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]


def write(path, rows):
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def classification(folder):
    rows = [f"{text}\tit is as i said\t{n % 3}" for n, text in enumerate(PHRASES)]
    return Classification(max_seq_length=32), write(folder / "pairs.tsv", rows)


def multi_label(folder):
    labels = ["red|blue", "", "red", "blue"]
    return MultiLabel(max_seq_length=32), write(
        folder / "several.tsv", [f"{text}\t{labels[n % 4]}" for n, text in enumerate(PHRASES)]
    )


def regression(folder):
    rows = [f"{text}\t{n / 8 - 1}" for n, text in enumerate(PHRASES)]
    return Regression(max_seq_length=32), write(folder / "numbers.tsv", rows)


def several_numbers(folder):
    rows = [f"{text}\t{n / 8 - 1}|{(n % 5) / 2}" for n, text in enumerate(PHRASES)]
    return Regression(max_seq_length=32), write(folder / "vectors.tsv", rows)


def multiple_choice(folder):
    """Two choices or three; which is right follows from the context alone."""
    rows = [
        {"context": text, "choices": ["yes", "no", "once"][: 2 + n % 2], "label": (n // 2) % 2}
        for n, text in enumerate(PHRASES)
    ]
    return MultipleChoice(max_seq_length=32), write(folder / "a.jsonl", map(json.dumps, rows))


def masked_lm(folder):
    rows = [f"{a} {a} {a} {a} {b} {b} {b} {b}" for a in ADJECTIVES for b in NOUNS]
    return MaskedLM(max_seq_length=32), write(folder / "texts.txt", rows)


@pytest.mark.system
@pytest.mark.parametrize(
    "make",
    [
        classification,
        multi_label,
        regression,
        several_numbers,
        multiple_choice,
        pytest.param(masked_lm, marks=pytest.mark.slow),
    ],
)
def test_sixteen_examples_are_learned_to_a_loss_under_a_hundredth(make, encoder_path, tmp_path):
    task, source = make(tmp_path)
    examples = task.read(source)
    assert len(examples) == 16
    task = task.with_labels(task.labels_of(examples))
    model = bert_keras.load(encoder_path, task.model_class, **task.model_arguments(), packed=True)
    features = task.features(examples, model.tokenizer)
    model.compile(bert_keras.AdamW(3e-3, weight_decay=0.0, bias_correction=True))
    batches = task.batches(features, model.tokenizer, batch_size=16)
    model.fit(batches, steps_per_epoch=600 if isinstance(task, MaskedLM) else 160, verbose=0)
    metrics, predictions = task.measure(model, examples, features)
    (loss,) = (value for name, value in metrics.items() if name.endswith("_loss"))
    assert loss < 0.01
    mistakes = [task.mistake(*pair) for pair in zip(examples, predictions, strict=False)]
    if not isinstance(task, Regression | MaskedLM):
        assert mistakes == [None] * 16
