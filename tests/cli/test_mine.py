"""``bert-keras mine``, as a user gives it."""

import json

import pytest

import bert_keras
from bert_keras import mine_negatives
from bert_keras.tasks.reading.groups import read_group_examples
from tests.cli.test_embed import save_model
from tests.support.commands import output, refused, run

PAIRS = [("bad bees", "a bad bee"), ("had a cab", "he had a cab"), ("food", "feed the bag")]
DOCUMENTS = ["dead", "a bad cab had a bee", "he had a cab"]
CONTRASTIVE = """
[data]
task = "contrastive"
loss = "triplet"
max_seq_length = 16
[train]
steps = 1
batch_size = 2
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("made") / "model")


@pytest.fixture
def files(tmp_path):
    """The options of a file of pairs and one of documents."""
    rows = [json.dumps(dict(zip(("query", "positive"), pair, strict=True))) for pair in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("\n".join(rows))
    (tmp_path / "texts.txt").write_text("\n".join(DOCUMENTS))
    return ["--pairs", tmp_path / "pairs.jsonl", "--documents", tmp_path / "texts.txt"]


def test_what_is_mined_is_read_as_contrastive_examples(model, files, tmp_path, capsys):
    out = tmp_path / "hard.jsonl"
    printed = json.loads(output(
        capsys, "mine", model, *files, "--negatives", "2", "--out", out, "--json"
    ))  # fmt: skip
    expected = mine_negatives(bert_keras.load(model), PAIRS, DOCUMENTS, negatives=2)
    examples = read_group_examples(str(out))
    assert [example.texts[:2] for example in examples] == PAIRS
    texts = [tuple(hit["text"] for hit in found) for found in expected]
    assert [example.negatives for example in examples] == texts
    assert (printed["pairs"], printed["documents"], printed["negatives"]) == (3, 5, 6)
    scores = [hit["score"] for found in expected for hit in found]
    assert printed["mean_score"]["negatives"] == pytest.approx(sum(scores) / 6, abs=1e-5)
    assert printed["fewer"] == {"anchors": 0, "none": 0, "left_out": {"from_rank": 0}}


@pytest.mark.system
def test_a_model_is_trained_on_what_is_mined(model, files, tmp_path):
    out = tmp_path / "hard.jsonl"
    run("mine", model, *files, "--negatives", "2", "--out", out)
    (tmp_path / "recipe.toml").write_text(CONTRASTIVE)
    run("finetune", tmp_path / "recipe.toml", "--model", model, "--train", out,
        "--workdir", tmp_path / "run")  # fmt: skip


def test_nothing_is_written_where_no_anchor_has_a_negative(model, files, tmp_path, capsys):
    few = ["--max-score", "-0.9", "--to-rank", "3"]
    for only_found in ([], ["--only-found"]):  # not one negative: nothing is written
        out = ["--out", tmp_path / "none.jsonl", *only_found]
        text = refused(capsys, "mine", model, *files, *few, *out)
        assert "no anchor has a negative that passes; loosen the rules: 3 anchors have" in text
        assert "fewer than 3 negatives (3 have none): of the 4 nearest documents" in text
        assert "--max-score -0.9 left out" in text
        assert "raise --to-rank" in text
        assert not (tmp_path / "none.jsonl").exists()


def test_negatives_that_a_pair_has_stay_and_are_documents_for_the_others(model, tmp_path, capsys):
    rows = [{"anchor": anchor, "positive": positive} for anchor, positive in PAIRS]
    rows[0]["negatives"] = ["dead", "fed"]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = ["--pairs", tmp_path / "pairs.jsonl"]
    run("mine", model, *files, "--negatives", "4", "--out", tmp_path / "all.jsonl")
    first, *others = read_group_examples(str(tmp_path / "all.jsonl"))
    texts = {"dead", "fed", *(positive for _, positive in PAIRS)}
    assert first.negatives[:2] == ("dead", "fed")
    assert sorted(first.negatives) == sorted(texts - {first.positive})  # each once
    assert all({"dead", "fed"} <= set(other.negatives) for other in others)
    own = ["--max-score", "-0.99", "--only-found", "--out", tmp_path / "own.jsonl"]
    assert "3 anchors have fewer than 3 negatives" in output(capsys, "mine", model, *files, *own)
    (only,) = read_group_examples(str(tmp_path / "own.jsonl"))
    assert only.texts == ("bad bees", "a bad bee", "dead", "fed")


def test_what_cannot_be_mined_is_one_line_before_anything_is_loaded(
    model, files, tmp_path, capsys, monkeypatch
):
    out = ["--out", tmp_path / "hard.jsonl"]
    monkeypatch.setattr("bert_keras.cli.mine.open_encoder", None)
    assert "written as .jsonl" in refused(
        capsys, "mine", model, *files, "--out", tmp_path / "hard.csv"
    )
    assert "no such model directory" in refused(capsys, "mine", "nowhere", *files, *out)
    assert "margin must be a number from 0 to 2" in refused(
        capsys, "mine", model, *files, *out, "--margin", "-1"
    )
    assert "max_score must be a number from -1 to 1; -1 would leave out every document" in refused(
        capsys, "mine", model, *files, *out, "--max-score", "-1"
    )
    (tmp_path / "hard.jsonl").write_text("mine")
    assert "already exists" in refused(capsys, "mine", "nowhere", *files, *out)
    assert (tmp_path / "hard.jsonl").read_text() == "mine"
