import io
import logging
from pathlib import Path

import pytest

from bert_keras.corpus.decoding import ReadCounts, open_text
from bert_keras.errors import InputError


def read(path, data):
    path.write_bytes(data)
    counts = ReadCounts()
    with path.open("rb") as raw, open_text(path, raw, counts) as file:
        return file.read(), counts


@pytest.mark.parametrize(
    "data",
    [
        b'text,label\n"caf\xe9",n\xe9\n"eau",x\n',  # 38 bytes, the labels merge
        b"one word: caf\xe9",  # the only character beyond ASCII, and the last
        b"plain words\n" * 300_000 + b"caf\xe9 na\xefve\n",  # long after the sample
        "die Größe\n".encode("latin-1") * 3 + "über".encode(),  # one good character by chance
        b"it\x92s a quote\n",  # Windows-1252
    ],
)
def test_a_file_whose_bad_bytes_outnumber_its_good_characters_is_refused(tmp_path, data):
    with pytest.raises(InputError, match=r"is not UTF-8 text: .* the first in line") as caught:
        read(tmp_path / "a.csv", data)
    message = str(caught.value)
    line = data[: next(n for n, byte in enumerate(data) if byte > 127)].count(b"\n") + 1
    assert f"line {line:,};" in message
    assert "iconv -f " in message
    assert str(tmp_path / "a.utf8.csv") in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "bad", "line"),
    [
        ("très bon, déjà\n".encode() * 4 + b"\xe9t\xe9\n", 2, 5),
        ("这家酒店".encode()[:-1], 2, 1),  # cut in the middle of a character
        ("plain but for 店".encode()[:-1], 2, 1),
        (b"plain\nwith \xff damage\n", 1, 2),  # in no encoding a letter
    ],
)
def test_a_few_broken_bytes_are_counted_with_the_first_line(tmp_path, data, bad, line):
    text, counts = read(tmp_path / "a.txt", data)
    assert text == data.decode("utf-8", errors="surrogateescape").translate(
        dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
    )
    assert counts.replaced_bytes == bad
    assert counts.first_replaced == f"{tmp_path / 'a.txt'}, line {line}"


def test_both_kinds_of_loss_are_warned_of_in_a_line_each(tmp_path, caplog):
    _, counts = read(tmp_path / "a.txt", "né né\nca\ufffd\n".encode() + b"\xff")
    counts.warn()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "1 byte is not UTF-8" in caplog.messages[0]
    assert "line 3" in caplog.messages[0]
    assert "1 character is U+FFFD" in caplog.messages[1]
    assert "line 2" in caplog.messages[1]


def test_counts_of_several_files_keep_the_first_place():
    counts = ReadCounts(bytes_done=1)
    counts.add(ReadCounts(2, 3, "b, line 4", 5, "b, line 6"))
    counts.add(ReadCounts(2, 3, "c, line 4", 5, "c, line 6"))
    assert counts == ReadCounts(5, 6, "b, line 4", 10, "b, line 6")


def test_byte_order_marks_of_joined_files_are_no_text(tmp_path):
    text, _ = read(tmp_path / "a.csv", "\ufeff\ufefftext,label\n".encode())
    assert text == "text,label\n"


def test_lines_are_those_of_the_file_whatever_the_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("bert_keras.corpus.decoding._BLOCK", 7)
    path = tmp_path / "a.txt"
    path.write_text("one\n\nthe second line, longer than a block\nthree", encoding="utf-8")
    with path.open("rb") as raw, open_text(path, raw, ReadCounts()) as file:
        assert list(file) == path.read_text().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"PK\x03\x04 ... word/document.xml \0",
            "a Word document, not text; save it as text first",
        ),
        (b"PK\x03\x04 ... xl/workbook.xml \0", "Excel workbook.*as CSV"),
        (b"PK\x03\x04 data.txt \0", "a zip archive, not text; unpack it first"),
        (b"%PDF-1.4\n\xe2\xe3", "a PDF.*pdftotext"),
        (b"PAR1\x15\x04", "a Parquet file.*JSON lines"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive"),
        (b"name" + b"\0" * 253 + b"ustar", "a tar archive"),
        ("text".encode("utf-16"), "is UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8"),
        ("text\n".encode("utf-16-be"), "is UTF-16BE text; convert it: iconv -f UTF-16BE"),
        ("text".encode("utf-32"), "is UTF-32 text"),
        (b"\x7fELF\x00\x01\x02", "zero bytes"),
    ],
    ids=range(11),
)
def test_what_is_no_text_is_named_with_what_to_do(tmp_path, data, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "a.txt", data)
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_standard_input_has_no_file_to_name(tmp_path):
    raw = io.BufferedReader(io.BytesIO(b"caf\xe9\n"))
    with (
        pytest.raises(InputError, match=r"iconv -f LATIN1 -t UTF-8$"),
        open_text(Path("standard input"), raw, ReadCounts()) as file,
    ):
        file.read()
