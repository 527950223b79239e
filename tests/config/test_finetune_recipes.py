import pytest

from bert_keras.config import FinetuneConfig, TaskDataConfig, dump_toml, load_toml
from bert_keras.errors import InputError

NAMES = ["sst2", "mrpc", "wnut16", "squad", "chnsenticorp", "domain-mlm", "swag"]


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
        ("train.class_weights=even", "train.class_weights cannot be 'even'"),
        ("model.classifier_dropout=1.0", r"model.classifier_dropout must lie in \[0, 1\)"),
        ("model.hidden_dropout_prob=1.0", r"model.hidden_dropout_prob must lie in \[0, 1\)"),
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


def test_keys_of_a_task_stay_as_they_stand_and_are_written_beside_those_of_every_task(tmp_path):
    (tmp_path / "a.toml").write_text("[data]\ntask = 'x'\nlabels = [0, 1]\n")
    config = load_toml(FinetuneConfig, tmp_path / "a.toml", ["data.text_column=2"])
    given = {"labels": [0, 1], "text_column": 2}
    assert config.data == TaskDataConfig(task="x", **given)
    assert config.data.settings == given
    (tmp_path / "b.toml").write_text(dump_toml(config))
    assert load_toml(FinetuneConfig, tmp_path / "b.toml") == config


def test_a_table_below_data_is_no_key_of_its_own(tmp_path):
    (tmp_path / "a.toml").write_text("[data.settings]\ndoc_stride = 5\n")
    data = load_toml(FinetuneConfig, tmp_path / "a.toml").data
    assert data.settings == {"settings": {"doc_stride": 5}}
