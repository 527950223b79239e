"""What the instrumented test of ``android/`` reads: files, and what the host answers.

``make android-cases`` writes it into the app's assets, which BERT_KERAS_ANDROID names.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from bert_keras.export import export_tflite
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import BertTokenizer

LENGTH = 32
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
KINDS = [
    "classification", "pairs", "multi_label", "regression", "tagging", "span", "masked_lm",
    "next_sentence", "encoder", "sentence_embedding",
]  # fmt: skip
OF_PAIRS = {"pairs", "span", "next_sentence"}
TEXTS = ["Who left the ferry?", "Köln [MASK] 😀, naïve!", "这家酒店很好", "a " * 40]
PAIRS = ["Anna left it at 10:30.", "ÜBER e\u0301", "房间干净。", "b"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """The folder that holds a folder for each kind."""
    assets = os.environ.get("BERT_KERAS_ANDROID")
    folder = (Path(assets) if assets else tmp_path_factory.mktemp("assets")) / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kinds.json").write_text(json.dumps(KINDS))
    return folder


def case(model, phone, text, pair):
    """A text's ids and what the file answers, as JSON has them."""
    (encoding,) = model.tokenizer.encode_batch([text], pair and [pair], LENGTH)
    batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, LENGTH)
    return {
        "text": text,
        "pair": pair,
        "length": LENGTH,
        **{name: batch[name][0].tolist() for name in INPUTS},
        "outputs": {name: a.ravel().tolist() for name, a in phone.run(batch).items()},
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_has_all_that_answers_its_cases(make_model, cases, kind):
    folder = cases / kind
    folder.mkdir()
    model, file = make_model(kind), folder / "model.tflite"
    export_tflite(model, None, file, length=LENGTH)
    (folder / "vocab.txt").write_text("".join(f"{p}\n" for p in model.tokenizer.vocab), "utf-8")
    pairs = PAIRS if kind in OF_PAIRS else [None] * len(TEXTS)
    phone = TFLiteModel(file.read_bytes())
    written = [case(model, phone, *texts) for texts in zip(TEXTS, pairs, strict=True)]
    (folder / "cases.json").write_text(json.dumps(written))

    tokenizer = BertTokenizer.from_vocab(folder / "vocab.txt")
    again = TFLiteModel(file.read_bytes(), threads=2)
    for given in json.loads((folder / "cases.json").read_text()):
        assert given["outputs"]
        encoding = tokenizer.encode_batch(
            [given["text"]], given["pair"] and [given["pair"]], LENGTH
        )[0]
        read = sum(given["attention_mask"])
        assert given["input_ids"] == [*encoding.input_ids, *[tokenizer.pad_id] * (LENGTH - read)]
        outputs = again.run({name: np.array([given[name]], np.int32) for name in INPUTS})
        assert outputs.keys() == given["outputs"].keys()
        for name, values in outputs.items():
            np.testing.assert_allclose(given["outputs"][name], values.ravel(), atol=1e-4)


def test_the_app_reads_what_is_written_here(repository):
    app = repository / "tests" / "export" / "mobile" / "android"
    source = (app / "src" / "androidTest" / "kotlin" / "HostAnswersTest.kt").read_text()
    assert set(re.findall(r'cases/(?:\$kind/)?([\w.]+)"', source)) == {
        "kinds.json", "vocab.txt", "model.tflite", "cases.json",
    }  # fmt: skip
    assert set(re.findall(r'"(\w+)" to encoded', source)) == set(INPUTS)
    (shared,) = re.findall(r'srcDir\("([^"]+)"\)', (app / "build.gradle.kts").read_text())
    assert (app / shared / "WordPiece.kt").is_file()
