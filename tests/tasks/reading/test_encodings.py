"""Labeled files in other encodings: as labels, letters that are lost would merge."""

import io
import json

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import (
    read_question_examples,
    read_tagged_examples,
    read_text_examples,
)

TABLE = 'text,label\n"café",né\n"thé",nè\n"eau",x\n'
CONLL = "Zoë\tB-PER\nist\tO\n\n"
SQUAD = json.dumps(
    {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "Le thé.",
                        "qas": [
                            {
                                "id": "1",
                                "question": "Quoi?",
                                "answers": [{"text": "thé", "answer_start": 3}],
                            }
                        ],
                    }
                ]
            }
        ]
    },
    ensure_ascii=False,
)
FILES = {
    "a.csv": (read_text_examples, TABLE),
    "a.tsv": (read_text_examples, TABLE.replace('"', "").replace(",", "\t")),
    "a.txt": (read_text_examples, "café\nthé\n"),
    "a.jsonl": (read_text_examples, '{"text": "café", "label": "né"}\n'),
    "a.conll": (read_tagged_examples, CONLL),
    "a.json": (read_question_examples, SQUAD),
}


@pytest.mark.parametrize("name", FILES)
def test_a_latin1_file_is_refused_with_the_command_that_converts_it(tmp_path, name):
    read, text = FILES[name]
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"iconv -f LATIN1 -t UTF-8 .* > .*utf8"):
        read(str(path))


@pytest.mark.parametrize("name", FILES)
def test_a_few_broken_bytes_are_counted_with_the_first_line(tmp_path, caplog, name):
    read, text = FILES[name]
    path = tmp_path / name
    path.write_bytes(text.encode().replace("é".encode(), b"\xff", 1).replace("ë".encode(), b"\xff"))
    read(str(path))
    line = 1 + text[: max(text.find("é"), text.find("ë"))].count("\n")
    assert caplog.messages[0] == (
        f"1 byte is not UTF-8 and became U+FFFD, the first in {path}, line {line}"
    )


def test_standard_input_is_held_to_it_too(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO("café\n".encode("latin-1")))
    monkeypatch.setattr("sys.stdin", stream)
    with pytest.raises(InputError, match="standard input is not UTF-8 text"):
        read_text_examples("-")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    assert [example.label for example in read_text_examples(str(path))] == ["né", "nè", "x"]
