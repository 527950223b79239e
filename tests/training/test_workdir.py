from dataclasses import replace

import pytest

from bert_keras.config import CheckpointConfig, PretrainConfig, WatchConfig, load_toml
from bert_keras.errors import InputError
from bert_keras.training.workdir import claim


@pytest.fixture
def begun(tmp_path):
    """A work directory with a checkpoint of the default recipe."""
    claim(tmp_path, PretrainConfig(), "corpus.json", "the data", "corpus")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000001.safetensors").touch()
    return tmp_path


def test_how_a_run_is_kept_and_watched_may_change_when_it_goes_on(begun):
    changed = PretrainConfig(
        checkpoint=CheckpointConfig(every_minutes=10, keep=5),
        watch=WatchConfig(on_divergence="roll_back"),
    )
    claim(begun, changed, "corpus.json", "the data", "corpus")
    assert load_toml(PretrainConfig, begun / "config.toml") == changed


def test_what_it_trains_may_not(begun):
    config = PretrainConfig()
    other = replace(config, train=replace(config.train, seed=1))
    with pytest.raises(InputError, match=r"train.seed = 0 there, 1 here"):
        claim(begun, other, "corpus.json", "the data", "corpus")
    with pytest.raises(InputError, match="other data"):
        claim(begun, config, "corpus.json", "other data", "corpus")
