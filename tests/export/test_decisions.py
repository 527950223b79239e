"""A model's temperature and thresholds in every export: the answers of ``predict``."""

import zipfile

import numpy as np
import pytest

from bert_keras import Decision, export_saved_model, export_tflite, predict
from bert_keras.config.export import SavedModelConfig
from bert_keras.export.answers import answers_of
from bert_keras.export.samples import SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.export.tflite.answers import id_answers_of
from bert_keras.export.tflite.examples import as_file_reads, read_examples
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.export.tflite.measure import Judge
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature

TEXTS = [text for text in SENTENCES if text]
DECISIONS = {
    "classification": Decision(2.5),
    "multi_label": Decision(0.4, (0.1, 0.9, 0.6)),
    "tagging": Decision(3.0),
}
KINDS = list(DECISIONS)


@pytest.fixture
def decided(make_model):
    """A copy of the model of a kind that decides otherwise than by bare logits."""
    return lambda kind: make_model(kind).copy(decision=DECISIONS[kind])


def scores_of(kind, answers):
    if kind == "tagging":
        return [[entity["score"] for entity in answer["entities"]] for answer in answers]
    return [list(answer["scores"].values()) for answer in answers]


def flat(values):
    return np.array([number for row in values for number in row])


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_a_served_graph_answers_as_predict(decided, make_model, make_answers, kind):
    model = decided(kind)
    given, expected = make_answers(model)(TEXTS)
    for name, array in expected.items():
        if array.dtype == object:
            words = np.vectorize(lambda word: word.decode(), otypes=[object])(given[name])
            np.testing.assert_array_equal(words, array)
        else:
            np.testing.assert_allclose(given[name], array, atol=1e-5)
    ours = flat(scores_of(kind, predict(model, TEXTS)))
    bare = flat(scores_of(kind, predict(make_model(kind), TEXTS)))
    assert ours.shape == bare.shape
    assert np.abs(ours - bare).max() > 0.05


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_answers_as_predict_from_text_and_from_ids(decided, kind, tmp_path, strings):
    model = decided(kind)
    report = export_saved_model(model, None, tmp_path / "served")  # compares with Keras itself
    assert report["decision"] == model.own_decision
    assert report["comparison_with_keras"]["largest_difference"] < 1e-4
    answers = predict(model, TEXTS)
    with ServingSession(tmp_path / "served" / "1") as session:
        ids = session.run("tokenize", {"text": strings(TEXTS)})
        from_ids = session.run("tokens", ids)
        given = session.run("serving_default", {"text": strings(TEXTS)})
    if kind == "tagging":
        at = model.decision.temperature
        logits = np.asarray(model(ids)["logits"], np.float64) / at
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        real = ids["attention_mask"].astype(bool)
        np.testing.assert_allclose(from_ids["probabilities"][real], shares[real], atol=1e-5)
        return
    for some in (given, from_ids):
        np.testing.assert_allclose(some["probabilities"], scores_of(kind, answers), atol=1e-5)
    if kind == "multi_label":
        words = [[word.decode() for word in row if word] for row in given["labels"]]
        assert words == [answer["labels"] for answer in answers]
        assert words != [[n for n, s in a["scores"].items() if s >= 0.5] for a in answers]


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_for_phones_answers_as_predict(decided, kind, tmp_path):
    model, path = decided(kind), tmp_path / "m.tflite"
    report = export_tflite(model, None, path, length=32)
    assert report["decision"] == model.own_decision
    phone = TFLiteModel(path.read_bytes())
    for encoding in model.tokenizer.encode_batch(TEXTS, None, 32):
        feature = Feature(0, encoding.input_ids, encoding.token_type_ids)
        (shares,) = phone.run(collate([feature], 0, 32))["probabilities"]
        logits = np.asarray(model(collate([feature], 0))["logits"][0], np.float64)
        powers = np.exp(logits / model.decision.temperature)
        expected = powers / (
            1 + powers if kind == "multi_label" else powers.sum(axis=-1, keepdims=True)
        )
        np.testing.assert_allclose(shares[: len(logits)], expected, atol=1e-4)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        lines = archive.read("thresholds.txt") if "thresholds.txt" in names else b""
    assert tuple(map(float, lines.split())) == model.decision.thresholds


@pytest.mark.parametrize(
    "kind",
    [KINDS[0], *(pytest.param(kind, marks=pytest.mark.system) for kind in KINDS[1:])],
)
def test_a_files_probabilities_are_turned_back_into_the_models_answers(decided, kind):
    model = decided(kind)
    examples = read_examples(model, None)
    sequences = as_file_reads(examples, model.tokenizer, 32)
    judge = Judge(model, id_answers_of(model), sequences, None)
    given = judge._predictions(judge.expected)
    rows = {
        number: example.text
        for number, example in enumerate(examples.measured)
        if getattr(example, "text_pair", None) is None
        and len(model.tokenizer.encode(example.text).input_ids) <= 32  # a file cuts; no windows
    }
    assert len(rows) > 3
    expected = predict(model, list(rows.values()), max_seq_length=32)
    shown = flat(scores_of(kind, [given[number] for number in rows]))
    np.testing.assert_allclose(shown, flat(scores_of(kind, expected)), atol=1e-4)


def test_a_label_at_its_threshold_may_be_given_or_not(decided, tokenizer):
    kind, config = answers_of(decided("multi_label"), SavedModelConfig())
    answers = kind(decided("multi_label"), tokenizer, None, config)
    a, b, c = answers.model.labels
    classes = np.array([[a, b, c]] * 3, object)
    shares = np.array([[0.1 + 1e-7, 0.5, 0.7]] * 3)
    expected = {"probabilities": shares, "classes": classes,
                "labels": np.array([[a, c, ""]] * 3, object)}  # fmt: skip
    given = {"labels": np.array([[a, c, ""], [c, "", ""], [a, "", ""]], object)}
    other = answers.is_other("labels", given, expected, 1e-4)
    assert other.any(axis=1).tolist() == [False, False, True]
