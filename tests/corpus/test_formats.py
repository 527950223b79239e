import json
import logging
from pathlib import Path

import pytest

from bert_keras.corpus.formats import (
    CSV,
    JSON,
    JSON_LINES,
    TEXT,
    TSV,
    VOCABULARY,
    WIKI,
    Recognized,
    log_formats,
    recognize,
)
from bert_keras.errors import InputError

LINES = '{"id": "0", "text": "One."}\n{"id": "1", "text": "Two."}\n'
ARRAY = json.dumps([{"text": "One."}, {"text": "Two."}], indent=2)
WIKI_TEXT = '<doc id="12" url="x" title="Inn">\nInn\n\nAn inn is small.\n\n</doc>\n'


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("corpus.json", LINES, JSON_LINES),
        ("wiki_00", LINES, JSON_LINES),
        ("a.txt", LINES, JSON_LINES),
        ("a.txt", f"\n{LINES}", JSON_LINES),
        ("a.json", LINES.split("\n")[0], JSON_LINES),
        ("a.jsonl.gz", LINES, JSON_LINES),
        ("a.ndjson", LINES, JSON_LINES),
        ("a.txt", '{"text": "' + "long " * 20_000, JSON_LINES),  # no line's end in the sample
        ("a.json", ARRAY, JSON),
        ("a.txt", ARRAY, JSON),
        ("a.txt", ARRAY[:20], JSON),  # as where the sample ends
        ("a.json", '["One.", "Two."]', JSON),
        ("a.txt", '{\n "text": "One."\n}\n{\n "text": "Two."\n}\n', JSON),
        ("wiki_00", WIKI_TEXT, WIKI),
        ("a.txt", WIKI_TEXT.replace("\n", "\r\n"), WIKI),
        ("a.csv", "text,label\n", CSV),
        ("a.TSV.zst", "text\tlabel\n", TSV),
        ("a.txt", "text\tlabel\nOne.\t1\n", TSV),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n", VOCABULARY),
    ],
)
def test_formats_are_told_by_content(name, start, expected):
    assert recognize(Path(name), start, "text").format == expected


@pytest.mark.parametrize(
    "start",
    [
        "{\\bf Bold} text in LaTeX.\n",
        "{Curly} prose.\n",
        '{"key": value} is how an object looks.\nMore.\n',
        '{"key": 1} is how an object looks.\n',
        "[1]\n\nA footnote.\n",
        '"To be, or not to be."\n',
        "<sigh>\nA poem.\n",
        "<3 means love.\n",
        "{}\n",
        "[MASK] stands for a word, [UNK] for none.\n",
        "# A heading\n\n- a list\n",
        "",
    ],
)
def test_prose_that_only_begins_so_is_text(start):
    assert recognize(Path("a.txt"), start, "text") == Recognized(TEXT)


@pytest.mark.parametrize(
    ("name", "start", "message"),
    [
        ("a.html", "<!DOCTYPE html>\n<html>", "an HTML page.*pandoc -t plain -f html a.html"),
        ("a.txt", '\n<HTML lang="en">', "an HTML page"),
        ("a.txt", "<!-- made by hand -->\n<!doctype HTML >", "an HTML page"),
        ("a.htm", "<p>Text</p>", "an HTML page"),
        ("a", '<?xml version="1.0"?><!DOCTYPE html><html>', "an HTML page"),
        ("a.txt", '<?xml version="1.0"?><a/>', "XML or SGML"),
        ("a.xml", "<corpus><s>A</s></corpus>", "XML or SGML"),
        ("a", '<DOC id="AFP1" type="story" >\n<TEXT>', "XML or SGML"),
        ("dump", '<mediawiki xmlns="x">', "a MediaWiki dump.*WikiExtractor"),
        ("a.txt", "{\\rtf1\\ansi text}", "RTF"),
        ("a.ps", "%!PS-Adobe-3.0", "PostScript"),
        ("a.ipynb", '{\n "cells": [],\n "nbformat": 4\n}', "notebook.*--to markdown a.ipynb"),
    ],
)
def test_what_would_have_to_be_turned_into_text_is_refused(name, start, message):
    with pytest.raises(InputError, match=message):
        recognize(Path(name), start, "text")


def test_what_is_doubtful_is_said_in_one_line_for_each_kind(caplog):
    caplog.set_level(logging.INFO)
    tags = recognize(Path("a.md"), "<p>One <b>bold</b></p>\n<p>two</p>\n", "text")
    table = recognize(Path("b.txt"), "word\tO\n" * 9, "text")
    assert tags.format == table.format == TEXT
    plain, lines = Recognized(TEXT), Recognized(JSON_LINES, example="One.")
    log_formats([("a.md", tags), ("b.txt", table), ("c.md", tags), ("d", plain), ("e", lines)], "t")
    assert caplog.messages == [
        "reading 4 files as text, 1 file as JSON lines (field 't', such as 'One.')",
        "a.md looks like HTML or XML, whose tags are read as text, and so does 1 more",
        "b.txt looks like a table, read as text; to read a column of it call it .tsv",
    ]
