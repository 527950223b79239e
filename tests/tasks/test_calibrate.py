"""What a model decides by, found on examples: against scipy, sklearn and what ``predict`` says."""

import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score, log_loss

import bert_keras
from bert_keras import Decision, InputError, calibrate, evaluate, predict
from bert_keras.config import (
    FinetuneConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
)
from bert_keras.modeling import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.saving import load
from bert_keras.tasks import finetune

WORDS = ["a fine film", "great fun", "no fun", "cold and slow", "a joy", "once more", "sloppy work"]
TEXTS = [" ".join(words) for words in itertools.permutations(WORDS, 3)][:90]
LABELS = ("bad", "good", "so-so")
TOPICS = ("film", "fun", "work", "none")
TAGS = ("O", "B-x", "I-x")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of each task, whose labels chance has a part in."""
    folder, draw = tmp_path_factory.mktemp("rows"), np.random.default_rng(5)
    with (folder / "one.tsv").open("w") as one, (folder / "many.tsv").open("w") as many:
        one.write("text\tlabel\n")
        many.write("text\tlabel\n")
        for text in TEXTS:
            one.write(f"{text}\t{draw.choice(LABELS, p=[0.5, 0.3, 0.2])}\n")
            topics = [t for t in TOPICS[:3] if draw.random() < (0.8 if t in text else 0.2)]
            many.write(f"{text}\t{'|'.join(topics)}\n")
    with (folder / "tags.conll").open("w") as tags:
        for text in TEXTS[:30]:
            for word in text.split():
                tags.write(f"{word} {draw.choice(['O', 'B-x'], p=[0.8, 0.2])}\n")
            tags.write("\n")
    return folder


@pytest.fixture
def model_of(encoder_path):
    """A model with a head of drawn weights: far too sure of itself."""

    def make(model_class, labels, **arguments):
        model = load(encoder_path, model_class, labels=labels, **arguments)
        draw = np.random.default_rng(2)
        kernel, bias = model.classifier.trainable_weights
        kernel.assign(draw.normal(size=kernel.shape, scale=2.0))
        bias.assign(draw.normal(size=bias.shape))
        return model

    return make


@pytest.fixture
def classifier(model_of):
    return model_of(BertForSequenceClassification, LABELS)


@pytest.fixture
def several(model_of):
    return model_of(
        BertForSequenceClassification, TOPICS, problem_type="multi_label_classification"
    )


def table(answers, labels):
    """The probabilities of answers, [texts, labels]."""
    return np.array([[answer["scores"][label] for label in labels] for answer in answers])


def shares_at(temperature, shares):
    """What a softmax at temperature 1 becomes at another."""
    powers = shares ** (1 / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


def least(loss):
    found = minimize_scalar(
        lambda u: loss(np.exp(u)), bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}
    )
    return np.exp(found.x)


def test_a_classifier_gets_the_temperature_of_the_least_log_loss(classifier, rows):
    source = str(rows / "one.tsv")
    right = [line.split("\t")[1] for line in (rows / "one.tsv").read_text().splitlines()[1:]]
    bare = table(predict(classifier, TEXTS), LABELS)
    plain = evaluate(classifier, source)
    found = calibrate(classifier, source)
    best = least(lambda t: log_loss(right, shares_at(t, bare), labels=list(LABELS)))
    assert found.decision == classifier.decision
    assert found.decision.temperature == pytest.approx(best, rel=1e-4)
    assert best > 1.2
    answers = predict(classifier, TEXTS)
    np.testing.assert_allclose(table(answers, LABELS), shares_at(best, bare), rtol=1e-4)
    assert found.metrics["negative_log_likelihood"] == pytest.approx(
        log_loss(right, table(answers, LABELS), labels=list(LABELS))
    )
    assert plain.before is None
    assert "expected_calibration_error" not in plain.metrics
    before = {name: found.before.metrics[name] for name in plain.metrics}
    assert before == plain.metrics
    after = {name: found.metrics[name] for name in plain.metrics}
    assert after == plain.metrics  # of labels and of bare logits
    errors = [e.metrics["expected_calibration_error"] for e in (found.before, found)]
    assert errors[0] > 2 * errors[1]
    again = evaluate(classifier, source)
    assert again.metrics == found.metrics
    assert again.before.metrics == found.before.metrics


@pytest.mark.system
def test_a_temperature_is_fitted_anew_to_bare_logits_and_said(classifier, rows, caplog):
    source = str(rows / "one.tsv")
    first = calibrate(classifier, source).decision
    with caplog.at_level(logging.INFO):
        again = calibrate(classifier, source).decision
    assert again == first
    assert "the model has a temperature of" in caplog.text
    assert "it is fitted anew, to the bare logits" in caplog.text


@pytest.mark.system
def test_sigmoids_share_one_temperature(several, rows):
    source = str(rows / "many.tsv")
    lines = (rows / "many.tsv").read_text().splitlines()[1:]
    right = np.array([[t in line.split("\t")[1].split("|") for t in TOPICS] for line in lines])
    bare = table(predict(several, TEXTS), TOPICS)
    pairs = np.stack([1 - bare, bare], axis=-1).reshape(-1, 2)
    found = calibrate(several, source)
    best = least(lambda t: log_loss(right.ravel(), shares_at(t, pairs)[:, 1]))
    assert found.decision.temperature == pytest.approx(best, rel=1e-4)
    assert found.decision.thresholds == ()
    scores = table(predict(several, TEXTS), TOPICS)
    assert found.metrics["negative_log_likelihood"] == pytest.approx(
        log_loss(right.ravel(), scores.ravel())
    )
    assert [a["labels"] for a in found.predictions] == [
        a["labels"] for a in found.before.predictions
    ]


@pytest.mark.system
def test_thresholds_have_the_best_f1_by_the_calibrated_probabilities(several, rows, caplog):
    source = str(rows / "many.tsv")
    lines = (rows / "many.tsv").read_text().splitlines()[1:]
    found = calibrate(several, source, thresholds=True)
    answers = predict(several, TEXTS)
    assert [a["labels"] for a in answers] == [a["labels"] for a in found.predictions]
    scores = table(answers, TOPICS)
    before = 0.0
    for number, (label, threshold) in enumerate(
        zip(TOPICS, several.decision.thresholds, strict=True)
    ):
        right = [label in line.split("\t")[1].split("|") for line in lines]
        given = [label in answer["labels"] for answer in answers]
        assert given == [score >= threshold for score in scores[:, number]]
        assert found.label_scores[label].examples == sum(right)
        if label == "none":
            assert threshold == 0.5
            assert found.label_scores[label].f1 == 0.0
            continue
        best = max(f1_score(right, scores[:, number] >= t) for t in scores[:, number])
        assert f1_score(right, given) == best == pytest.approx(found.label_scores[label].f1)
        before += f1_score(right, scores[:, number] >= 0.5)
    assert "no example has 'none': the threshold stays at 0.5" in caplog.text
    assert found.metrics["macro_f1"] > found.before.metrics["macro_f1"]
    assert 4 * found.before.metrics["macro_f1"] == pytest.approx(before)


@pytest.mark.system
def test_thresholds_alone_leave_the_temperature_and_a_temperature_alone_the_labels(
    several, rows, caplog
):
    source = str(rows / "many.tsv")
    several.decision = Decision(5.0)
    found = calibrate(several, source, temperature=False, thresholds=True)
    assert several.decision.temperature == 5.0
    with caplog.at_level(logging.INFO):
        moved = calibrate(several, source)
    assert moved.decision.temperature != 5.0
    assert moved.decision.thresholds != found.decision.thresholds
    assert [a["labels"] for a in moved.predictions] == [a["labels"] for a in found.predictions]
    assert "the model's thresholds move along" in caplog.text
    with caplog.at_level(logging.INFO):
        calibrate(several, source, temperature=False, thresholds=True)
    assert "they are found anew" in caplog.text


def test_a_tagger_is_calibrated_on_the_first_pieces_of_words(model_of, rows):
    tagger = model_of(BertForTokenClassification, TAGS)
    sentences = [block.split("\n") for block in (rows / "tags.conll").read_text().split("\n\n")]
    right = [line.split()[1] for block in sentences for line in block if line]
    found = calibrate(tagger, str(rows / "tags.conll"))
    words = [s for a in found.predictions for s in a["scores"]]
    tags = [t for a in found.predictions for t in a["tags"]]
    assert len(words) == len(right) == found.reliability.counts.sum()
    # By tags and scores of ``predict``: the share that is right, and the mean confidence.
    is_right = [one == other for one, other in zip(tags, right, strict=True)]
    reliability = found.reliability
    assert (reliability.counts * reliability.accuracy).sum() == pytest.approx(sum(is_right))
    assert (reliability.counts * reliability.confidence).sum() == pytest.approx(sum(words))
    lower, higher = (
        evaluate_at(tagger, found.decision.temperature * factor, rows / "tags.conll")
        for factor in (0.97, 1.03)
    )
    best = found.metrics["negative_log_likelihood"]
    assert best < min(lower, higher)


def evaluate_at(model, temperature, path):
    model.decision = Decision(temperature)
    return evaluate(model, str(path)).metrics["negative_log_likelihood"]


def test_tasks_without_probabilities_are_refused_by_name(encoder_path, rows):
    regression = load(encoder_path, BertForSequenceClassification, labels=1)
    span = load(encoder_path, BertForQuestionAnswering)
    for model, name in ((regression, "regression"), (span, "span")):
        with pytest.raises(InputError, match=f"the task {name} gives no probabilities of labels"):
            calibrate(model, str(rows / "one.tsv"))
    with pytest.raises(InputError, match="has no head for a task"):
        calibrate(load(encoder_path), str(rows / "one.tsv"))


def test_what_cannot_be_found_is_refused_and_leaves_the_model_as_it_was(classifier, rows, tmp_path):
    classifier.decision = Decision(2.0)
    source = str(rows / "one.tsv")
    with pytest.raises(InputError, match="thresholds are for models that give several labels"):
        calibrate(classifier, source, thresholds=True)
    with pytest.raises(InputError, match="ask for one of them"):
        calibrate(classifier, source, temperature=False)
    (answer,) = predict(classifier, ["a fine film"])
    for name, message in (("right", "all 1 answers are right"), ("wrong", "better than guessing")):
        labels = (
            [answer["label"]]
            if name == "right"
            else [min(answer["scores"], key=answer["scores"].get)]
        )
        (tmp_path / f"{name}.tsv").write_text(f"a fine film\t{labels[0]}\n")
        with pytest.raises(InputError, match=message):
            calibrate(classifier, str(tmp_path / f"{name}.tsv"))
    assert classifier.decision == Decision(2.0)


def test_windows_are_calibrated_by_their_mean_logits(classifier, tmp_path):
    classifier.other_config = {"classification_task": {"max_seq_length": 8, "windows": True}}
    draw, texts = np.random.default_rng(1), [f"{text} {text}" for text in TEXTS[:40]]
    answers = predict(classifier, texts)
    bare = table(answers, LABELS)
    # Every other answer is right, and chance makes the rest.
    right = [a["label"] if n % 2 else draw.choice(LABELS) for n, a in enumerate(answers)]
    lines = map("\t".join, zip(texts, right, strict=True))
    (tmp_path / "long.tsv").write_text("\n".join(lines) + "\n")
    calibrate(classifier, str(tmp_path / "long.tsv"))
    best = least(lambda t: log_loss(right, shares_at(t, bare), labels=list(LABELS)))
    assert classifier.decision.temperature == pytest.approx(best, rel=1e-4)


@pytest.mark.system
def test_finetuning_a_calibrated_model_drops_what_was_fitted_and_says_so(
    classifier, rows, tmp_path, caplog
):
    classifier.decision = Decision(2.0)
    bert_keras.save(classifier, tmp_path / "calibrated")
    config = FinetuneConfig(
        data=TaskDataConfig(max_seq_length=16),
        optimizer=FinetuneOptimizerConfig(),
        train=FinetuneTrainConfig(steps=1, batch_size=4),
    )
    with caplog.at_level(logging.WARNING):
        path = finetune(config, tmp_path / "run", tmp_path / "calibrated", str(rows / "one.tsv"))
    assert "which training changes: it is dropped" in caplog.text
    assert load(path).decision == Decision()
    assert "bert_keras_decision" not in (path / "config.json").read_text()


def test_a_settings_file_of_a_task_has_no_decision():
    for kind in bert_keras.tasks.registry.TASKS.values():
        assert "decision" not in kind.recipe_keys()


def test_equal_decisions_make_equal_answers(classifier):
    bare = predict(classifier, TEXTS[:3])
    classifier.decision = replace(classifier.decision, temperature=1.0)
    assert predict(classifier, TEXTS[:3]) == bare
