import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.export.tflite.interpreter import TextModel
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.tasks import predict

LABELS = ["bad", "good", "so-so"]
LONG = [*SENTENCES, *(" ".join(PROSE[:n]) for n in (1, 2, 4)), *PROSE[:8]]
TREATMENTS = {
    "tail": {"truncation": "tail"},
    "head and tail": {"truncation": "head_tail"},
    "windows": {"windows": True, "max_windows": 4},
    "many windows": {"windows": True, "max_windows": 16},
}


@pytest.fixture(scope="module")
def make_classifier(config, tokenizer):
    """A classifier that was trained on long texts in some way."""

    def make(problem_type="single_label_classification", **remembered):
        model = BertForSequenceClassification(config, labels=LABELS, problem_type=problem_type)
        model.tokenizer = tokenizer
        key = "multi_label_task" if problem_type.startswith("multi") else "classification_task"
        model.other_config = {key: {"max_seq_length": 16} | remembered}
        return model

    return make


@pytest.mark.system
@pytest.mark.parametrize(
    "problem_type", ["single_label_classification", "multi_label_classification"]
)
@pytest.mark.parametrize("treatment", TREATMENTS.values(), ids=list(TREATMENTS))
def test_long_texts_are_read_as_predict_reads_them(
    make_classifier, make_answers, treatment, problem_type
):
    model = make_classifier(problem_type, **treatment)
    given, expected = make_answers(model)(LONG)
    np.testing.assert_allclose(given["probabilities"], expected["probabilities"], atol=1e-5)
    head, _ = make_answers(make_classifier(problem_type))(LONG)
    assert np.abs(head["probabilities"] - given["probabilities"]).max() > 0.05


@pytest.mark.system
@pytest.mark.parametrize("treatment", TREATMENTS.values(), ids=TREATMENTS)
def test_pairs_are_cut_as_predict_cuts_them_and_not_read_in_windows(
    make_classifier, make_answers, treatment
):
    model = make_classifier(**treatment)
    if "windows" in treatment:
        with pytest.raises(InputError, match="leave pair out"):
            make_answers(model, pair=True)
        with pytest.raises(InputError, match="windows is for single texts"):
            predict(model, LONG, LONG[::-1])
        return
    given, expected = make_answers(model, pair=True)(LONG, LONG[::-1])
    np.testing.assert_allclose(given["probabilities"], expected["probabilities"], atol=1e-5)


@pytest.mark.system
def test_an_export_says_how_it_reads_long_texts_and_answers_by_windows(
    make_classifier, tmp_path, strings
):
    model = make_classifier(windows=True, max_windows=4)
    report = export_saved_model(model, None, tmp_path / "served")
    assert report["settings"]["windows"] is True
    assert report["settings"]["max_windows"] == 4
    with ServingSession(tmp_path / "served" / "1") as session:
        given = session.run("serving_default", {"text": strings(LONG)})
        none = session.run("serving_default", {"text": strings([])})
    expected = [list(answer["scores"].values()) for answer in predict(model, LONG)]
    np.testing.assert_allclose(given["probabilities"], expected, atol=1e-5)
    assert none["probabilities"].shape == (0, 3)


@pytest.mark.system
def test_a_phone_reads_the_kept_part_from_text(make_classifier, tmp_path):
    model = make_classifier(truncation="tail")
    path = tmp_path / "model.tflite"
    report = export_tflite(model, None, path, input="text")
    assert report["settings"]["length"] == 16  # the length it was trained at
    phone = TextModel(path.read_bytes())
    given = [phone.run(text=text)["probabilities"][0] for text in LONG]
    expected = [list(answer["scores"].values()) for answer in predict(model, LONG)]
    np.testing.assert_allclose(given, expected, atol=1e-4)


@pytest.mark.system
def test_a_phone_is_asked_window_by_window(make_classifier, tmp_path, caplog):
    model = make_classifier(windows=True, max_windows=4)
    (tmp_path / "data.tsv").write_text(
        "".join(f"{' '.join(text.split())}\t{LABELS[n % 3]}\n" for n, text in enumerate(LONG[:14]))
    )
    path = tmp_path / "model.tflite"
    with pytest.raises(InputError, match="give --input tokens"):
        export_tflite(model, None, path, input="text")
    assert not path.exists()
    report = export_tflite(model, None, path, data=str(tmp_path / "data.tsv"))
    assert "the app has to ask for each and average" in caplog.text
    keras, file = report["variants"]
    assert keras["accuracy"] == file["accuracy"]
