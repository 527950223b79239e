import json

import pytest

import bert_keras
from bert_keras.config import FinetuneConfig, SavedModelConfig, TaskDataConfig, load_toml
from bert_keras.errors import InputError
from bert_keras.export.answers import answers_of
from bert_keras.tasks import (
    Classification,
    MaskedLM,
    MultiLabel,
    MultipleChoice,
    Regression,
    Span,
    Tagging,
    task_of,
)
from bert_keras.tasks.registry import TASKS, make_task

RECIPES = ["sst2", "mrpc", "wnut16", "squad", "chnsenticorp", "domain-mlm", "swag"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_data_of_a_shipped_recipe_are_a_tasks(name, repository):
    data = load_toml(FinetuneConfig, repository / "configs" / "finetune" / f"{name}.toml").data
    task = make_task(data)
    assert task.name == data.task
    assert {key: getattr(task, key) for key in data.settings} == data.settings


@pytest.mark.parametrize("name", list(TASKS))
def test_a_recipe_has_the_defaults_of_python(name):
    assert make_task(TaskDataConfig(task=name)) == TASKS[name]()
    task = make_task(TaskDataConfig(task=name, max_seq_length=77))
    assert (task.name, task.max_seq_length) == (name, 77)


def test_a_span_task_reads_384_tokens_from_a_recipe_as_from_python():
    assert make_task(TaskDataConfig(task="span")).max_seq_length == 384


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"task": "regression", "doc_stride": 5}, "data.doc_stride is for data.task = 'span'"),
        ({"task": "span", "doc_strid": 5}, "unknown key data.doc_strid; did you mean 'doc_stride'"),
        ({"task": "span", "settings": {"n_best": 5}}, "unknown key data.n_best"),
        ({"windows": 1}, "data.windows must be true or false"),
        ({"labels": "a"}, "data.labels must be an array"),
        ({"max_seq_length": 4}, "data.max_seq_length must be at least 5"),
        ({"truncation": "heads"}, "data.truncation cannot be 'heads'"),
        ({"task": "tagging", "tag_scheme": "IOB3"}, "data.tag_scheme cannot be 'IOB3'"),
        ({"task": "masked_lm", "masking_rate": 1.0}, r"data.masking_rate must lie in \[0, 1\)"),
        ({"task": "masked_lm", "windows": True}, "data.windows is for"),
        ({"labels": ["a", "a"]}, "data.labels must be different names"),
    ],
)
def test_a_wrong_key_or_value_of_a_task_is_said_with_its_name(data, message):
    with pytest.raises(InputError, match=message):
        make_task(TaskDataConfig(**data))


def test_columns_and_labels_may_be_numbers():
    data = {"label_column": 1, "text_column": 2, "labels": [0, 1]}
    task = make_task(TaskDataConfig(**data))
    assert (task.text_column, task.label_column, task.labels) == ("2", "1", ("0", "1"))


@pytest.mark.parametrize("task", ["multi_label", "regression", "tagging", "span", "masked_lm"])
def test_a_share_of_each_label_is_held_out_in_classification_alone(task):
    with pytest.raises(InputError, match=r"data.stratify is for data.task = 'classification'"):
        make_task(TaskDataConfig(task=task, stratify=True))


def test_names_and_columns_of_labels_are_the_same():
    data = {"task": "multi_label", "label_columns": ("a", "b")}
    assert make_task(TaskDataConfig(**data, labels=("b", "a"))).labels == ("b", "a")
    with pytest.raises(InputError, match="must have the same names where both are given"):
        make_task(TaskDataConfig(**data, labels=("a", "c")))


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
        ("BertForMultipleChoice", {}, MultipleChoice),
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
    labels = () if kind in (Span, MaskedLM, MultipleChoice) else ("no", "yes")
    trained = kind(max_seq_length=24, labels=labels)
    bert_keras.save(trained.open_model(encoder_path), tmp_path / "model")
    reopened = bert_keras.load(tmp_path / "model")
    assert task_of(reopened).max_seq_length == 24
    assert task_of(reopened, max_seq_length=30).max_seq_length == 30


def test_length_of_a_model_from_elsewhere_is_the_tokenizers(encoder_path, tmp_path):
    """``model_max_length`` in tokenizer_config.json, as transformers cuts with truncation=True."""
    model = bert_keras.load(encoder_path, bert_keras.BertForSequenceClassification)
    bert_keras.save(model, tmp_path / "model")
    file = tmp_path / "model" / "tokenizer_config.json"
    config = json.loads(file.read_text())
    assert config["model_max_length"] == 64  # the positions, where nothing else was said
    file.write_text(json.dumps(config | {"model_max_length": 20}))
    reopened = bert_keras.load(tmp_path / "model")
    assert task_of(reopened).max_seq_length == 20
    assert task_of(reopened, max_seq_length=30).max_seq_length == 30
    assert answers_of(reopened, SavedModelConfig())[1].max_length == 20


@pytest.mark.parametrize("damaged", [{"doc_stride": "7"}, {"doc_stride": 7.5}, {"x": 1}, [7]])
def test_damaged_settings_of_a_model_are_refused(damaged, encoder_path):
    model = bert_keras.load(encoder_path, bert_keras.BertForQuestionAnswering)
    model.other_config["span_task"] = damaged
    with pytest.raises(InputError, match="span_task is damaged"):
        task_of(model)
