"""A model remembers that it was trained on pairs of texts, and every export follows."""

import json

import numpy as np
import pytest

from bert_keras import load
from bert_keras.__main__ import run as main
from bert_keras.config.export import SavedModelConfig, TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.answers import answers_of
from bert_keras.export.registry import trained_on, with_pair
from bert_keras.export.session import ServingSession
from bert_keras.export.tflite.examples import read_examples
from bert_keras.export.tflite.interpreter import TextModel
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.saving import save
from bert_keras.tasks import Classification, Regression, predict, task_of
from tests.export.conftest import LABELS

TEXT, PAIR = "The ferry was late again.", "We ate on the pier."
ROWS = {
    "texts": ["label\ttext", f"bad\t{TEXT}", f"good\t{PAIR}"],
    "pairs": ["label\ttext_a\ttext_b", f"bad\t{TEXT}\t{PAIR}", f"good\t{PAIR}\t{TEXT}"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A table of each kind."""
    folder = tmp_path_factory.mktemp("tables")
    for kind, rows in ROWS.items():
        (folder / f"{kind}.tsv").write_text("\n".join(rows) + "\n")
    return {kind: str(folder / f"{kind}.tsv") for kind in ROWS}


@pytest.fixture(scope="module")
def models(config, tokenizer, data, tmp_path_factory):
    """A model that was made for each kind of data, as fine-tuning makes and saves it."""
    made = {}
    for kind, path in data.items():
        task = Classification(labels=tuple(LABELS), max_seq_length=24)
        task = task.adapted_to(task.read(path))
        model = BertForSequenceClassification(config, labels=LABELS)
        model.other_config |= task.remembered()
        folder = tmp_path_factory.mktemp("models") / kind
        save(model, folder, tokenizer)
        made[kind] = load(folder)
        made[f"{kind} folder"] = folder
    return made


@pytest.mark.parametrize("task", [Classification(labels=("a", "b")), Regression()])
@pytest.mark.parametrize(
    ("pairs", "expected"),
    [([None, None], "texts"), (["b", "c"], "pairs"), ([None, "b"], "both")],
)
def test_the_data_say_what_a_task_is_trained_on(task, pairs, expected):
    examples = [task.from_text("a", pair) for pair in pairs]
    if isinstance(task, Regression):
        examples = [type(e)(e.text, e.text_pair, "1.5", e.where) for e in examples]
    assert task.adapted_to(examples).remembered()[task.remembered_key()]["trained_on"] == expected


def test_a_saved_model_remembers(models):
    for kind in ROWS:
        assert task_of(models[kind]).trained_on == trained_on(models[kind]) == kind


@pytest.mark.parametrize("settings", [SavedModelConfig, TFLiteConfig])
def test_what_is_left_out_is_what_the_model_was_trained_on(models, make_model, settings):
    assert with_pair(settings(input="text"), models["pairs"]).pair is True
    assert with_pair(settings(input="text"), models["texts"]).pair is False
    assert with_pair(settings(input="text"), make_model("classification")).pair is False
    assert with_pair(settings(input="text", pair=True), make_model("classification")).pair is True
    assert with_pair(settings(input="tokens"), models["pairs"]).pair is False
    with pytest.raises(InputError, match="trained on pairs of texts, and a single one has no"):
        with_pair(settings(input="text", pair=False), models["pairs"])
    with pytest.raises(InputError, match="trained on single texts: leave --pair"):
        with_pair(settings(input="text", pair=True), models["texts"])


@pytest.mark.system
def test_a_saved_model_takes_pairs(models, tmp_path, strings):
    report = export_saved_model(models["pairs"], None, tmp_path / "served")
    assert report["settings"]["pair"] is True
    assert set(report["signatures"]["serving_default"]["inputs"]) == {"text_a", "text_b"}
    with ServingSession(tmp_path / "served" / "1") as session:
        given = session.run(
            "serving_default", {"text_a": strings([TEXT]), "text_b": strings([PAIR])}
        )
    (expected,) = predict(models["pairs"], TEXT, PAIR)
    np.testing.assert_allclose(
        given["probabilities"][0], list(expected["scores"].values()), atol=1e-5
    )


def test_an_export_of_ids_is_compared_on_pairs(models, tokenizer):
    for name, width in (("pairs", 2), ("texts", 1)):
        kind, settings = answers_of(models[name], SavedModelConfig(input="tokens"))
        answers = kind(models[name], tokenizer, None, settings)
        columns = answers.columns(["a", "b", "c"])
        assert len(columns) == width
        assert answers.host_batch(columns)["token_type_ids"].any() == (width == 2)


@pytest.mark.system
def test_a_file_for_phones_takes_pairs(models, tmp_path):
    report = export_tflite(models["pairs"], None, tmp_path / "m.tflite", input="text")
    assert report["settings"]["pair"] is True
    phone = TextModel((tmp_path / "m.tflite").read_bytes())
    given = phone.run(text_a=TEXT, text_b=PAIR)["probabilities"][0]
    (expected,) = predict(models["pairs"], TEXT, PAIR)
    np.testing.assert_allclose(given, list(expected["scores"].values()), atol=1e-4)


def test_the_built_in_texts_are_what_the_model_was_trained_on(models, make_model):
    pairs = {kind: [e.text_pair is not None for e in read_examples(models[kind], None).measured]
             for kind in ROWS}  # fmt: skip
    assert all(pairs["pairs"])
    assert not any(pairs["texts"])
    unknown = read_examples(make_model("classification"), None).measured
    assert {e.text_pair is None for e in unknown} == {True, False}
    follows = read_examples(make_model("next_sentence"), None).measured
    assert all(second is not None for _, second in follows)


@pytest.mark.parametrize(("kind", "other"), [("texts", "pairs"), ("pairs", "texts")])
def test_data_of_the_other_kind_are_refused_with_the_row(
    models, data, tmp_path, capsys, kind, other
):
    command = ["export", "tflite", str(models[f"{kind} folder"]), str(tmp_path / "m.tflite")]
    assert main([*command, "--data", data[other]]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    what = {"texts": "is a single text", "pairs": "is a pair of texts"}[other]
    assert what in line
    assert f"{other}.tsv" in line
    assert "row 2" in line or "line 2" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("pairs", ["--no-pair"], "trained on pairs of texts"),
        ("texts", ["--pair"], "trained on single texts"),
    ],
)
@pytest.mark.parametrize("form", ["saved-model", "tflite"])
def test_the_commands_refuse_the_other_kind(models, tmp_path, capsys, form, kind, options, message):
    takes = ["--input", "text"] if form == "tflite" else []
    command = ["export", form, str(models[f"{kind} folder"]), str(tmp_path / "out"), *takes]
    assert main([*command, *options]) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_fine_tuning_on_pairs_is_kept_and_served(models, tokenizer, data, tmp_path, capsys):
    table = tmp_path / "train.tsv"
    table.write_text("\n".join([*ROWS["pairs"], *ROWS["pairs"][1:] * 7]) + "\n")
    command = ["finetune", "configs/finetune/mrpc.toml", "--model", str(models["texts folder"])]
    command += ["--train", str(table)]
    sets = ["data.max_seq_length=24", "train.epochs=1", "train.batch_size=4"]
    command += [part for one in sets for part in ("--set", one)]
    assert main([*command, "--dev", str(table), "--workdir", str(tmp_path / "run")]) == 0
    written = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert written["classification_task"]["trained_on"] == "pairs"
    capsys.readouterr()
    assert main(["export", "saved-model", str(tmp_path / "run"), str(tmp_path / "served")]) == 0
    report = json.loads((tmp_path / "served" / "1" / "export_report.json").read_text())
    assert set(report["signatures"]["serving_default"]["inputs"]) == {"text_a", "text_b"}
