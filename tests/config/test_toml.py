import shlex
import tomllib
from dataclasses import replace

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


def test_what_a_recipe_leaves_out_has_its_default(recipe):
    steps = PretrainConfig().train.steps
    assert load_toml(PretrainConfig, recipe(f"[train]\nsteps = {steps}")) == PretrainConfig()


@pytest.mark.parametrize("text", ["", "\n", "# steps = 5\n", "[train]\n[model]\n"])
@pytest.mark.parametrize("overrides", [[], ["train.steps=5"]])
def test_a_recipe_without_any_key_is_refused_and_named(recipe, text, overrides):
    """A file that was cut to nothing would train BERT-base for a million steps."""
    with pytest.raises(InputError, match="sets nothing; write at least one key into it") as error:
        load_toml(PretrainConfig, recipe(text), overrides)
    assert str(error.value).startswith(f"{recipe(text)} sets")
    assert "\n" not in str(error.value)


def test_an_error_names_the_file_and_the_settings_it_may_come_from(recipe):
    path = recipe("[data]\nmax_predictioNs_per_seq = 5")
    with pytest.raises(InputError) as error:
        load_toml(PretrainConfig, path)
    assert str(error.value).startswith(f"{path}: unknown key data.max_predictioNs_per_seq; did")
    path = recipe("[train]\nsteps = 5")
    with pytest.raises(InputError) as error:
        load_toml(PretrainConfig, path, ["train.seed=1", "train.stepz=7"])
    assert str(error.value).startswith(
        f"{path} --set train.seed=1 --set train.stepz=7: unknown key train.stepz; did"
    )


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
        ("[train]\njit_compile = 1", [], 'train.jit_compile must be true, false or "auto"'),
        ("[train]\njit_compile = 'xla'", [], 'train.jit_compile must be true, false or "auto"'),
        ("[train]\nrematerialize = 1", [], "train.rematerialize must be true or false"),
        ("[model]\npreset = 1.5", [], "model.preset must be a string"),
        ("train = 5", [], "train must be a table"),
        ("[data]\nphases = 5", [], "data.phases must be an array"),
        ("[data]\nphases = [{until = 0.5}]", [], "data.phases.max_seq_length is missing"),
        ("[train]\nsteps = 5", ["train.steps"], "--set takes table.key=value"),
        ("[train]\nsteps = 5", ["=5"], "--set takes table.key=value"),
        ("[train]\nsteps = 5", ["train.stepz=5"], "did you mean 'steps'"),
        ("[train]\nsteps = 5", ["train=5"], "train must be a table"),
        ("[train", [], "is not valid TOML"),
        ("[data]\ncorpus = ''", [], "data.corpus is an empty name; leave the key out"),
        ("[model]\ninit = ' '", [], "model.init is an empty name; leave the key out"),
        ("[train]\nsteps = 5", ["data.corpus="], "data.corpus is an empty name; leave the key out"),
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
        command = f"# bert-keras pretrain configs/pretrain/{path.name} "
        assert command in first or first.startswith("# bert-keras quickstart\n"), path
        assert "easured" in first, path


def test_the_base_recipes_are_the_papers_and_go_together(repository):
    folder = repository / "configs" / "pretrain"
    short, long = (load_toml(PretrainConfig, folder / f"base-{n}.toml") for n in (128, 512))
    paper = PretrainConfig()  # as tests/config/test_run.py holds
    assert (short.train.steps, long.train.steps) == (900_000, 100_000)
    assert short.train.batch_size == long.train.batch_size == paper.train.batch_size
    assert round(short.optimizer.warmup_ratio * short.train.steps) == 10_000
    assert replace(short.optimizer, warmup_ratio=0.01) == paper.optimizer
    assert replace(short.data, eval_fraction=0.05) == paper.data
    assert replace(long.data, max_seq_length=128, max_predictions_per_seq=20) == short.data
    assert (long.data.max_seq_length, long.data.max_predictions_per_seq) == (512, 77)
    assert long.model == short.model  # or --init would refuse
    published = replace(paper.model.bert_config(30_522), hidden_act="gelu_new")
    assert short.model.bert_config(30_522) == published
    # The original's rate at step 900,000 + s of 1,000,000 is the second recipe's at step s.
    rate, steps = paper.optimizer.learning_rate, paper.train.steps
    assert rate * (1 - 900_000 / steps) == pytest.approx(long.optimizer.learning_rate)
    assert long.optimizer.warmup_ratio == 0


def test_the_overrides_that_base_128_names_make_one_run_of_the_papers_schedule(repository):
    folder = repository / "configs" / "pretrain"
    comment = (folder / "base-128.toml").read_text().split("\n\n")[0].replace("\n#", "\n")
    command = shlex.split(comment[comment.index("bert-keras pretrain configs/pretrain/base-512") :])
    overrides = [command[k + 1] for k, word in enumerate(command) if word == "--set"]
    config = load_toml(PretrainConfig, folder / "base-512.toml", overrides)
    assert config.optimizer == PretrainConfig().optimizer
    assert (config.train.steps, config.data.max_seq_length) == (1_000_000, 512)
    (phase,) = config.data.phases
    assert (phase.until, phase.max_seq_length, phase.max_predictions_per_seq) == (0.9, 128, 20)


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\nsteps = 7\n", encoding="utf-8-sig")
    assert load_toml(PretrainConfig, path).train.steps == 7


def test_the_quickstart_has_no_sentence_task_before_64_tokens(repository):
    path = repository / "configs" / "pretrain" / "tiny-quickstart.toml"
    phases = [data for data, _, _ in load_toml(PretrainConfig, path).phases()]
    tasks = {data.max_seq_length: data.next_sentence for data in phases}
    assert tasks == {10: "none", 16: "none", 32: "none", 64: "nsp"}
