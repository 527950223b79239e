"""Parquet files as a corpus and as examples, written by pyarrow and by the package ``datasets``."""

import pytest

from bert_keras.corpus import Corpus
from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError
from bert_keras.tasks.reading import (
    read_choice_examples,
    read_question_examples,
    read_text_examples,
)
from bert_keras.tasks.reading.rankings import read_lists
from tests.support.commands import refused, run

datasets = pytest.importorskip("datasets")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.filterwarnings("ignore")  # datasets and what it imports warn of themselves


def write(path, **columns):
    """A file of pyarrow's."""
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def shards(tmp_path):
    """Two files with the labels of ``datasets``."""
    label = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    rows = {"text": ["a cat", "a dog", "the moon"], "label": [1, 0, -1]}
    table = datasets.Dataset.from_dict(rows, features=features)
    table.select([0, 1]).to_parquet(tmp_path / "part-0.parquet")
    table.select([2]).to_parquet(tmp_path / "part-1.parquet")
    return tmp_path


def test_a_row_is_a_document_and_a_glob_is_all_its_files(shards, caplog):
    caplog.set_level("INFO")
    expected = [["a cat"], None, ["a dog"], None, ["the moon"], None]
    assert list(read_documents([f"{shards}/*.parquet"])) == expected
    assert "reading 2 files as Parquet (column 'text', such as 'a cat')" in caplog.text


def test_examples_of_a_glob_have_the_names_of_their_labels(shards):
    source = f"{shards}/part-*.parquet"
    examples = read_text_examples(source)
    assert [(e.text, e.label) for e in examples] == [
        ("a cat", "good"),
        ("a dog", "bad"),
        ("the moon", None),
    ]
    assert examples[2].where == f"{source}, row 3"


def test_columns_of_pyarrow_alone_are_read_by_every_reader(tmp_path):
    scores = pa.array([3.8], pa.float32())
    path = write(tmp_path / "a.parquet", sentence1=["a"], sentence2=["b"], score=scores)
    (pair,) = read_text_examples(str(path))
    assert (pair.text, pair.text_pair, pair.label) == ("a", "b", "3.8")
    path = write(tmp_path / "b.parquet", query=["q"], documents=[["x", "y"]], labels=[[1, 0]])
    assert [(e.text_pair, e.label) for e in read_lists(str(path))] == [("x", "1"), ("y", "0")]
    path = write(tmp_path / "c.parquet", context=["A b."], endings=[["c", "d"]], label=[1])
    assert read_choice_examples(str(path))[0].choices == ("c", "d")
    answers = [{"text": ["A"], "answer_start": [0]}]
    path = write(tmp_path / "d.parquet", question=["Q?"], context=["A b."], answers=answers)
    assert read_question_examples(str(path))[0].answers == (("A", 0),)


def test_what_is_wrong_with_a_file_is_said_in_one_line(shards):
    write(shards / "other.parquet", text=["a"], label=["x"])
    write(shards / "empty.parquet", text=["a", None])
    (shards / "torn.parquet").write_bytes((shards / "part-0.parquet").read_bytes()[:-9])
    damaged = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    write(shards / "latin.parquet", text=damaged)
    for read, name, message in (
        (read_text_examples, "[op]*.parquet", "has other columns than .*part-0.parquet|other type"),
        (read_text_examples, "none-*.parquet", "no file matches"),
        (read_text_examples, "torn.parquet", "torn.parquet is not a Parquet file: "),
        (read_text_examples, "latin.parquet", "rows 1 to 1 is not of its column's type: 'utf-8'"),
        (documents, "torn.parquet", "torn.parquet is not a Parquet file: "),
        (documents, "empty.parquet", "row 2 has nothing in the column 'text'"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read(f"{shards}/{name}")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no column 'body'; its columns: 'text', 'label'"):
        list(read_documents([shards / "part-0.parquet"], text_column="body"))


def documents(source):
    return list(read_documents([source]))


def test_the_commands_read_it(shards, tmp_path, capsys):
    run("vocab", shards / "part-0.parquet", "--out", tmp_path / "vocab.txt", "--size", "40")
    assert "a" in (tmp_path / "vocab.txt").read_text().split()
    out = tmp_path / "corpus"
    run("prepare", shards / "part-0.parquet", "--vocab", tmp_path / "vocab.txt", "--out", out)
    assert len(Corpus.open(out).documents) == 2
    line = refused(capsys, "vocab", tmp_path / "no.parquet", "--out", tmp_path / "v.txt")
    assert "no such file or folder" in line
