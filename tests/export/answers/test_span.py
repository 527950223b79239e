import numpy as np
import pytest

from bert_keras.export import export_saved_model
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.modeling import BertForQuestionAnswering
from bert_keras.tasks import predict

# Contexts of one window and of many, of nothing, and of words that come again and again.
CONTEXTS = [*SENTENCES, " ".join(PROSE[:3]), "a b a b a b a b. " * 12, "   ", "é\u0301 é" * 5]
QUESTIONS = [
    ("Who left the ferry, and " * (n % 5)) + text
    for n, text in enumerate([*CONTEXTS[3:], *CONTEXTS[:3]])
]


def check(given, expected):
    assert [answer.decode() for answer in given["answers"]] == expected["answers"].tolist()
    for name in ("starts", "ends"):
        assert given[name].tolist() == expected[name].tolist()
    for name in ("scores", "no_answer_scores"):
        np.testing.assert_allclose(given[name], expected[name], atol=1e-5)


@pytest.mark.system
@pytest.mark.parametrize("threshold", [None, 0.5, -1.0])
def test_answers_are_those_of_predict(threshold, config, tokenizer, make_answers):
    model = BertForQuestionAnswering(config)
    model.tokenizer = tokenizer
    remembered = {"max_seq_length": 48, "doc_stride": 16, "max_answer_length": 12}
    if threshold is not None:
        remembered["no_answer_threshold"] = threshold
    model.other_config["span_task"] = remembered
    given, expected = make_answers(model, max_windows=400)(CONTEXTS, QUESTIONS)
    check(given, expected)
    empty = (expected["answers"] == "").mean()
    assert empty < 0.2 if threshold is None else 0 < empty < 1


@pytest.mark.slow
def test_an_export_answers_as_predict(make_model, session, strings):
    contexts, questions = CONTEXTS[:12], QUESTIONS[:12]
    inputs = {"context": strings(contexts), "question": strings(questions)}
    answers = session("span").run("serving_default", inputs)
    for row, expected in enumerate(predict(make_model("span"), questions, contexts)):
        assert answers["answers"][row].decode() == expected["answer"]
        assert answers["starts"][row] == expected["start"]
        assert answers["ends"][row] == expected["end"]
        assert answers["scores"][row] == pytest.approx(expected["score"], abs=1e-5)
    nothing = session("span").run("serving_default", {n: strings([]) for n in inputs})
    assert {array.shape for array in nothing.values()} == {(0,)}


@pytest.mark.system
@pytest.mark.parametrize(
    "settings",
    [
        {"max_windows": 2},
        {},  # sixteen windows, but of so small a stride that they hold less than is compared
    ],
)
def test_few_windows_answer_as_predict_on_the_context_cut(
    settings, config, tokenizer, tmp_path, strings
):
    model = BertForQuestionAnswering(config)
    model.tokenizer = tokenizer
    model.other_config["span_task"] = {"max_seq_length": 64, "doc_stride": 8}
    export_saved_model(model, None, tmp_path / "served", **settings)
    long = " ".join(PROSE[:12])
    contexts = [long, long, SENTENCES[0]]
    questions = ["Who?", "Who left the ferry, and why was it so late again? " * 3, "Who?"]
    cut = []
    for context, question in zip(contexts, questions, strict=True):
        head = min(len(tokenizer.encode(question).input_ids), 30 + 2)  # the half of 64 - 3
        read = 64 - head - 1 + (settings.get("max_windows", 16) - 1) * 8
        offsets = tokenizer.encode(context).offsets[1:-1]
        cut.append(context[: offsets[read - 1][1]] if len(offsets) > read else context)
    assert len(cut[1]) < len(cut[0]) < len(long)
    inputs = {"context": strings(contexts), "question": strings(questions)}
    with ServingSession(tmp_path / "served" / "1") as session:
        answers = session.run("serving_default", inputs)
    for row, expected in enumerate(predict(model, questions, cut)):
        assert answers["answers"][row].decode() == expected["answer"]
        assert answers["starts"][row] == expected["start"]
        assert answers["scores"][row] == pytest.approx(expected["score"], abs=1e-5)
