"""Long texts in classification: the part that is read, and windows."""

import random

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras.config import (
    FinetuneConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
)
from bert_keras.errors import InputError
from bert_keras.objectives import TrainStep
from bert_keras.optimizers import AdamW
from bert_keras.tasks import Classification, Regression, evaluate, finetune, predict
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.summary import summarize
from bert_keras.training import read_metrics

LABELS = ("bad", "good")


def example(text, label=None, pair=None):
    return TextExample(text, pair, label, "train.tsv, row 1")


@pytest.fixture
def classifier(encoder_path):
    def make(packed=False, **settings):
        task = Classification(labels=LABELS, max_seq_length=10, **settings)
        return task.open_model(encoder_path, packed=packed), task

    return make


def texts(tokenizer, lengths):
    """Texts of as many tokens, one a letter, no two alike."""
    draw = random.Random(0)
    return [" ".join(draw.choices("abcdefgh", k=length)) for length in lengths]


def test_windows_hold_every_token_and_overlap_by_a_quarter(tokenizer):
    (text,) = texts(tokenizer, [23])
    task = Classification(labels=LABELS, max_seq_length=10, windows=True)
    (feature,) = task.features([example(text, "good")], tokenizer)
    windows = [tokenizer.decode(window.input_ids).split() for window in feature.windows()]
    letters = text.split()
    assert windows == [letters[0:8], letters[6:14], letters[12:20], letters[18:23]]
    assert all(window.input_ids[0] == tokenizer.cls_id for window in feature.windows())
    assert all(window.input_ids[-1] == tokenizer.sep_id for window in feature.windows())
    assert feature.targets == {"labels": 1}
    assert feature.left_out == 0


def test_no_more_windows_than_allowed_are_read_and_the_rest_is_counted(tokenizer):
    (text,) = texts(tokenizer, [23])
    task = Classification(labels=LABELS, max_seq_length=10, windows=True, max_windows=2)
    (feature,) = task.features([example(text)], tokenizer)
    assert len(feature.windows()) == 2
    assert feature.left_out == 23 - 14


@pytest.mark.parametrize("packed", [pytest.param(False, marks=pytest.mark.system), True])
def test_an_answer_is_the_softmax_of_the_mean_logits_of_the_windows(classifier, packed):
    model, task = classifier(packed, windows=True)
    some = texts(model.tokenizer, [3, 23, 0, 9, 40, 8])
    answers = predict(model, some)
    for text, answer in zip(some, answers, strict=True):
        (feature,) = task.features([example(text)], model.tokenizer)
        logits = [
            model({"input_ids": tf.constant([window.input_ids])})["logits"][0]
            for window in feature.windows()
        ]
        expected = tf.nn.softmax(np.mean(logits, axis=0)).numpy()
        np.testing.assert_allclose(list(answer["scores"].values()), expected, atol=1e-6)


def test_one_model_answers_with_and_without_windows(classifier):
    model, _ = classifier(windows=True)
    some = texts(model.tokenizer, [3, 23])
    first = predict(model, some, windows=False)
    windows = predict(model, some)
    assert predict(model, some, windows=False) == first
    assert windows[1]["scores"] != first[1]["scores"]
    assert predict(classifier(windows=True)[0], some) == windows


def test_the_loss_of_windows_is_that_of_their_mean_logits(classifier, tmp_path):
    model, _ = classifier(True, windows=True)
    some = texts(model.tokenizer, [23, 3, 40])
    path = tmp_path / "dev.tsv"
    path.write_text("".join(f"{text}\tgood\n" for text in some))
    scores = [answer["scores"]["good"] for answer in predict(model, some)]
    loss = evaluate(model, str(path), batch_size=2).metrics["classification_loss"]
    assert loss == pytest.approx(-np.log(scores).mean(), rel=1e-5)


@pytest.mark.system
@pytest.mark.parametrize("settings", [{"accumulation_steps": 2}, {"jit_compile": True}])
def test_a_step_on_windows_is_the_same_however_it_is_computed(classifier, settings):
    def losses(packed, length, **settings):
        model, task = classifier(packed, windows=True)
        rows = texts(model.tokenizer, [3, 23, 9, 40])
        examples = [example(text, LABELS[n % 2]) for n, text in enumerate(rows)]
        features = task.features(examples, model.tokenizer)
        batches = task.batches(features, model.tokenizer, 4, length=length)
        optimizer = AdamW(1e-3)
        optimizer.build(model.trainable_variables)
        step = TrainStep(
            tf.distribute.get_strategy(),
            model,
            optimizer,
            model.objective,
            FinetuneTrainConfig(**settings),
        )
        means = [step(batch) for batch in batches.take(3)]
        return [float(mean["classification_loss"].value()) for mean in means]

    plain = losses(True, None)
    assert losses("jit_compile" not in settings, 10, **settings) == pytest.approx(plain, rel=1e-4)
    assert plain[2] < plain[0]


@pytest.mark.system
def test_what_stands_at_the_end_of_a_long_text_is_learned_by_tail_and_windows_alone(
    encoder_path, tmp_path
):
    draw = random.Random(0)
    for name, count in (("train", 128), ("dev", 32)):
        rows = []
        for _ in range(count):
            label = draw.choice(["good", "bad"])
            filler = " ".join(draw.choices(["indeed", "once more", "by the way"], k=8))
            rows.append(f"{filler} {'lovely' if label == 'good' else 'dull'}\t{label}")
        (tmp_path / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    accuracy = {}
    for name, data in {
        "head": {},
        "tail": {"truncation": "tail"},
        "windows": {"windows": True},
    }.items():
        train, dev = (str(tmp_path / f"{side}.tsv") for side in ("train", "dev"))
        said = []
        config = FinetuneConfig(
            data=TaskDataConfig(max_seq_length=16, **data),
            optimizer=FinetuneOptimizerConfig(learning_rate=5e-3),
            train=FinetuneTrainConfig(epochs=24, batch_size=16),
        )
        directory = finetune(config, tmp_path / name, encoder_path, train, dev, on_data=said.append)
        assert ("not read" in said[0]) == (name != "windows")
        assert ("several windows" in said[0]) == (name == "windows")
        model = bert_keras.load(directory)
        accuracy[name] = evaluate(model, dev).metrics["accuracy"]
        lines = read_metrics(tmp_path / name)
        best = max(line["accuracy"] for line in lines if line["split"] == "eval")
        assert accuracy[name] == pytest.approx(best)  # the model remembers how it read
    assert accuracy["head"] < 0.8
    assert min(accuracy["tail"], accuracy["windows"]) > 0.9


def test_windows_and_truncation_are_not_both_asked_for():
    with pytest.raises(InputError, match="choose one"):
        Regression(windows=True, truncation="tail")


def test_the_summary_counts_the_texts_that_are_cut_and_the_tokens_not_read(tokenizer):
    task = Classification(labels=LABELS, max_seq_length=10)
    examples = [example(text, "good") for text in texts(tokenizer, [3, 28, 9])]
    said = summarize(task, examples, [], task.features(examples, tokenizer))
    assert "2 of 3 texts are too long: 52.5% of all tokens are not read" in said
    assert "max_seq_length = 10, truncation = 'head'" in said


def test_predict_says_how_much_of_long_texts_it_does_not_read(classifier, caplog):
    model, _ = classifier()
    with caplog.at_level("INFO", "bert_keras"):
        predict(model, texts(model.tokenizer, [3, 28]))
    assert "1 of 2 texts are too long" in caplog.text


@pytest.mark.parametrize("kind", ["texts", "pairs"])
def test_a_model_reads_what_it_was_trained_on(tokenizer, kind):
    pair = {"texts": None, "pairs": "cold tea"}
    read = [example("warm tea", "good", pair[kind])]
    task = Classification(labels=LABELS, max_seq_length=10).adapted_to(read)
    assert len(task.features(read, tokenizer)) == 1
    (other,) = {"texts", "pairs"} - {kind}
    with pytest.raises(InputError, match=r"train.tsv, row 1 is a .*, and the model was trained on"):
        task.features([*read, example("warm tea", "good", pair[other])], tokenizer)
    both = task.adapted_to([*read, example("warm tea", "good", pair[other])])
    assert len(both.features(read, tokenizer)) == 1
