"""The guard counts from Keras at its own length, and says what its examples can show."""

import json
import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binomtest
from seqeval.metrics import f1_score

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.samples import PROSE
from bert_keras.export.tflite.answers import id_answers_of
from bert_keras.export.tflite.examples import as_file_reads, as_keras_reads, read_examples
from bert_keras.export.tflite.exporter import _judge_whole
from bert_keras.export.tflite.guard import check_accuracy, check_examples
from bert_keras.export.tflite.measure import Judge, Measurement
from bert_keras.tasks import predict

TEXTS = PROSE[:40]
_REFUSED = (
    r"accuracy falls by .* from 1\.0000 to .* Most is lost as at 8 tokens 30 of 30 texts are cut: "
    r"[\d.]+% of all tokens are not read \(try a larger --length"
)
QUESTION = "What is it?"


def rows_of(model, kind):
    """Rows on which the model, as Keras runs it at its own length, makes no mistake."""
    if kind == "span":
        answers = predict(model, [QUESTION] * len(TEXTS), TEXTS)
        return [
            {
                "id": str(n), "question": QUESTION, "context": text,
                "answers": {"text": [answer["answer"]], "answer_start": [answer["start"]]},
            }
            for n, (text, answer) in enumerate(zip(TEXTS, answers, strict=True))
        ]  # fmt: skip
    if kind == "tagging":
        return [{"tokens": a["words"], "tags": a["tags"]} for a in predict(model, TEXTS)]
    if kind == "masked_lm":
        return [{"text": text} for text in TEXTS]
    answers = predict(model, TEXTS)
    keys = {"classification": "label", "multi_label": "labels", "regression": "score"}
    return [{"text": t, "label": a[keys[kind]]} for t, a in zip(TEXTS, answers, strict=True)]


@pytest.fixture(scope="module")
def make_data(make_model, tmp_path_factory):
    """Writes the rows of a kind, once."""

    @cache
    def make(kind):
        path = tmp_path_factory.mktemp("data") / "dev.jsonl"
        lines = (json.dumps(row) + "\n" for row in rows_of(make_model(kind), kind))
        path.write_text("".join(lines), encoding="utf-8")
        return str(path)

    return make


def judges(model, data, length):
    """What measures a model at its own length and at a file's."""
    sequences = as_file_reads(read_examples(model, data), model.tokenizer, length)
    judge = Judge(model, id_answers_of(model), sequences, length)
    return [*_judge_whole(judge, model), judge]


@pytest.mark.parametrize(
    "kind",
    [
        "classification",
        *(
            pytest.param(kind, marks=pytest.mark.system)
            for kind in ("multi_label", "regression", "tagging", "span", "masked_lm")
        ),
    ],
)
def test_every_kind_is_compared_with_what_it_was_trained_to_read(make_model, make_data, kind):
    whole, judge = judges(make_model(kind), make_data(kind), 8)
    assert (whole.keras.variant, judge.keras.variant) == ("whole", "keras")
    if kind == "masked_lm":  # which guesses the text's own words, by random weights
        assert judge.keras.accuracy <= whole.keras.accuracy
    else:
        assert judge.keras.accuracy < 0.95 < whole.keras.accuracy
    assert max(len(f.input_ids) for f in judge.sequences.features) == 8
    assert max(len(f.input_ids) for f in whole.sequences.features) == 64
    cut = judge.sequences.cut
    assert cut["of_texts"] == len(judge.sequences.examples.measured)
    assert 0.5 < cut["tokens"] / cut["of_tokens"] < 1


@pytest.mark.parametrize(
    "kind",
    [
        "classification",
        *(
            pytest.param(kind, marks=pytest.mark.system)
            for kind in ("multi_label", "tagging", "span", "sentence_embedding", "encoder",
                         "next_sentence")
        ),
    ],
)  # fmt: skip
def test_without_labels_decisions_are_compared_with_those_at_the_own_length(make_model, kind):
    whole, judge = judges(make_model(kind), None, 8)
    assert whole.keras.agreement is None
    assert judge.keras.agreement < 1
    with pytest.raises(InputError, match="agreement with Keras falls by"):
        check_accuracy("accuracy", [whole.keras, judge.keras], 0.0)
    assert judges(make_model(kind), None, 64)[-1].keras.agreement in (None, 1) or kind in (
        "tagging", "span",  # of texts longer than the model reads at once
    )  # fmt: skip


@pytest.mark.system
def test_words_behind_the_sequence_are_in_no_entity(make_model, make_data):
    model = make_model("tagging")
    _, judge = judges(model, make_data("tagging"), 16)
    expected, given = [], []
    for example in judge.sequences.examples.measured:
        words = [model.tokenizer.encode(word).input_ids[1:-1] for word in example.words]
        ids = [piece for word in words for piece in word][:14]
        logits = model.forward(
            {"input_ids": np.array([[model.tokenizer.cls_id, *ids, model.tokenizer.sep_id]])}
        )["logits"]
        tags = np.array(logits)[0].argmax(axis=-1)
        starts = np.cumsum([0, *map(len, words)])[:-1]
        given.append([model.labels[tags[s + 1]] if s < len(ids) else "O" for s in starts])
        expected.append(list(example.tags))
    assert judge.keras.accuracy == pytest.approx(f1_score(expected, given), abs=0.02)
    assert judge.keras.accuracy < 0.9


@pytest.mark.system
def test_an_answer_behind_the_sequence_is_not_found(make_model, make_data):
    model = make_model("span")
    _, judge = judges(model, make_data("span"), 16)
    features, task = judge.sequences.features, judge.sequences.task
    assert len(features) == len(judge.sequences.examples.measured)
    answers = judge._predictions(judge.expected)
    for feature, answer in zip(features, answers, strict=True):
        assert answer["end"] <= feature.origin.offsets[-1][1]
    scores = task.score(judge.sequences.examples.measured, answers)
    assert judge.keras.accuracy == scores["f1"] < 0.9


@pytest.mark.system
def test_a_mask_that_is_cut_off_is_not_filled(make_model, make_data):
    model = make_model("masked_lm")
    whole, judge = judges(model, make_data("masked_lm"), 8)
    seen = [model.tokenizer.mask_id in f.input_ids for f in judge.sequences.features]
    assert 0 < sum(seen) < len(seen)
    pairs = zip(whole.sequences.masked, judge.sequences.masked, strict=True)
    assert [one == other for one, other in pairs] == seen


def test_what_the_file_reads_whole_has_no_row_of_its_own(make_model, tmp_path):
    (tmp_path / "short.txt").write_text("a b\nc d\n" * 4)
    model = make_model("classification")
    assert len(judges(model, str(tmp_path / "short.txt"), 16)) == 1
    assert as_keras_reads(read_examples(model, None), model.tokenizer).cut["texts"] < 30


@pytest.mark.system
def test_an_export_at_another_length_fails_the_guard_and_says_what_is_cut(
    make_model, make_data, tmp_path
):
    model, data, out = make_model("classification"), make_data("classification"), tmp_path / "m"
    with pytest.raises(InputError, match=_REFUSED):
        export_tflite(model, None, out, length=8, data=data, max_accuracy_drop=0.5)
    assert not out.exists()
    report = export_tflite(model, None, out, length=8, data=data)
    assert [row["variant"] for row in report["variants"]] == ["whole", "keras", "none"]
    assert (report["own_length"], report["length"], report["drop"]) == (64, 8, None)
    assert report["cut"]["texts"] == report["cut"]["of_texts"] == report["texts"]
    out = tmp_path / "whole"
    report = export_tflite(model, None, out, length=64, data=data, max_accuracy_drop=0.5)
    assert [row["variant"] for row in report["variants"]] == ["keras", "none"]
    assert report["drop"] == 0


def few(make_model, make_data, count, kind="classification"):
    """What measures a model on so many rows."""
    judge = judges(make_model(kind), make_data(kind), 64)[-1]
    examples = judge.sequences.examples
    measured = (examples.measured * 20)[:count]
    sequences = as_file_reads(replace(examples, measured=measured), examples.model.tokenizer, 64)
    return Judge(examples.model, judge.answers, sequences, 64)


def system(*case):
    return pytest.param(*case, marks=pytest.mark.system)


@pytest.mark.parametrize(
    ("count", "limit", "said"),
    [
        system(1, 0.5, "100 points, so a drop of 0.5 cannot be seen (200 could show it); even"),
        (3, 0.5, "33.3 points, so a drop of 0.5 cannot be seen (200 could show it); even"),
        system(150, 0.5, "0.667 points, so a drop of 0.5 cannot be seen (200 could show it)"),
        system(60, 5.0, "even with none of them lost, up to 4.87 %"),
        system(60, 0.0, "even with none of them lost, up to 4.87 %"),
        (150, 1.0, ""),
    ],
)
def test_examples_that_cannot_show_the_drop_are_named(
    make_model, make_data, caplog, count, limit, said
):
    judge = few(make_model, make_data, count)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "bert_keras"):
        check_examples([judge], limit)
        check_examples([judge], None)
    assert said in caplog.text
    assert len(caplog.messages) == bool(said)
    if count < 100:
        # What Clopper and Pearson say of 0 in n, on one side.
        most = 100 * binomtest(0, count).proportion_ci(0.90).high
        assert f"up to {most:.3g} % of others" in caplog.text


@pytest.mark.system
def test_where_no_drop_can_be_told_the_guard_refuses(make_model, make_data, tmp_path):
    judge = few(make_model, make_data, 1, "regression")
    with pytest.raises(InputError, match=r"spearman is 0 on 1 texts of .* no drop can be told"):
        check_examples([judge], 50.0)
    (tmp_path / "o.jsonl").write_text('{"tokens": ["No", "."], "tags": ["O", "O"]}\n')
    with pytest.raises(InputError, match="f1 is 0 on 0 entities"):
        check_examples(judges(make_model("tagging"), str(tmp_path / "o.jsonl"), 64), 50.0)
    with pytest.raises(InputError, match="needs labeled examples"):
        check_examples(judges(make_model("regression"), None, 64), 50.0)


@pytest.mark.parametrize(("after", "passes"), [(0.995, True), (0.994, False), (np.nan, False)])
def test_one_in_200_is_half_a_point(after, passes):
    rows = [Measurement("keras", 1, accuracy=1.0), Measurement("int8", 1, accuracy=after)]
    if passes:
        assert check_accuracy("accuracy", rows, 0.5) == pytest.approx(0.5)
        return
    with pytest.raises(InputError, match="accuracy falls by"):
        check_accuracy("accuracy", rows, 0.5)
