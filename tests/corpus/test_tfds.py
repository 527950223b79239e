import sys

import numpy as np
import pytest

from bert_keras.__main__ import run as main
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError
from bert_keras.tokenization import learn_vocabulary, write_vocabulary

TEXTS = ["The first text.\n\nIt has two paragraphs.", "一篇中文。第二句！", "The third text."]

pytestmark = pytest.mark.filterwarnings("ignore")  # TFDS and what it imports warn of themselves


@pytest.fixture(scope="module")
def tfds():
    return pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def data_dir(tfds, tmp_path_factory):
    """A data set that is built here: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("tfds")
    features = tfds.features.FeaturesDict(
        {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64),
         "title": tfds.features.Text()}
    )  # fmt: skip
    rows = [(n, {"text": text, "label": n, "title": f"Title {n}"}) for n, text in enumerate(TEXTS)]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="little_texts",
        version="1.0.0",
        features=features,
        split_datasets={"train": rows, "test": rows[:1]},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


@pytest.fixture(autouse=True)
def here(request, monkeypatch):
    if "without_tfds" not in request.node.name:
        folder = request.getfixturevalue("data_dir")
        tfds = request.getfixturevalue("tfds")
        monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ("tfds:little_texts", TEXTS),
        ("tfds:little_texts:test", TEXTS[:1]),
        ("tfds:little_texts:1.0.0:train[1:]+test", TEXTS[1:] + TEXTS[:1]),
        ("tfds:little_texts:1.0.0", TEXTS),
        ("tfds:little_texts:train[:2]:title", ["Title 0", "Title 1"]),
    ],
)
def test_every_example_is_a_document(spec, texts):
    expected = []
    for text in texts:
        expected += [[block] for block in text.split("\n\n")] + [None]
    assert list(read_documents([spec])) == expected


def test_a_corpus_is_made_from_it_beside_a_file(tmp_path):
    (tmp_path / "a.txt").write_text("One more text.")
    write_vocabulary(tmp_path / "vocab.txt", learn_vocabulary(TEXTS, 100))
    inputs = ["tfds:little_texts", tmp_path / "a.txt"]
    report = prepare_corpus(inputs, tmp_path / "vocab.txt", tmp_path / "out")
    assert report.documents == 4
    assert Corpus.open(tmp_path / "out").documents.tolist() == [[0, 2], [2, 4], [4, 5], [5, 6]]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tfds:not_there", "no TFDS data set not_there"),
        ("tfds:little_texts:validation", "no split 'validation'.*its splits: test, train"),
        ("tfds:little_texts:train:body", "no field 'body'; its fields: 'label', 'text', 'title'"),
        (
            "tfds:little_texts:train:label",
            "'label' .* is not text; fields that are: 'text', 'title'",
        ),
        ("tfds:", "expected tfds:NAME"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(spec, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        list(read_documents([spec]))
    assert "\n" not in str(caught.value)


def test_the_command_says_it_too_and_writes_nothing(tmp_path, capsys):
    assert main(["vocab", "tfds:not_there", "--out", str(tmp_path / "vocab.txt")]) == 1
    assert "no TFDS data set" in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_tfds_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        InputError, match=r"pip install 'tensorflow-datasets>=[\d.]+' 'importlib_resources>=\d+'$"
    ):
        list(read_documents(["tfds:anything"]))
