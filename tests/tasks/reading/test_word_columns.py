"""The columns of words and tags, where they are named."""

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import read_tagged_examples

CONLLU = """\
1\tBonn\tBonn\tPROPN\tNNP\t_\t2\tnsubj\t_\tSpaceAfter=No|NER=B-LOC
2\twins\twin\tVERB\tVBZ\t_\t0\troot\t_\t_
"""


def _read(folder, text, labeled=True, **columns):
    (folder / "a.conll").write_text(text, encoding="utf-8")
    return read_tagged_examples(str(folder / "a.conll"), labeled=labeled, **columns)


@pytest.mark.parametrize(
    ("text", "tag", "message"),
    [
        (CONLLU, "MISC:NERR", 'MISC has the key \'NERR\' .*; its keys: "SpaceAfter", "NER"$'),
        (CONLLU, "MISC:ner", r"no cell of MISC has the key 'ner' \(data.tag_column\)"),
        (CONLLU, "4:NER", "no cell of UPOS has .*; none has a key, as in KEY=VALUE"),
        ("Bonn NNP O\nwins VBZ O\n", "2:NER", "no cell of column 2 has the key 'NER'"),
    ],
)
def test_a_key_that_no_cell_has_is_refused(tmp_path, text, tag, message):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text, tag_column=tag)
    assert _read(tmp_path, text, tag_column=tag, labeled=False)[0].words == ("Bonn", "wins")
