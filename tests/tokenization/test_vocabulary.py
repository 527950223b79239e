import hashlib

import pytest

from bert_keras.errors import InputError
from bert_keras.tokenization import (
    BertTokenizer,
    read_vocabulary,
    write_vocabulary,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = "low lower lowest new newer newest wide wider widest slow slower slowest " * 5


def _write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_is_written_is_read_back_with_odd_pieces(tmp_path):
    vocabulary = [*SPECIAL, "a", "##a", "\u2028", "\u00a0", "中"]
    write_vocabulary(tmp_path / "vocab.txt", vocabulary)
    assert read_vocabulary(tmp_path / "vocab.txt") == vocabulary
    content = (tmp_path / "vocab.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == BertTokenizer(vocabulary).vocab_hash


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*SPECIAL, "a"]).encode())
    assert read_vocabulary(path) == [*SPECIAL, "a"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (SPECIAL[:-1], r"lacks \[MASK\]"),
        ([*SPECIAL, "a", "b", "a"], "'a' is on line 6 and again on line 8"),
        ([*SPECIAL, "", "a"], "line 6 is empty"),
        ([], "lacks"),
    ],
)
def test_a_broken_vocabulary_is_refused_in_one_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as caught:
        read_vocabulary(_write(tmp_path / "vocab.txt", lines))
    assert "\n" not in str(caught.value)


def test_a_vocabulary_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe")
    with pytest.raises(InputError, match="byte 0xff"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_a_missing_vocabulary_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_vocabulary(tmp_path / "vocab.txt")
