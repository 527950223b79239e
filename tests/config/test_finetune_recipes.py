import pytest

from bert_keras.config import FinetuneConfig, TaskDataConfig, load_toml
from bert_keras.errors import InputError

NAMES = ["sst2", "mrpc", "wnut16", "squad", "chnsenticorp", "domain-mlm"]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_valid_and_opens_with_its_command(name, repository):
    path = repository / "configs" / "finetune" / f"{name}.toml"
    load_toml(FinetuneConfig, path)
    first, *_ = path.read_text().splitlines()
    assert first.startswith(f"# bert-keras finetune configs/finetune/{name}.toml --model MODEL")


def test_steps_follow_from_epochs_unless_they_are_set():
    train = FinetuneConfig().train
    resolved = train.resolved(sequences=1000)
    assert (resolved.steps, resolved.eval_every_steps) == (94, 31)
    assert resolved.resolved(sequences=1000) == resolved


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.task=clasification", "did you mean 'classification'"),
        ("train.class_weights=even", "train.class_weights cannot be 'even'"),
        ("optimizer.layer_decay=0", "optimizer.layer_decay must lie in"),
        ("train.epochs=0", "train.epochs must be a number above 0"),
        ("train.epochs=inf", "train.epochs must be a number above 0"),
        ("data.dev_fraction=1.0", r"data.dev_fraction must lie in \[0, 1\)"),
        ("model.frozen_layers=-1", "model.frozen_layers must be at least 0"),
    ],
)
def test_an_impossible_value_is_said_with_its_key(setting, message, repository):
    with pytest.raises(InputError, match=message):
        load_toml(FinetuneConfig, repository / "configs" / "finetune" / "sst2.toml", [setting])


def test_columns_and_labels_may_be_numbers(tmp_path):
    (tmp_path / "a.toml").write_text("[data]\nlabel_column = 1\nlabels = [0, 1]\n")
    data = load_toml(FinetuneConfig, tmp_path / "a.toml", ["data.text_column=2"]).data
    assert (data.text_column, data.label_column, data.labels) == ("2", "1", ("0", "1"))


@pytest.mark.parametrize("task", ["multi_label", "regression", "tagging", "span", "masked_lm"])
def test_a_share_of_each_label_is_held_out_in_classification_alone(task):
    with pytest.raises(InputError, match=r"data.stratify is for data.task = 'classification'"):
        TaskDataConfig(task=task, stratify=True)


def test_names_and_columns_of_labels_are_the_same():
    data = {"task": "multi_label", "label_columns": ("a", "b")}
    assert TaskDataConfig(**data, labels=("b", "a")).labels == ("b", "a")
    with pytest.raises(InputError, match="must have the same names where both are given"):
        TaskDataConfig(**data, labels=("a", "c"))
