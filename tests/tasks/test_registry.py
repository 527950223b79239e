import pytest

import bert_keras
from bert_keras.config import TaskDataConfig
from bert_keras.config.finetune import TASKS as NAMES
from bert_keras.errors import InputError
from bert_keras.tasks import (
    Classification,
    MaskedLM,
    MultiLabel,
    Regression,
    Span,
    Tagging,
    task_of,
)
from bert_keras.tasks.registry import TASKS, make_task


@pytest.mark.parametrize("name", NAMES)
def test_every_task_that_a_recipe_may_name_is_there(name):
    task = make_task(TaskDataConfig(task=name, max_seq_length=77))
    assert (task.name, task.max_seq_length) == (name, 77)


@pytest.mark.parametrize(
    ("model_class", "arguments", "task"),
    [
        ("BertForSequenceClassification", {"labels": ["a", "b"]}, Classification),
        (
            "BertForSequenceClassification",
            {"labels": ["a", "b"], "problem_type": "multi_label_classification"},
            MultiLabel,
        ),
        ("BertForSequenceClassification", {"labels": 1}, Regression),
        ("BertForTokenClassification", {"labels": ["O", "B-a", "I-a"]}, Tagging),
        ("BertForQuestionAnswering", {}, Span),
        ("BertForMaskedLM", {}, MaskedLM),
        ("BertForPreTraining", {}, MaskedLM),
    ],
)
def test_a_model_knows_its_task(model_class, arguments, task, encoder_path):
    model = bert_keras.load(encoder_path, getattr(bert_keras, model_class), **arguments)
    found = task_of(model)
    assert type(found) is task
    assert found.max_seq_length == 64
    if isinstance(arguments.get("labels"), list):
        assert found.labels == tuple(arguments["labels"])


def test_an_encoder_has_no_task_and_is_told_how_to_get_one(encoder_path):
    with pytest.raises(InputError, match="bert-keras finetune"):
        task_of(bert_keras.load(encoder_path))


def test_a_setting_that_the_task_lacks_is_named(encoder_path):
    model = bert_keras.load(encoder_path, bert_keras.BertForQuestionAnswering)
    with pytest.raises(InputError, match="span has no text_column"):
        task_of(model, text_column="x")


def test_a_length_beyond_the_position_table_is_refused(encoder_path):
    model = bert_keras.load(encoder_path, bert_keras.BertForMaskedLM)
    assert task_of(model, max_seq_length=64).max_seq_length == 64
    with pytest.raises(InputError, match="is 65, but the model reads 64 tokens at most"):
        task_of(model, max_seq_length=65)


def test_a_span_model_answers_with_the_windows_it_was_trained_on(encoder_path, tmp_path):
    model = bert_keras.load(encoder_path, bert_keras.BertForQuestionAnswering)
    trained = Span(max_seq_length=40, doc_stride=7, max_answer_length=5, no_answer_threshold=1.5)
    model.other_config |= trained.remembered()
    bert_keras.save(model, tmp_path / "model")
    assert task_of(bert_keras.load(tmp_path / "model")) == trained
    assert task_of(bert_keras.load(tmp_path / "model"), doc_stride=9).doc_stride == 9


@pytest.mark.parametrize("kind", TASKS.values(), ids=list(TASKS))
def test_every_model_remembers_the_length_it_was_trained_at(kind, encoder_path, tmp_path):
    labels = () if kind in (Span, MaskedLM) else ("no", "yes")
    trained = kind(max_seq_length=24, labels=labels)
    bert_keras.save(trained.open_model(encoder_path), tmp_path / "model")
    reopened = bert_keras.load(tmp_path / "model")
    assert task_of(reopened).max_seq_length == 24
    assert task_of(reopened, max_seq_length=30).max_seq_length == 30


@pytest.mark.parametrize("damaged", [{"doc_stride": "7"}, {"doc_stride": 7.5}, {"x": 1}, [7]])
def test_damaged_settings_of_a_model_are_refused(damaged, encoder_path):
    model = bert_keras.load(encoder_path, bert_keras.BertForQuestionAnswering)
    model.other_config["span_task"] = damaged
    with pytest.raises(InputError, match="span_task is damaged"):
        task_of(model)
