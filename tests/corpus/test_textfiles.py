import json

import pytest

from bert_keras.corpus.sources import ReadCounts, read_documents
from bert_keras.errors import InputError


def _write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_every_json_line_is_a_document(tmp_path):
    texts = ["One line.", "Two\nlines.\n\nAnd a paragraph.", "一篇中文。", ""]
    path = _write(tmp_path / "a.jsonl", *(json.dumps({"id": 1, "text": t}) for t in texts), "", " ")
    documents = [
        *[["One line."], None],
        *[["Two", "lines."], ["And a paragraph."], None],
        *[["一篇中文。"], None],
        None,
    ]
    assert list(read_documents([path])) == documents


def test_blank_lines_part_the_text_of_a_json_line(tmp_path):
    path = _write(tmp_path / "a.jsonl", json.dumps({"text": "one\n\n \ntwo\r\n\r\nthree"}))
    expected = [["one"], None, ["two"], None, ["three"], None]
    assert list(read_documents([path], split="blank-line")) == expected


def test_a_json_line_may_be_longer_than_a_line_of_text(tmp_path):
    text = "word " * 200_000
    path = _write(tmp_path / "a.jsonl", json.dumps({"text": text}))
    lines = [line for paragraph in read_documents([path]) for line in paragraph or ()]
    assert " ".join(lines).split() == text.split()


def test_half_a_surrogate_pair_in_json_is_replaced(tmp_path):
    counts = ReadCounts()
    path = _write(tmp_path / "a.jsonl", r'{"text": "half \ud83d and \ud83d\ude00 whole"}')
    assert next(read_documents([path], counts=counts)) == ["half \ufffd and 😀 whole"]
    assert counts.replaced_bytes == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut', r"line 3 is not valid JSON: .* \(character 10\)$"),
        ("[" * 100_000, "line 3 is not valid JSON"),
        ('{"body": "x", "title": "y"}', "line 3 has no field 'text'; its fields: 'body', 'title'"),
        ("{}", "line 3 has no field 'text'; its fields: none"),
        ('"text"', "line 3 must be a JSON object with the field 'text'. Received: str"),
        ('{"text": 5}', "line 3: the field 'text' must be a string. Received: int"),
        ('{"text": null}', "Received: NoneType"),
    ],
)
def test_a_broken_json_line_is_named_by_its_number(tmp_path, line, message):
    path = _write(tmp_path / "a.jsonl", '{"text": "good"}', "", line, '{"text": "good"}')
    with pytest.raises(InputError, match=message) as caught:
        list(read_documents([path]))
    assert "a.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_huge_json_document_is_refused_before_it_fills_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("bert_keras.corpus.textfiles._MAX_JSON_LINE", 300_000)
    path = _write(tmp_path / "a.jsonl", "[" + '"word", ' * 100_000)
    with pytest.raises(InputError, match="longer than 300,000 characters"):
        list(read_documents([path]))


def test_a_blank_line_after_a_part_of_a_long_paragraph_ends_the_document(tmp_path):
    path = _write(tmp_path / "a.txt", *["A line that ends."] * 15_421, "", "More.")
    items = list(read_documents([path], split="blank-line"))
    assert [item is None for item in items] == [False, True, False, True]
    assert len(items[0]) == 15_421  # it was given out as soon as it was long enough
