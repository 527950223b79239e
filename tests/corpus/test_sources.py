import logging
import os
import threading
import tracemalloc

import pytest

from bert_keras.corpus.inputs import resolve_inputs
from bert_keras.corpus.sources import ReadCounts, read_documents, read_lines
from bert_keras.errors import InputError


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_blank_lines_end_paragraphs_and_files_end_documents(tmp_path):
    a = _write(tmp_path / "a.txt", "one\ntwo\n\n \nthree\r\n")
    b = _write(tmp_path / "b.txt", "four")
    assert list(read_documents([a, b])) == [["one", "two"], ["three"], None, ["four"], None]


def test_split_blank_line_makes_each_block_a_document(tmp_path):
    a = _write(tmp_path / "a.txt", "\none\ntwo\n\n\nthree\n")
    assert list(read_documents([a], split="blank-line")) == [["one", "two"], None, ["three"], None]


def test_an_empty_file_is_an_empty_document(tmp_path):
    assert list(read_documents([_write(tmp_path / "a.txt", "\n \n")])) == [None]


def test_bad_bytes_are_replaced_and_counted(tmp_path):
    good = "plain text, très naïf " * 20
    a = _write(tmp_path / "a.txt", good.encode() + b"caf\xe9 \xe4\xb8 na\xefve")
    counts = ReadCounts()
    expected = good + "caf\ufffd \ufffd\ufffd na\ufffdve"
    assert list(read_documents([a], counts=counts)) == [[expected], None]
    assert counts.replaced_bytes == 4
    assert counts.bytes_done == a.stat().st_size


def test_a_byte_order_mark_is_not_text(tmp_path):
    a = _write(tmp_path / "a.txt", b"\xef\xbb\xbfword")
    assert list(read_documents([a])) == [["word"], None]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text".encode("utf-16"), "UTF-16"),
        (b"\x7fELF\x00\x01\x02", "zero bytes"),
        (b"\x1f\x8b\x08rest", "gzip"),
        ("这家酒店的房间非常干净，服务也很好。".encode("gb18030"), "GB18030"),
        (("ÀÉÎÕÜ" * 9).encode("latin-1"), "iconv"),
    ],
)
def test_what_is_no_utf8_text_is_refused_with_what_to_do(tmp_path, data, message):
    path = _write(tmp_path / "bad.txt", data)
    with pytest.raises(InputError, match=message) as caught:
        list(read_documents([path]))
    assert "\n" not in str(caught.value)
    assert "bad.txt" in str(caught.value)


def test_inputs_that_name_nothing_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, message in (
        (tmp_path / "none.txt", "no such file or folder"),
        (tmp_path / "empty", "holds no text files"),
        (tmp_path / "*.txt", "no file matches"),
    ):
        with pytest.raises(InputError, match=message):
            resolve_inputs([str(name)])
    with pytest.raises(InputError, match="no input"):
        resolve_inputs([])
    with pytest.raises(InputError, match="split must be"):
        list(read_documents([tmp_path], split="line"))


def test_progress_ends_at_the_size_of_the_inputs(tmp_path):
    a = _write(tmp_path / "a.txt", "word\n\n" * 5_000)
    seen = []
    list(read_documents([a], on_progress=lambda done, total: seen.append((done, total))))
    assert seen[-1] == (a.stat().st_size, a.stat().st_size)
    assert seen == sorted(seen)


def test_a_pipe_is_read_though_it_has_no_position():
    reader, writer = os.pipe()
    os.write(writer, b"one\ntwo\n")
    os.close(writer)
    assert list(read_lines([f"/dev/fd/{reader}"])) == ["one", "two"]
    os.close(reader)


def test_lines_are_read_without_their_ends(tmp_path):
    a = _write(tmp_path / "a.txt", "one\n\n two \n")
    assert list(read_lines([a])) == ["one", "two"]


@pytest.mark.parametrize(
    "text", ["A sentence of words.\n", pytest.param("word word ", marks=pytest.mark.system)]
)
def test_a_large_file_is_streamed_whether_in_lines_or_not(tmp_path, text):
    size = 8_000_000
    a = _write(tmp_path / "a.txt", text * (size // len(text)))
    tracemalloc.start()
    words = sum(len(line.split()) for paragraph in read_documents([a]) for line in paragraph or ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words == len(text.split()) * (size // len(text))
    assert peak < 5_000_000


def test_what_was_read_is_said_before_the_first_paragraph(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    a, b = _write(tmp_path / "a.txt", "x"), _write(tmp_path / "b.jsonl", '{"text": "One."}')
    next(read_documents([a, b]))
    assert caplog.messages == [
        "reading 1 file as text, 1 file as JSON lines (field 'text', such as 'One.')"
    ]


def test_a_vocabulary_among_the_inputs_is_left_out_with_a_note(tmp_path, caplog):
    a = _write(tmp_path / "a.txt", "some words")
    vocab = _write(tmp_path / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsome\n")
    for inputs in ([tmp_path], [f"{tmp_path}/*.txt"], [a, vocab]):
        assert list(read_lines(inputs)) == ["some words"]
        assert f"left out, as it is a vocabulary: {vocab}" in caplog.text
        caplog.clear()
    with pytest.raises(InputError, match=r"no input is left: .*vocab\.txt is a vocabulary"):
        list(read_lines([vocab]))


METRICS = '{"step": 1, "split": "train", "mlm_loss": 4.5}\n'
ANSWERS = [
    ("a.jsonl", '{"row": 1, "text": "words", "label": "a", "score": 0.9, "scores": {"a": 0.9}}\n'),
    ("a.jsonl", '{"row": 1, "id": "x", "text": "words", "words": ["words"], "tags": ["O"]}\n'),
    ("a.jsonl", '{"row": 7, "question": "Who?", "answer": "me", "no_answer_score": -3.0}\n'),
    ("a.csv", "row,text,label,score,score_a,score_b\n1,words,a,0.9,0.9,0.1\n"),
    ("a.tsv", "row\tid\ttext\tlabels\tscore_a\n1\tx\twords\ta\t0.9\n"),
]


@pytest.mark.parametrize(("name", "content"), [("metrics.jsonl", METRICS), *ANSWERS])
def test_logs_and_answers_are_left_out_with_a_note(tmp_path, caplog, name, content):
    _write(tmp_path / "b.txt", "some words")
    path = _write(tmp_path / name, content)
    assert list(read_lines([f"{tmp_path}/*"])) == ["some words"]
    what = "the log of a run" if name == "metrics.jsonl" else "a model's answers"
    assert f"left out, as it is {what}: {path}" in caplog.text


@pytest.mark.parametrize(
    "row",
    [
        '{"row": 1, "text": "words", "label": "a"}',
        '{"row": 1, "text": "words", "score": 4.5}',
        '{"text": "words", "row": 1, "scores": {"a": 1}}',
        '{"step": 1, "text": "words"}',
    ],
)
def test_rows_of_ones_own_that_resemble_answers_or_a_log_are_read(tmp_path, row):
    assert list(read_lines([_write(tmp_path / "a.jsonl", row)])) == ["words"]


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link"])
def test_the_commands_other_files_are_left_out_whatever_they_are_called(tmp_path, caplog, way):
    _write(tmp_path / "texts" / "a.txt", "some words")
    # Pieces like words: by its content this one could be a text.
    other = _write(tmp_path / "pieces", "some\nwords\n")
    path = tmp_path / "texts" / "b.txt"
    if way == "symbolic link":
        path.symlink_to(other)
    elif way == "hard link":
        path.hardlink_to(other)
    else:
        other = other.rename(path)
    documents = list(read_documents([tmp_path / "texts"], others=[other, tmp_path / "none"]))
    assert documents == [["some words"], None]
    assert f"left out, as it is given to the command as something else, too: {path}" in caplog.text


def test_a_column_that_no_input_has_is_refused(tmp_path):
    a = _write(tmp_path / "a.txt", "some words")
    with pytest.raises(InputError, match=r"'body', but .*a.txt is plain text; a table"):
        next(read_documents([a], text_column="body"))
    b = _write(tmp_path / "b.jsonl", '{"body": "One."}')
    assert list(read_lines([a, b], text_column="body")) == ["some words", "One."]


def test_bad_bytes_of_all_inputs_are_one_warning_with_the_first_place(tmp_path, caplog):
    a = _write(tmp_path / "a.txt", "très déjà vu\n".encode() + b"\xe9\n")
    b = _write(tmp_path / "b.txt", "né né\n".encode() + b"\xe9\n")
    list(read_documents([a, b]))
    assert caplog.messages == [f"2 bytes are not UTF-8 and became U+FFFD, the first in {a}, line 2"]


def test_latin1_after_megabytes_of_ascii_leaves_no_corpus(tmp_path):
    from bert_keras.corpus import prepare_corpus
    from bert_keras.tokenization import learn_vocabulary, write_vocabulary

    a = _write(tmp_path / "a.txt", b"plain words\n\n" * 100_000 + b"caf\xe9\n")
    write_vocabulary(tmp_path / "v", learn_vocabulary(["plain words"], 60))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        prepare_corpus([a], tmp_path / "v", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "v"]


def test_answers_from_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    text = '{"row": 1, "text": "words", "label": "a", "score": 0.9, "scores": {"a": 0.9}}\n'
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    with pytest.raises(InputError, match="pipe is a model's answers, not text; leave it out"):
        list(read_lines([tmp_path / "pipe"]))
    writer.join()
