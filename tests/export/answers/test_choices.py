import json

import numpy as np
import pytest
from scipy.special import softmax

from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.tflite.interpreter import TextModel
from bert_keras.tasks import MultipleChoice, predict

CONTEXT, START = PROSE[0], "It was"
CHOICES = [SENTENCES[0], SENTENCES[4], "No.", "a boat"]


def scores_of(ask, choices, start=START):
    """The probabilities by what an export answers to each pair, as the pages say."""
    logits = ask([CONTEXT] * len(choices), [f"{start} {choice}" for choice in choices])
    assert logits.shape == (len(choices),)
    return softmax(logits)


@pytest.mark.system
@pytest.mark.parametrize("truncation", ["head", "tail"])
def test_scores_of_pairs_make_the_probabilities_of_predict(make_model, make_answers, truncation):
    model = make_model("multiple_choice").copy()
    model.other_config = {"multiple_choice_task": {"max_seq_length": 24, "truncation": truncation}}
    run = make_answers(model)
    for count in (2, 3, 4):
        answer = predict(model, CONTEXT, START, choices=CHOICES[:count])[0]
        found = scores_of(lambda *pair: run(*pair)[0]["logits"], CHOICES[:count])
        np.testing.assert_allclose(found, answer["scores"], atol=1e-5)


@pytest.mark.system
def test_a_saved_model_scores_pairs_whatever_else_is_in_the_request(session, make_model, strings):
    served = session("multiple_choice")
    (answer,) = predict(make_model("multiple_choice"), CONTEXT, START, choices=CHOICES)

    def ask(first, second):
        columns = {"text_a": strings([*first, "other"]), "text_b": strings([*second, "text"])}
        return served.run("serving_default", columns)["logits"][:-1]

    np.testing.assert_allclose(scores_of(ask, CHOICES), answer["scores"], atol=1e-5)


def test_a_single_text_is_refused(make_model, tmp_path):
    with pytest.raises(InputError, match="a single one has no answer"):
        export_saved_model(make_model("multiple_choice"), None, tmp_path / "m", pair=False)
    assert not (tmp_path / "m").exists()


@pytest.mark.system
def test_a_phone_scores_pairs_and_its_accuracy_is_of_whole_examples(make_model, tmp_path):
    model = make_model("multiple_choice")
    rows = [
        {"context": text, "choices": CHOICES[: 2 + n % 3], "label": n % 2}
        for n, text in enumerate(text[:80] for text in PROSE[:16])  # none is cut
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "m.tflite"
    report = export_tflite(model, None, path, data=str(data), input="text", pair=True, length=48)
    assert report["metric"] == "accuracy"
    _, keras, file = report["variants"]  # the first is the model at its own length
    assert keras["accuracy"] == file["accuracy"]
    assert file["agreement"] is None  # of one choice alone there is no decision
    phone = TextModel(path.read_bytes())

    def ask(first, second):
        pairs = zip(first, second, strict=True)
        return np.array([phone.run(text_a=a, text_b=b)["logits"][0] for a, b in pairs])

    (answer,) = predict(model, CONTEXT, START, choices=CHOICES, max_seq_length=48)
    np.testing.assert_allclose(scores_of(ask, CHOICES), answer["scores"], atol=1e-4)
    assert MultipleChoice.reads_choices
