import sysconfig

import pytest

from bert_keras.corpus import pydocs

MODULE = '''"""Tools that are used to read and to write the tables of a document.

They do not know what is in the cells. A cell may be empty.

    >>> the_doctest(1) is not what is called prose, it must be left out.
"""

URL = "http://example.org/#fragment"  # a "quoted" comment
TEXT = """
assigned text is not a docstring, even when it is a sentence that is long enough.
"""


def read(path, strict=False):
    r"""Reads the table that is at a path and gives it back to the caller.

    Args:
        path: The file that is to be read, which must be a table of text.
        strict (bool): Whether a row that is too short is an error or not.
    """
    # This comment tells in two lines why the table is read at
    # once and is not streamed to the one who called.
    return 'it\\'s """ no docstring that is the start of anything'


def write(path):
    \'\'\'Writes the table to a path, and it must not be there before.\'\'\'
'''


@pytest.fixture
def installation(tmp_path, monkeypatch):
    roots = {name: tmp_path / name for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    for root in roots.values():
        root.mkdir()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {k: str(v) for k, v in roots.items()})
    return tmp_path


def test_prose_is_kept_and_code_left_out(installation):
    (installation / "stdlib" / "module.py").write_text(MODULE)
    assert list(pydocs.pydocs_documents()) == [
        [
            "Tools that are used to read and to write the tables of a document.",
            "They do not know what is in the cells. A cell may be empty.",
            "Reads the table that is at a path and gives it back to the caller.",
            "The file that is to be read, which must be a table of text.",
            "Whether a row that is too short is an error or not.",
            "Writes the table to a path, and it must not be there before.",
            "This comment tells in two lines why the table is read at once and is not streamed to "
            "the one who called.",
        ]
    ]


def test_a_paragraph_comes_once_and_modules_are_sorted(installation):
    for name, text in (("b", "is the second one"), ("a", "is the first one")):
        source = f'"""The text that all of them have in common.\n\nThis module {text} of them."""'
        (installation / "purelib" / f"{name}.py").write_text(source)
    assert list(pydocs.pydocs_documents()) == [
        ["The text that all of them have in common.", "This module is the first one of them."],
        ["This module is the second one of them."],
    ]


def test_broken_and_foreign_sources_are_passed_over(installation):
    (installation / "stdlib" / "latin.py").write_bytes(b'"""\xe9 is not what is in UTF-8."""')
    (installation / "stdlib" / "open.py").write_text('"""This is never closed and it is not read.')
    assert list(pydocs.pydocs_documents()) == []


def test_the_limit_stops_the_reading(installation):
    for number in range(5):
        source = f'"""This is the text of the module that has number {number}."""'
        (installation / "stdlib" / f"m{number}.py").write_text(source)
    assert len(list(pydocs.pydocs_documents(limit_bytes=90))) == 2


@pytest.mark.slow
def test_this_installation_gives_megabytes_of_prose_twice_the_same():
    documents = list(pydocs.pydocs_documents())
    assert sum(len(paragraph) for document in documents for paragraph in document) > 8_000_000
    assert documents == list(pydocs.pydocs_documents())
    assert not any(">>>" in paragraph for document in documents for paragraph in document)
