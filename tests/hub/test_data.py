"""Data sets by name, read by the real package ``datasets`` from a server on this machine."""

import io
import json
import sys
import tomllib

import pytest

import bert_keras
from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError
from bert_keras.hub import DataName, client, pinned_data
from bert_keras.tasks.reading import (
    QuestionExample,
    read_question_examples,
    read_tagged_examples,
    read_text_examples,
)
from tests.support.commands import refused, run, write_inputs
from tests.support.hub import TOKEN
from tests.support.models import make_model, small_config

datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.filterwarnings("ignore")  # datasets and what it imports warn of themselves

README = b"""---
configs:
- config_name: sst2
  data_files:
  - {split: train, path: sst2/train-*}
  - {split: validation, path: sst2/validation-*}
- config_name: ner
  data_files: ner/*.parquet
---
"""
ROWS = {
    "sentence": ["très bon", "a bad film", "?"],
    "label": [1, 0, -1],
    "mark": [3.8, 0.1, None],
    "body": ["One text.\n\nTwo paragraphs.", "Second.", "Third."],
}


def table(rows, **features):
    """A table of typed columns."""
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def parquet(made):
    """The bytes of a table as Parquet."""
    file = io.BytesIO()
    made.to_parquet(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """The files of a repository with two configurations."""
    text, value = datasets.Value("string"), datasets.Value("float32")
    label = datasets.ClassLabel(names=["negative", "positive"])
    sst2 = table(ROWS, sentence=text, label=label, mark=value, body=text)
    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-x"]))
    words = {"tokens": [["Zürich", "is"]], "ner_tags": [[1, 0]]}
    ner = table(words, tokens=datasets.Sequence(text), ner_tags=tags)
    return {
        "README.md": README,
        "sst2/train-00000-of-00002.parquet": parquet(sst2.select([0])),
        "sst2/train-00001-of-00002.parquet": parquet(sst2.select([1, 2])),
        "sst2/validation-00000-of-00001.parquet": parquet(sst2.select([0, 1])),
        "ner/train.parquet": parquet(ner),
        "weights.bin": b"never read",
    }


@pytest.fixture
def repository(data_hub, files):
    """The data set org/glue."""
    return data_hub.add("datasets/org/glue", files)


def test_a_name_has_one_slash_before_its_configuration():
    every = "hf:org/glue/sst2@refs/pr/1:train[10%:20%]+test:my text"
    assert DataName.of(every) == DataName(
        "org/glue", "sst2", "refs/pr/1", "train[10%:20%]+test", "my text"
    )
    assert str(DataName.of(every)) == every
    assert DataName.of("hf:imdb") == DataName("imdb", split="train")
    assert DataName.of("glue/sst2:train") is None
    for wrong in ("hf:", "hf://org/glue", "hf:org/glue/a/b", "hf:org/glue:train:a:b"):
        with pytest.raises(InputError, match=r"a data set of the hub is named hf:ORG/NAME\[/CON"):
            DataName.of(wrong)


def test_labels_are_names_numbers_keep_their_digits_and_only_the_configuration_is_downloaded(
    data_hub, repository
):
    examples = read_text_examples("hf:org/glue/sst2")
    assert [(e.text, e.label) for e in examples] == [
        ("très bon", "positive"),
        ("a bad film", "negative"),
        ("?", None),
    ]
    assert examples[1].where == "hf:org/glue/sst2, row 2"
    (part,) = read_text_examples("hf:org/glue/sst2:validation[:1]", label_column="mark")
    assert part.label == "3.8"
    (words,) = read_tagged_examples("hf:org/glue/ner:train")
    assert (words.words, words.tags) == (("Zürich", "is"), ("B-x", "O"))
    assert "weights.bin" not in data_hub.downloaded()
    assert len(data_hub.ranges) == 4  # each file of data once


def test_questions_of_json_lines_are_read(data_hub):
    row = {"id": "q", "question": "Q?", "context": "A b."}
    row["answers"] = {"text": ["A", "b"], "answer_start": [0, 2]}
    data_hub.add("datasets/org/squad", {"train.jsonl": json.dumps(row).encode()})
    (example,) = read_question_examples("hf:org/squad")
    assert example == QuestionExample(
        "q", "Q?", "A b.", (("A", 0), ("b", 2)), False, "hf:org/squad, row 1"
    )


def test_every_row_is_a_document_and_a_corpus_records_the_commit(repository, tmp_path):
    expected = [["One text."], ["Two paragraphs."], None, ["Second."], None, ["Third."], None]
    assert list(read_documents(["hf:org/glue/sst2"], text_column="body")) == expected
    assert list(read_documents(["hf:org/glue/sst2:train:sentence"]))[:2] == [["très bon"], None]
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntext\n.\n")
    bert_keras.prepare_corpus(
        ["hf:org/glue/sst2:train:body"], tmp_path / "vocab.txt", tmp_path / "out"
    )
    source = json.loads((tmp_path / "out/corpus.json").read_text())["source"]
    assert source["inputs"] == [f"hf:org/glue/sst2@{repository.refs['main']}:train:body"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:org/none", "no such data set at .*, or it is private"),
        ("hf:org/glue/sst2@v9", "no such revision.*/datasets/org/glue/tree/main"),
        ("hf:org/glue/mnli", r"'mnli' not found. Available: \['sst2', 'ner'\]; the configuration"),
        ("hf:org/glue", r"pick one among the available configs: \['sst2', 'ner'\]; the conf"),
        ("hf:org/glue/sst2:test", "no split 'test'.*its splits: 'train', 'validation'"),
        ("hf:org/glue/sst2:train:body", "name a column by its own option"),
        ("hf:org/glue/ner", "no column with one of the names"),
        ("hf:org/script", "is made by code, script.py, which is never run"),
        ("hf:org/pictures", "files that are read by webdataset; those of rows and columns alone"),
        ("hf:org/empty", "cannot be read: .*contain any supported data file|no.*data files"),
        ("hf:org/gated", "needs access: ask for it at .*/datasets/org/gated, then log in"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(data_hub, repository, files, source, message):
    data_hub.add("datasets/org/script", {"script.py": b"raise SystemExit", "a.csv": b"text\na\n"})
    data_hub.add("datasets/org/pictures", {"train.tar": b"x"})
    data_hub.add("datasets/org/empty", {"README.md": b"# Nothing\n"})
    data_hub.add("datasets/org/gated", files, "gated")
    with pytest.raises(InputError, match=message) as caught:
        read_text_examples(source)
    assert "\n" not in str(caught.value)


def test_a_corpus_needs_a_column_of_texts(repository):
    for source, message in (
        ("hf:org/glue/sst2:train:x", "no column 'x'; its columns: 'sentence', 'label'"),
        ("hf:org/glue/sst2:train:label", "is not text; columns that are: 'sentence', 'body'"),
    ):
        with pytest.raises(InputError, match=message):
            list(read_documents([source]))


def test_a_token_opens_what_is_gated_and_a_renamed_data_set_is_followed(
    data_hub, files, monkeypatch
):
    data_hub.add("datasets/org/gated", files, "gated")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert len(read_text_examples("hf:org/gated/sst2")) == 3
    data_hub.moved["datasets/old"] = "datasets/org/squad"
    data_hub.add("datasets/org/squad", {"train.csv": b"text,label\na,b\n"})
    assert len(read_text_examples("hf:old")) == 1


def test_a_folder_here_is_never_taken_for_the_hub(repository, tmp_path, monkeypatch):
    (tmp_path / "org/glue").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="a folder org/glue lies here"):
        read_text_examples("hf:org/glue/sst2")


def test_without_network_the_cache_does_and_without_a_cache_one_line_says_what_helps(
    data_hub, repository, offline
):
    commit = repository.refs["main"]
    assert pinned_data("hf:org/glue/sst2") == f"hf:org/glue/sst2@{commit}:train"
    expected = read_text_examples("hf:org/glue/sst2")
    offline()
    forget()
    asked = len(data_hub.requests)
    assert read_text_examples("hf:org/glue/sst2") == expected
    assert pinned_data("hf:org/glue/sst2") == f"hf:org/glue/sst2@{commit}:train"
    assert read_text_examples(f"hf:org/glue/sst2@{commit}")[0].text == "très bon"
    for source, message in (
        (
            "hf:org/glue/ner",
            r"is not in the cache of datasets \(Couldn't find .*\), and HF_HUB_OFFLINE is set",
        ),
        (f"hf:org/glue/sst2@{'0' * 40}", f"whose newest commit of it is {commit}"),
    ):
        with pytest.raises(InputError, match=message):
            read_text_examples(source)
    assert len(data_hub.requests) == asked


def test_a_hub_that_is_not_reached_is_asked_once(data_hub, repository):
    expected = read_text_examples("hf:org/glue/sst2")
    forget()
    data_hub.failures["."] = 503
    asked = len(data_hub.requests)
    assert read_text_examples("hf:org/glue/sst2") == expected
    assert len(data_hub.requests) == asked + 1
    with pytest.raises(InputError, match=r"is not in the cache of datasets .*fails \(503\)"):
        read_text_examples("hf:org/none")


def forget():
    """Let the hub be asked anew, as by another process."""
    from bert_keras.hub import data

    data._commits.clear()
    data._split.cache_clear()


def test_without_the_package_the_one_to_install_is_named(data_hub, repository, monkeypatch):
    assert client.client_of_hub() is not None
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install '?(datasets>=4|\.\[datasets)"):
        read_text_examples("hf:org/glue/sst2")


@pytest.mark.system
def test_a_run_records_the_commit_keeps_it_and_names_it_on_its_card(
    data_hub, repository, files, tmp_path, capsys
):
    recipe = "[data]\nmax_seq_length = 16\n[train]\nsteps = 2\nbatch_size = 2\n"
    (folder := tmp_path / "made").mkdir()
    write_inputs(folder, finetune=recipe)
    config = small_config(len((folder / "vocab.txt").read_text().split()))
    bert_keras.save(make_model(config=config), folder / "model")
    (folder / "model/vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    command = ["finetune", folder / "finetune.toml", "--model", folder / "model"]
    command += ["--train", "hf:org/glue/sst2:train[:1]+validation", "--workdir", tmp_path / "run"]
    command += ["--dev", "hf:org/glue/sst2:validation"]
    run(*command)
    name = f"hf:org/glue/sst2@{repository.refs['main']}"
    recorded = tomllib.loads((tmp_path / "run/config.toml").read_text())["data"]
    assert (recorded["train"], recorded["dev"]) == (
        f"{name}:train[:1]+validation",
        f"{name}:validation",
    )
    card = (tmp_path / "run/model/README.md").read_text()
    assert f"3, `{name}:train[:1]+validation`; as they were read" in card
    assert f'train = "{name}:train[:1]+validation"' in card
    other = files["sst2/train-00001-of-00002.parquet"]
    repository.commit(files | {"sst2/train-00000-of-00002.parquet": other})
    forget()
    run(*command)  # it is finished, by the commit that it recorded
    main = [str(each).replace("sst2:", "sst2@main:") for each in command]
    assert "belongs to a run on other data" in refused(capsys, *main)
