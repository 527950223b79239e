import html
import json

import pytest

from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError

PAGES = {
    "Hotel": "A hotel is a house. It has rooms.\n\nSome have a bar.",
    "R&B": "R&B is <rhythm> & blues.",
    'The "Inn"': "Inn\n\nAn inn is small.",
    "Redirect": "",
}


def extracted(escape=True):
    """What WikiExtractor 3 writes (extract.py), whose text is escaped but whose title is not."""
    parts = []
    for number, (title, text) in enumerate(PAGES.items()):
        text = html.escape(text, quote=False) if escape else text
        parts.append(
            f'<doc id="{number}" url="https://en.wikipedia.org/wiki?curid={number}" '
            f'title="{title}">\n{title}\n\n{text}\n\n</doc>\n'
        )
    return "".join(parts)


@pytest.mark.parametrize("escape", [True, False])
@pytest.mark.parametrize("name", ["wiki_00", "a.txt"])
def test_each_block_is_a_document_without_tags_and_title(tmp_path, name, escape):
    (tmp_path / name).write_text(extracted(escape))
    documents = []
    for paragraph in read_documents([tmp_path / name]):
        documents.append(None) if paragraph is None else documents.append(paragraph)
    expected = []
    for text in PAGES.values():
        expected += [*([line] for line in text.split("\n\n") if line), None]
    assert documents == expected


def test_its_json_output_gives_the_same_documents(tmp_path):
    (tmp_path / "wiki_00").write_text(extracted(escape=False))
    lines = (json.dumps({"id": "1", "title": title, "text": t}) for title, t in PAGES.items())
    (tmp_path / "wiki_01").write_text("\n".join(lines))
    first, second = (list(read_documents([tmp_path / f"wiki_0{n}"])) for n in (0, 1))
    assert first == second


def test_a_folder_of_its_files_is_read(tmp_path):
    (tmp_path / "AA").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(extracted())
    (tmp_path / "AA" / "LICENSE").write_text("no text of the corpus")
    assert list(read_documents([tmp_path])) == list(read_documents([tmp_path / "AA" / "wiki_00"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{0}stray\n", "line 7: text outside of <doc ...> and </doc>. Received: 'stray'"),
        ('<doc id="0" url="" title="x">\nx\n{0}', "line 3: a document begins before </doc>"),
    ],
)
def test_what_is_no_such_file_is_refused_by_line(tmp_path, text, message):
    block = '<doc id="1" url="" title="y">\ny\n\nText.\n\n</doc>\n'
    (tmp_path / "wiki_00").write_text(text.format(block))
    with pytest.raises(InputError, match=message):
        list(read_documents([tmp_path / "wiki_00"]))
