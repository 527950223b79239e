"""Questions without an answer: the threshold that is found, kept and applied."""

import json
from pathlib import Path

import pytest

import bert_keras
from bert_keras.__main__ import run as main
from bert_keras.config import (
    FinetuneConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
)
from bert_keras.tasks import evaluate, finetune, predict
from bert_keras.training import read_metrics

pytestmark = pytest.mark.system

CONTEXTS = [
    "a fine film indeed",
    "cold and slow once more",
    "great fun by the way",
    "no fun at all",
]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """SQuAD 2.0's JSON; one question in three has no answer."""
    path = tmp_path_factory.mktemp("questions") / "dev.json"
    paragraphs = []
    for number, context in enumerate(CONTEXTS * 3):
        answer = context.split()[number % 3]
        found = [] if number % 3 == 0 else [
            {"text": answer, "answer_start": context.index(answer)}
        ]  # fmt: skip
        question = {"id": f"q{number}", "question": f"as i said {number} ?", "answers": found,
                    "is_impossible": not found}  # fmt: skip
        paragraphs.append({"context": context, "qas": [question]})
    path.write_text(json.dumps({"version": "2.0", "data": [{"paragraphs": paragraphs}]}))
    return path


def _run(workdir, encoder_path, questions, **data):
    config = FinetuneConfig(
        data=TaskDataConfig(task="span", max_seq_length=40, **data),
        optimizer=FinetuneOptimizerConfig(learning_rate=2e-3),
        train=FinetuneTrainConfig(steps=9, eval_every_steps=3, batch_size=4),
    )
    finetune(config, workdir, encoder_path, str(questions), str(questions))
    return Path(workdir) / "model"


@pytest.fixture(scope="module")
def found(encoder_path, questions, tmp_path_factory):
    return _run(tmp_path_factory.mktemp("runs") / "found", encoder_path, questions)


def _kept(model):
    return json.loads((model / "config.json").read_text())["span_task"].get("no_answer_threshold")


def test_the_best_threshold_of_the_best_step_is_kept(found):
    lines = {line["step"]: line for line in read_metrics(found.parent) if line["split"] == "eval"}
    best = lines[int((found.parent / "best_step").read_text())]
    assert best["best_f1"] == max(line["best_f1"] for line in lines.values())
    assert _kept(found) == best["best_f1_threshold"] != 0.0


def test_the_kept_threshold_gives_the_score_that_was_found(found, questions):
    metrics = evaluate(bert_keras.load(found), str(questions)).metrics
    assert metrics["f1"] == pytest.approx(metrics["best_f1"])
    assert metrics["best_f1_threshold"] == pytest.approx(_kept(found))


def test_predict_applies_it(found):
    model = bert_keras.load(found)
    asked = [f"as i said {n} ?" for n in range(4)]
    answers = predict(model, asked, CONTEXTS)
    for answer in answers:
        assert (answer["answer"] == "") == (answer["no_answer_score"] > _kept(found))
    score = answers[0]["no_answer_score"]
    (none,) = predict(model, asked[:1], CONTEXTS[:1], no_answer_threshold=score - 1)
    (some,) = predict(model, asked[:1], CONTEXTS[:1], no_answer_threshold=score + 1)
    assert none["answer"] == ""
    assert some["answer"] != ""


def test_a_threshold_that_was_given_is_kept_as_it_is(encoder_path, questions, tmp_path):
    model = _run(tmp_path / "run", encoder_path, questions, no_answer_threshold=0.25)
    assert _kept(model) == 0.25


def test_without_such_questions_there_is_none(encoder_path, questions, tmp_path):
    data = json.loads(questions.read_text())
    for paragraph in data["data"][0]["paragraphs"]:
        paragraph["qas"] = [q for q in paragraph["qas"] if not q["is_impossible"]]
    (tmp_path / "a.json").write_text(json.dumps(data))
    model = _run(tmp_path / "run", encoder_path, tmp_path / "a.json")
    assert _kept(model) is None


def test_squads_files_hold_what_evaluate_scores(found, questions, tmp_path, capsys):
    out, odds = tmp_path / "predictions.json", tmp_path / "null_odds.json"
    arguments = ["predict", found, "--input", questions, "--out", out, "--null-odds", odds]
    assert main([*map(str, arguments), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["predictions"]
    assert [answer["id"] for answer in answers] == [f"q{n}" for n in range(12)]
    assert [answer["row"] for answer in answers] == list(range(1, 13))
    given, scores = (json.loads(path.read_text()) for path in (out, odds))
    assert given == {answer["id"]: answer["answer"] for answer in answers}
    assert scores == {answer["id"]: answer["no_answer_score"] for answer in answers}
    data = json.loads(questions.read_text())["data"][0]["paragraphs"]
    right = {q["id"]: [a["text"] for a in q["answers"]] for p in data for q in p["qas"]}
    exact = [given[name] in (texts or [""]) for name, texts in right.items()]
    metrics = evaluate(bert_keras.load(found), str(questions)).metrics
    assert metrics["exact_match"] == pytest.approx(sum(exact) / len(exact))
    assert main(["predict", str(found), "--input", str(questions), "--no-answer-threshold",
                 "-9999.5", "--json"]) == 0  # fmt: skip
    answers = json.loads(capsys.readouterr().out)["predictions"]
    assert {answer["answer"] for answer in answers} == {""}
