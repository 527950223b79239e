import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

import bert_keras
from bert_keras.config import FinetuneModelConfig
from bert_keras.errors import InputError
from bert_keras.modeling import BertForMultipleChoice
from bert_keras.saving import load
from bert_keras.tasks import Classification, MultipleChoice, evaluate, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.evaluate import answer_rows
from bert_keras.tasks.start import start_model
from bert_keras.tasks.summary import long_texts, summarize
from tests.tasks.recipes import recipe

CONTEXT, START = "a film", "it is"


@pytest.fixture(scope="module")
def model(encoder_path):
    return load(encoder_path, BertForMultipleChoice)


def example(*choices, context=CONTEXT, start=START, label=None):
    made = MultipleChoice().with_choices(MultipleChoice().from_text(context, start), choices)
    return replace(made, label=label)


def pieces(tokenizer, ids):
    return [tokenizer.vocab[number] for number in ids]


def test_a_choice_is_a_pair_of_context_and_start_with_the_choice(tokenizer):
    (feature,) = MultipleChoice().features([example("fun", "no fun")], tokenizer)
    for window, choice in zip(feature.windows(), ("fun", "no fun"), strict=True):
        expected = tokenizer.encode(CONTEXT, f"{START} {choice}")
        assert window.input_ids == list(expected.input_ids)
        assert window.token_type_ids == list(expected.token_type_ids)
    (plain,) = MultipleChoice().features([example("fun", "joy", start="")], tokenizer)
    assert plain.windows()[1].input_ids == list(tokenizer.encode(CONTEXT, "joy").input_ids)


def test_a_batch_masks_the_choices_that_an_example_does_not_have(tokenizer):
    examples = [example("fun", "joy", "a pain", label=2), example("fun", "a joy", label=0)]
    features = MultipleChoice().features(examples, tokenizer)
    batch = collate(features, tokenizer.pad_id)
    assert batch["input_ids"].shape[:2] == (2, 3)
    assert batch["attention_mask"].any(axis=2).tolist() == [[True] * 3, [True, True, False]]
    assert batch["labels"].tolist() == [2, 0]


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_long_pairs_are_cut_as_other_pairs_are(tokenizer, truncation):
    long = "a b c d e f g h i j k l m n o p"
    task = MultipleChoice(max_seq_length=12, truncation=truncation)
    (feature,) = task.features([example(long, "a", context=long)], tokenizer)
    expected = [
        tokenizer.encode_batch([long], [f"{START} {choice}"], 12, truncation)[0]
        for choice in (long, "a")
    ]
    assert [w.input_ids for w in feature.windows()] == [list(e.input_ids) for e in expected]
    assert feature.left_out == sum(e.left_out for e in expected) > 0
    assert long_texts(task, [feature]).startswith("1 of 1 texts are too long")
    assert "windows" not in long_texts(task, [feature])


def test_answers_are_the_softmax_over_an_examples_own_choices(model, tokenizer):
    examples = [example("fun", "joy", "a pain"), example("dull", "work")]
    task = MultipleChoice(max_seq_length=32)
    answers = bert_keras.tasks.answer(model, task, examples)
    for each, answer in zip(examples, answers, strict=True):
        logits = []
        for choice in each.choices:
            encoding = tokenizer.encode(each.context, f"{each.start} {choice}")
            batch = {
                "input_ids": np.array([[encoding.input_ids]]),
                "token_type_ids": np.array([[encoding.token_type_ids]]),
            }
            logits.append(model(batch)["logits"].numpy().item())
        np.testing.assert_allclose(answer["scores"], softmax(logits), atol=1e-5)
        assert answer["choice"] == int(np.argmax(logits))
        assert answer["text"] == each.choices[answer["choice"]]
        assert answer["score"] == max(answer["scores"])
    json.dumps(answers)  # plain Python values


def test_predict_takes_one_text_or_several_with_their_choices(model):
    one = predict(model, CONTEXT, START, choices=["fun", "a pain"])
    several = predict(
        model,
        [CONTEXT, "a joy"],
        [START, ""],
        choices=[["fun", "a pain"], ["a film", "work", "no"]],
    )
    np.testing.assert_allclose(several[0]["scores"], one[0]["scores"], atol=1e-5)
    assert [len(answer["scores"]) for answer in several] == [2, 3]


@pytest.mark.parametrize(
    ("texts", "choices", "message"),
    [
        (CONTEXT, None, r"needs two choices or more: predict\(model, texts, choices="),
        (CONTEXT, ["fun"], "Received: 1"),
        (CONTEXT, "fun", r"choices\[0\] is not a list of texts. Received: 'fun'"),
        ([CONTEXT], ["fun", "joy"], r"choices\[0\] is not a list of texts. Received: 'fun'"),
        ([CONTEXT], [["fun", 5]], r"choices\[0\] is not a list of texts"),
        ([CONTEXT, "b"], [["fun", "joy"]], "2 texts need as many lists of choices. Received: 1"),
    ],
)
def test_choices_of_another_form_are_refused(model, texts, choices, message):
    with pytest.raises(InputError, match=message):
        predict(model, texts, choices=choices)


def test_choices_for_a_model_of_another_task_are_refused(encoder_path):
    model = load(encoder_path, bert_keras.BertForSequenceClassification, labels=2)
    with pytest.raises(InputError, match=r"choices .* are for a model of multiple choice"):
        predict(model, CONTEXT, choices=["fun", "joy"])
    with pytest.raises(InputError, match="classification has no ignore_columns"):
        predict(model, CONTEXT, ignore_columns=("x",))


@pytest.mark.parametrize(
    "bad", [example("a", "b", context=" "), example("a", "", start="it is"), example("", "b")]
)
def test_a_row_with_an_empty_text_has_no_answer(model, bad, caplog):
    answers = answer_rows(model, MultipleChoice(max_seq_length=32), [example("a", "b"), bad])
    assert answers[0] is not None
    assert answers[1] is None
    assert "the text is empty; its answer is null" in caplog.text


def test_a_row_without_a_label_is_refused_where_it_is_scored():
    with pytest.raises(InputError, match="the text has no label, which training and scoring need"):
        MultipleChoice().labels_of([example("a", "b")])


def test_evaluate_gives_loss_accuracy_and_the_mistakes(model, tmp_path):
    rows = [
        {"context": "a film", "choices": ["fun", "joy"], "label": 0},
        {"context": "a film", "choices": ["joy", "fun"], "label": 1},
        {"context": "a film", "choices": ["fun", "joy"], "label": 1},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = evaluate(model, str(tmp_path / "a.jsonl"), batch_size=2)
    answers, labels = result.predictions, [row["label"] for row in rows]
    right = sum(a["choice"] == label for a, label in zip(answers, labels, strict=True))
    assert right in (1, 2)  # the same choice thrice
    assert result.metrics["accuracy"] == pytest.approx(right / 3)
    losses = [-np.log(a["scores"][label]) for a, label in zip(answers, labels, strict=True)]
    assert result.metrics["choice_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert len(result.mistakes) == 3 - right
    assert result.mistakes[0].text == "a film"
    assert all(m.expected[3:] != m.predicted[3:] for m in result.mistakes)
    assert {m.expected for m in result.mistakes} <= {"0: fun", "1: fun", "1: joy"}


def test_a_recipe_sets_the_dropout_of_its_head(encoder_path):
    config = recipe({"init": str(encoder_path), "classifier_dropout": 0.3})
    assert isinstance(config.model, FinetuneModelConfig)
    model = start_model(config, MultipleChoice(max_seq_length=32))
    assert model.classifier_dropout == 0.3


def test_the_summary_counts_examples_and_sequences(tokenizer):
    task = MultipleChoice()
    examples = [example("fun", "joy", "a pain", label=2), example("fun", "a joy", label=0)]
    text = summarize(task, examples, [], task.features(examples, tokenizer))
    assert "2 examples to learn from" in text
    assert "5 sequences of" in text
    assert "label" not in text


def test_examples_on_one_context_are_held_out_together():
    key = MultipleChoice().key
    assert key(example("a", "b", start="x")) == key(example("c", "d", start="y"))
    assert key(example("a", "b")) != key(example("a", "b", context="c"))


def test_a_truncation_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"data\.truncation"):
        MultipleChoice(truncation="middle")
    assert Classification.reads_choices is False
