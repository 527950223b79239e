"""The card of a fine-tuned model: what it says, that it is read, and whose it is."""

import re
from dataclasses import replace

import pytest
import yaml

import bert_keras
from bert_keras.config import load_toml
from bert_keras.errors import InputError
from bert_keras.objectives import (
    InBatchNegatives,
    Matryoshka,
    PairSoftmax,
    SigmoidCrossEntropy,
    SquaredError,
)
from bert_keras.saving.mark import read_mark
from bert_keras.tasks import evaluate, finetune
from bert_keras.tasks.card import CardWriter
from bert_keras.tasks.registry import TASKS
from bert_keras.training import read_metrics
from tests.tasks.recipes import recipe


@pytest.fixture(scope="module")
def work(encoder_path, reviews, tmp_path_factory):
    """The work directory of a short run with dev examples."""
    workdir = tmp_path_factory.mktemp("runs") / "reviews"
    files = (str(reviews / "train.tsv"), str(reviews / "dev.tsv"))
    finetune(recipe(train={"steps": 6, "eval_every_steps": 2}), workdir, encoder_path, *files)
    return workdir


@pytest.fixture(scope="module")
def card(work):
    return (work / "model" / "README.md").read_text(encoding="utf-8")


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def block(card, language):
    return re.search(rf"```{language}\n(.*?)```", card, re.DOTALL)[1]


def test_it_says_what_the_run_did(card, work, reviews, encoder_path):
    mark = read_mark(work)
    (train,) = (line for line in card.splitlines() if line.startswith("| training examples"))
    assert "64, `train.tsv`; as they were read: SHA-256" in train
    assert f"`{mark.data['train']['sha256'][:16]}`" in train
    assert "| dev examples | 40, `dev.tsv`" in card
    weights = mark.base["model.safetensors"][:16]
    assert f"| base model | `encoder`, `model.safetensors` SHA-256 `{weights}` |" in card
    assert "| labels | `bad`, `good` |" in card
    assert "| objective | `SoftmaxCrossEntropy(" in card
    best = int((work / "best_step").read_text())
    assert f"| steps | {best} of 6, of 16 examples each |" in card
    (line,) = (e for e in read_metrics(work) if (e["split"], e["step"]) == ("eval", best))
    assert f"| `accuracy` | {line['accuracy']:.4f} |" in card
    # No place of this machine.
    assert str(work.parent) not in card
    assert str(reviews) not in card
    assert str(encoder_path.parent) not in card


def test_its_scores_are_those_of_the_model_beside_it(card, work, reviews):
    values = front_matter(card)
    assert values["library_name"] == "transformers"
    assert values["pipeline_tag"] == "text-classification"
    assert "base_model" not in values  # a folder has no place on the hub
    (result,) = values["model-index"][0]["results"]
    scores = {metric["type"]: metric["value"] for metric in result["metrics"]}
    measured = evaluate(bert_keras.load(work), str(reviews / "dev.tsv")).metrics
    assert scores["accuracy"] == pytest.approx(measured["accuracy"], abs=1e-6)


def test_its_recipe_is_read_and_is_that_of_the_run(card, work, tmp_path):
    (tmp_path / "recipe.toml").write_text(block(card, "toml"))
    shown = load_toml(bert_keras.FinetuneConfig, tmp_path / "recipe.toml")
    whole = load_toml(bert_keras.FinetuneConfig, work / "config.toml")
    assert (shown.optimizer, shown.train) == (whole.optimizer, whole.train)
    assert shown.data.settings == whole.data.settings
    assert (shown.data.train, shown.model.init) == ("train.tsv", "encoder")


@pytest.mark.parametrize("name", list(TASKS))
def test_its_python_runs_for_every_task(name, encoder_path, work, tmp_path, monkeypatch, capsys):
    task = TASKS[name](max_seq_length=40)
    if task.has_head and name not in ("span", "masked_lm", "multiple_choice", "ranking"):
        task = task.with_labels(["one", "two"] if name != "tagging" else ["O", "B-X"])
    model = task.open_model(encoder_path)
    writer = CardWriter(
        task=task,
        config=recipe(data={"task": name}, train={"steps": 3}, model={"init": "a/b/model@3"}),
        mark=read_mark(work),
        objective=model.objective,
        is_pair=False,
    )
    model.card = writer.card(3, {})
    bert_keras.save(model, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    values = front_matter(card)
    assert "# " + task.title + ": b, fine-tuned" in card  # the run's name
    theirs = ("similarity", "contrastive", "distillation", "ranking")
    assert ("sentence-transformers" in values["tags"]) == (name in theirs)
    assert "## Scores" not in card
    monkeypatch.chdir(tmp_path)
    exec(block(card, "python"), {})  # noqa: S102 - what the card shows
    assert capsys.readouterr().out.strip()


def test_a_teacher_is_named_with_its_hash_and_no_place_of_it_is_told(work, tmp_path):
    teacher = tmp_path / "taught" / "model"
    teacher.mkdir(parents=True)
    mark, data = read_mark(work), {"task": "distillation", "teacher": f"{teacher}@100"}
    mark = replace(mark, data=mark.data | {"teacher": {"config.json": "b", "checkpoint": "a" * 64}})
    writer = CardWriter(
        task=TASKS["distillation"](teacher=data["teacher"]),
        config=recipe(data=data | {"columns": [str(teacher)]}, train={"steps": 3}),
        mark=mark,
        objective=PairSoftmax(classes=3, size=8),
        is_pair=False,
    )
    card = writer.card(3, {})
    assert f"| teacher | `taught`, `checkpoint` SHA-256 `{'a' * 16}` |" in card
    assert 'teacher = "taught"' in card
    assert str(tmp_path) not in card
    assert "`PairSoftmax(classes=3, size=8)`" in card


@pytest.mark.parametrize(
    ("objective", "shown"),
    [
        (SigmoidCrossEntropy("ranking"), "SigmoidCrossEntropy(name='ranking')"),
        (SquaredError("ranking"), "SquaredError(name='ranking')"),
        (
            Matryoshka(InBatchNegatives(0.1), [8, 4]),
            "Matryoshka(objective=InBatchNegatives(temperature=0.1, symmetric=False), "
            "dimensions=(8, 4))",
        ),
    ],
)
def test_an_objective_is_shown_with_its_settings(objective, shown, work):
    task, settings = TASKS["ranking"](), recipe(data={"task": "ranking"}, train={"steps": 3})
    facts = {"task": task, "config": settings, "mark": read_mark(work), "is_pair": True}
    assert f"| objective | `{shown}` |" in CardWriter(objective=objective, **facts).card(3, {})


def test_a_file_whose_name_is_not_ascii_stands_in_the_front_matter_as_it_is(work):
    settings = recipe(data={"task": "ranking", "dev": "dev 😀.tsv"}, train={"steps": 3})
    facts = {"task": TASKS["ranking"](), "config": settings, "mark": read_mark(work)}
    card = CardWriter(objective=SquaredError("x"), is_pair=True, **facts).card(3, {"ndcg@10": 0.5})
    assert front_matter(card)["model-index"][0]["results"][0]["dataset"]["name"] == "dev 😀.tsv"


def test_a_card_that_a_user_wrote_stays(work, encoder_path, reviews):
    file = work / "model" / "README.md"
    before = file.read_bytes()
    try:
        file.write_text("# Mine")
        files = (str(reviews / "train.tsv"), str(reviews / "dev.tsv"))
        settings = recipe(train={"steps": 6, "eval_every_steps": 2})
        finetune(settings, work, encoder_path, *files)  # finished all the same
        assert file.read_text() == "# Mine"
        with pytest.raises(InputError, match=r"README.md is not what bert_keras wrote"):
            bert_keras.save(bert_keras.load(work), work / "model")
        assert file.read_text() == "# Mine"
    finally:
        file.write_bytes(before)


@pytest.mark.system
def test_the_same_run_elsewhere_writes_the_same_card(card, encoder_path, reviews, tmp_path):
    files = []
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_bytes((reviews / name).read_bytes())
        files.append(str(tmp_path / name))
    settings = recipe(train={"steps": 6, "eval_every_steps": 2})
    path = finetune(settings, tmp_path / "other", encoder_path, *files)
    assert (path / "README.md").read_text(encoding="utf-8") == card
