"""Raw text to be tagged, beside files of words."""

import logging

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.tagging import Tagging


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "Hi, you.\n", ("Hi", ",", "you", ".")),
        ("a.txt", "Hi\tO\nyou\tB-per\n", ("Hi", "you")),
        ("a.conll", "Hi,\nyou\n", ("Hi,", "you")),
        ("a.jsonl", '{"text": "Hi, you."}', ("Hi", ",", "you", ".")),
        ("a.jsonl", '{"tokens": ["Hi,", "you."], "tags": ["O", "O"]}', ("Hi,", "you.")),
        ("a.csv", 'text,label\n"Hi, you.",1\n', ("Hi", ",", "you", ".")),
    ],
)
def test_texts_to_be_answered_come_raw_or_in_words(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    (example,) = Tagging().read_texts(str(tmp_path / name))
    assert (example.words, example.tags) == (words, None)


def test_raw_text_in_a_column_of_any_name_is_answered_and_never_learned_from(tmp_path):
    source = str(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text('nr,remark\n1,"Hi, you."\n2,Bye\n')
    task = Tagging(text_column="remark")
    assert [e.words for e in task.read_texts(source)] == [("Hi", ",", "you", "."), ("Bye",)]
    with pytest.raises(InputError, match=r"text_column = 'remark' names raw text, .* word_column"):
        task.read(source)


def test_a_column_of_words_is_refused_of_a_file_that_is_read_as_raw_text(tmp_path):
    (tmp_path / "a.csv").write_text("word,tag\nHi,O\n")
    for read in (Tagging(word_column="word").read_texts, Tagging(word_column="word").read):
        with pytest.raises(InputError, match=r"a.csv is read as raw text, .* of words, 'word'"):
            read(str(tmp_path / "a.csv"))


def test_a_column_of_text_and_one_of_words_are_refused_together():
    with pytest.raises(InputError, match=r"only one may be given. Received: \('remark', 'word'\)"):
        Tagging(text_column="remark", word_column="word")


def test_text_beside_the_words_that_are_answered_is_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "bert_keras")
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "Hi, you.", "tokens": ["Hi,", "you."], "tags": ["O", "O"]}\n')
    (example,) = Tagging().read_texts(str(source))
    assert example.words == ("Hi,", "you.")
    assert caplog.text.rstrip().endswith("word = 'tokens' ('Hi,'); passed over: \"text\", \"tags\"")
    caplog.clear()
    (example,) = Tagging(text_column="text").read_texts(str(source))
    assert example.words == ("Hi", ",", "you", ".")
    assert 'text = column "text"; passed over: "tokens", "tags"' in caplog.text


def test_words_in_a_row_after_raw_text_are_refused(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "Hi"}\n{"text": "Hi, you.", "tokens": ["Hi,", "you."]}\n')
    with pytest.raises(InputError, match="row 2 has the words 'tokens', but the rows before it"):
        Tagging().read_texts(str(source))
    assert len(Tagging(text_column="text").read_texts(str(source))) == 2


@pytest.mark.parametrize(("name", "end"), [("a.txt", ""), ("a.tsv", "\tno")])
def test_what_is_doubtful_in_raw_text_is_said_once(tmp_path, caplog, name, end):
    text = f"a fine\rfilm{end}\nyes \udcff it is{end}\n"
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    Tagging().read_texts(str(tmp_path / name))
    (byte,) = [m for m in caplog.messages if "not UTF-8" in m]
    (mark,) = [m for m in caplog.messages if "carriage return" in m]
    assert "row 1: " in mark
    assert byte.endswith("line 2")
