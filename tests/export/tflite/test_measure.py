"""The metrics that the table shows are those of ``evaluate``."""

import json

import numpy as np
import pytest

from bert_keras.export.tflite.answers import id_answers_of
from bert_keras.export.tflite.examples import as_file_reads, for_ranges, read_examples
from bert_keras.export.tflite.measure import Judge
from bert_keras.tasks import evaluate

TEXT = "The ferry to Köln was late again, so we ate on the pier."
ROWS = {
    "classification": [
        {"text": TEXT, "label": "bad"},
        {"text": "No.", "label": "good"},
        {"text": "naïve", "label": "bad"},
    ],
    "pairs": [
        {"text_a": TEXT, "text_b": "No.", "label": "good"},
        {"text_a": "No.", "text_b": TEXT, "label": "bad"},
    ],
    "multi_label": [
        {"text": TEXT, "label": ["bad", "good"]},
        {"text": "No.", "label": []},
    ],
    "regression": [
        {"text": TEXT, "label": 1.5},
        {"text": "No.", "label": 0.25},
        {"text": "yes", "label": 2.0},
    ],
    "tagging": [
        {"tokens": ["Anna", "went", "to", "Köln"], "tags": ["B-PER", "O", "O", "B-LOC"]},
        {"tokens": ["No", "."], "tags": ["O", "O"]},
    ],
    "span": [
        {
            "id": str(number),
            "question": question,
            "context": TEXT,
            "answers": {"text": [answer], "answer_start": [TEXT.index(answer)]},
        }
        for number, (question, answer) in enumerate([("Where?", "Köln"), ("What?", "The ferry")])
    ],
}


@pytest.mark.system
@pytest.mark.parametrize("kind", ROWS)
def test_the_metric_is_that_of_evaluate(make_model, kind, tmp_path):
    data = tmp_path / "dev.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS[kind]), encoding="utf-8")
    model = make_model(kind)
    sequences = as_file_reads(read_examples(model, str(data)), model.tokenizer, 32)
    judge = Judge(model, id_answers_of(model), sequences, 32)
    expected = evaluate(model, str(data), max_seq_length=32).metrics[judge.metric]
    assert judge.keras.accuracy == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_masked_lm_is_asked_for_the_piece_it_does_not_see(make_model):
    model = make_model("masked_lm")
    sequences = as_file_reads(read_examples(model, None), model.tokenizer, 64)
    assert len(sequences.masked) == len(sequences.features) > 30
    for feature in sequences.features:
        assert list(feature.input_ids).count(model.tokenizer.mask_id) == 1
    judge = Judge(model, id_answers_of(model), sequences, 64)
    assert judge.metric == "mlm_accuracy"
    assert 0 <= judge.keras.accuracy < 0.5  # its weights are random


def test_what_gives_the_ranges_is_not_measured(make_model, tmp_path):
    texts = [f"{chr(97 + number % 26)} {'no ' * (number // 26)}" for number in range(40)]
    lines = [f"{text}\t{'bad' if number % 2 else 'good'}" for number, text in enumerate(texts)]
    (tmp_path / "dev.tsv").write_text("\n".join(lines) + "\n")
    model = make_model("classification")
    examples = read_examples(model, str(tmp_path / "dev.tsv"))
    assert not examples.ranges_of_measured
    sequences = as_file_reads(examples, model.tokenizer, 32)
    measured = {tuple(feature.input_ids) for feature in sequences.features}
    ranges = {tuple(f.input_ids) for f in for_ranges(examples, model.tokenizer, 32)}
    assert (len(measured), len(ranges)) == (30, 10)
    assert not measured & ranges


def test_a_file_sorted_by_label_is_measured_as_it_is(make_model, tmp_path):
    """Its end is the other label, which the ranges and the measured part must have seen."""
    model = make_model("classification")
    labels = ["bad"] * 3_500 + ["good"] * 1_950
    letters = str.maketrans("0123456789", "abcdefghij")  # all of which the vocabulary has
    digits = str.maketrans("abcdefghij", "0123456789")
    texts = [" ".join(str(number).translate(letters)) for number in range(len(labels))]
    rows = [f"{text}\t{label}\n" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "dev.tsv").write_text("".join(rows))
    examples = read_examples(model, str(tmp_path / "dev.tsv"))
    sequences = as_file_reads(examples, model.tokenizer, 16)
    measured, given = (
        [
            int(model.tokenizer.decode(feature.input_ids).replace(" ", "").translate(digits))
            for feature in features
        ]
        for features in (sequences.features, for_ranges(examples, model.tokenizer, 16))
    )
    for numbers, count in ((measured, 2_000), (given, 200)):
        assert len(numbers) == len(set(numbers)) == count
        share = sum(number < 3_500 for number in numbers) / count
        assert share == pytest.approx(3_500 / 5_450, abs=0.005)
        assert np.diff([-1, *numbers, 5_450]).max() <= 1.2 * 5_450 / count + 1
    assert not set(measured) & set(given)


def test_windows_of_long_texts_give_ranges_from_the_whole_file(make_model, tmp_path):
    """Each question has several sequences: the first 200 would be those of the first texts."""
    words = ["a", "b", "c", "d"]
    rows = [
        {
            "id": str(n),
            "question": "Where?",
            "context": " ".join([words[n // 100]] * 60),
            "answers": {"text": [words[n // 100]], "answer_start": [0]},
        }
        for n in range(400)
    ]
    data = tmp_path / "dev.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = make_model("span")
    calibration = for_ranges(read_examples(model, str(data)), model.tokenizer, 24)
    assert len(calibration) == 200
    texts = [model.tokenizer.decode(feature.input_ids) for feature in calibration]
    for word in words:
        assert sum(word in text for text in texts) == pytest.approx(50, abs=2)
