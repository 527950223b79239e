"""The metrics that the table shows are those of ``evaluate``."""

import json

import pytest

from bert_keras.export.tflite.answers import id_answers_of
from bert_keras.export.tflite.examples import make_examples
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


@pytest.mark.parametrize("kind", ROWS)
def test_the_metric_is_that_of_evaluate(make_model, kind, tmp_path):
    data = tmp_path / "dev.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS[kind]), encoding="utf-8")
    model = make_model(kind)
    examples = make_examples(model, model.tokenizer, 32, str(data))
    judge = Judge(model, id_answers_of(model), examples, 32)
    expected = evaluate(model, str(data), max_seq_length=32).metrics[judge.metric]
    assert judge.keras.accuracy == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_masked_lm_is_asked_for_the_piece_it_does_not_see(make_model):
    model = make_model("masked_lm")
    examples = make_examples(model, model.tokenizer, 32, None)
    assert len(examples.masked) == len(examples.features) > 30
    for feature in examples.features:
        assert list(feature.input_ids).count(model.tokenizer.mask_id) == 1
    judge = Judge(model, id_answers_of(model), examples, 32)
    assert judge.metric == "mlm_accuracy"
    assert 0 <= judge.keras.accuracy < 0.5  # its weights are random


def test_what_gives_the_ranges_is_not_measured(make_model, tmp_path):
    texts = [f"{chr(97 + number % 26)} {'no ' * (number // 26)}" for number in range(40)]
    lines = [f"{text}\t{'bad' if number % 2 else 'good'}" for number, text in enumerate(texts)]
    (tmp_path / "dev.tsv").write_text("\n".join(lines) + "\n")
    model = make_model("classification")
    examples = make_examples(model, model.tokenizer, 32, str(tmp_path / "dev.tsv"))
    measured = {tuple(feature.input_ids) for feature in examples.features}
    ranges = {tuple(feature.input_ids) for feature in examples.calibration}
    assert (len(measured), len(ranges)) == (30, 10)
    assert not measured & ranges
