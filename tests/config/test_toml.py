import tomllib

import pytest

from bert_keras.config import PretrainConfig, dump_toml, load_toml
from bert_keras.errors import InputError


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


def test_an_empty_recipe_is_all_defaults(recipe):
    assert load_toml(PretrainConfig, recipe("")) == PretrainConfig()


def test_what_is_dumped_loads_as_the_same_config(recipe):
    config = load_toml(
        PretrainConfig,
        recipe(
            """
            [model]
            preset = "tiny"
            hidden_dropout_prob = 0
            [data]
            phases = [{until = 0.5, max_seq_length = 16, max_predictions_per_seq = 3}]
            """
        ),
    )
    text = dump_toml(config)
    assert tomllib.loads(text)["data"]["phases"][0]["max_seq_length"] == 16
    assert load_toml(PretrainConfig, recipe(text)) == config


def test_overrides_win_and_are_typed_as_toml(recipe):
    config = load_toml(
        PretrainConfig,
        recipe("[train]\nsteps = 5"),
        ["train.steps=200", "optimizer.learning_rate = 1e-3", "model.preset=tiny"],
    )
    assert config.train.steps == 200
    assert config.optimizer.learning_rate == 1e-3
    assert config.model.preset == "tiny"


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("[train]\nstep = 5", [], "unknown key train.step; did you mean 'steps'"),
        ("[trian]\nsteps = 5", [], "unknown key trian; did you mean 'train'"),
        ("[train]\nsteps = 5.5", [], "train.steps must be a whole number"),
        ("[train]\nsteps = '5'", [], "train.steps must be a whole number"),
        ("[train]\njit_compile = 1", [], "train.jit_compile must be true or false"),
        ("[model]\npreset = 1", [], "model.preset must be a string"),
        ("train = 5", [], "train must be a table"),
        ("[data]\nphases = 5", [], "data.phases must be an array"),
        ("[data]\nphases = [{until = 0.5}]", [], "data.phases.max_seq_length is missing"),
        ("", ["train.steps"], "--set takes table.key=value"),
        ("", ["=5"], "--set takes table.key=value"),
        ("", ["train.stepz=5"], "did you mean 'steps'"),
        ("", ["train=5"], "train must be a table"),
        ("[train", [], "is not valid TOML"),
    ],
)
def test_mistakes_are_one_line_that_says_what_is_wrong(recipe, text, overrides, message):
    with pytest.raises(InputError, match=message) as error:
        load_toml(PretrainConfig, recipe(text), overrides)
    assert "\n" not in str(error.value)


def test_every_shipped_recipe_loads_and_opens_with_its_command(repository):
    recipes = sorted((repository / "configs" / "pretrain").glob("*.toml"))
    assert recipes
    for path in recipes:
        load_toml(PretrainConfig, path)
        first = path.read_text().split("\n\n")[0]
        assert first.startswith("# bert-keras "), path
        assert "easured" in first, path
