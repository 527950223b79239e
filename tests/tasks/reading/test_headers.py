"""Which column is which: by its number, by a usual name, or by the name that is given."""

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import read_text_examples
from tests.tasks.reading.rows import rows_of, write_file


def test_columns_without_a_header_go_by_their_number(tmp_path):
    one = write_file(tmp_path, "one.tsv", "good film\nbad film\n")
    assert rows_of(one) == [("good film", None, None), ("bad film", None, None)]
    two = write_file(tmp_path, "two.tsv", "good film\t1\nbad film\t0\n")
    assert rows_of(two) == [("good film", None, "1"), ("bad film", None, "0")]
    three = write_file(tmp_path, "three.tsv", "it rains\tit is wet\tyes\n")
    assert rows_of(three) == [("it rains", "it is wet", "yes")]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("label\treview\tid", ("b", None, "a")),
        ("Sentence\tLabel\tx", ("a", None, "b")),
        ("\ufeffQuality\t#1 String\t#2 String", ("b", "c", "a")),
        ("premise\thypothesis\tgold_label", ("a", "b", "c")),
        ("index\tsentence\tother", ("b", None, None)),
        ("question\tsentence\tscore", ("a", "b", "c")),
        ("text \t label \tx", ("a", None, "b")),
        ("score\tcategory\ttext", ("c", None, "b")),
        ("text_a\tlabel\tx", ("a", None, "b")),
        ("id\tsentence1\tx", ("b", None, None)),
        ("Premise\tother\tgold_label", ("a", None, "c")),
    ],
)
def test_a_header_with_usual_names_says_which_column_is_which(tmp_path, header, expected):
    assert rows_of(write_file(tmp_path, "a.tsv", f"{header}\na\tb\tc\n")) == [expected]


def test_columns_that_are_named_win(tmp_path):
    path = write_file(tmp_path, "a.csv", "text,body,label,kind\na,b,c,d\n")
    assert rows_of(path) == [("a", None, "c")]
    assert rows_of(path, text_column="body") == [("b", None, "c")]
    assert rows_of(path, text_pair_column="body", label_column="kind") == [("a", "b", "d")]
    path = write_file(tmp_path, "b.csv", "premise,hypothesis,label\na,b,c\n")
    assert rows_of(path, text_column="hypothesis") == [("b", None, "c")]
    assert rows_of(path, text_pair_column="hypothesis") == [("a", "b", "c")]


def test_a_txt_file_with_a_header_of_tabs_is_a_table(tmp_path):
    path = write_file(tmp_path, "a.txt", "Quality\t#1 String\t#2 String\n1\ta\tb\n")
    assert rows_of(path) == [("a", "b", "1")]
    path = write_file(tmp_path, "b.txt", "mine\tyours\na\tb\n")
    assert rows_of(path, text_column="yours") == [("b", None, None)]


def test_a_header_without_a_known_text_is_not_taken_for_data(tmp_path):
    (tmp_path / "odd.csv").write_text("phrase,Sentiment\na fine film,1\n")
    with pytest.raises(
        InputError, match="must name the one with the text; its columns: 'phrase', 'Sen"
    ):
        read_text_examples(str(tmp_path / "odd.csv"))
    (example,) = read_text_examples(str(tmp_path / "odd.csv"), text_column="phrase")
    assert (example.text, example.label) == ("a fine film", "1")


def test_a_first_row_that_may_be_data_is_not_taken_for_a_header(tmp_path):
    path = write_file(tmp_path, "a.tsv", "who left?\tquestion\nfine\tcomment\nwho?\tquestion\n")
    with pytest.raises(InputError, match=r"a.tsv, row 3 has 'question' .* is that a header\?"):
        read_text_examples(path)
    headed = write_file(tmp_path, "b.tsv", "text\tlabel\nwho left?\tquestion\nwho?\tquestion\n")
    assert [label for _, _, label in rows_of(headed)] == ["question", "question"]
    named = write_file(tmp_path, "c.tsv", "id\ttext\n1\ttext\n")
    assert rows_of(named, text_column="text") == [("text", None, None)]
    single = write_file(tmp_path, "d.tsv", "1\n2\n1\n")
    assert [text for text, _, _ in rows_of(single)] == ["1", "2", "1"]


def test_a_column_that_is_there_twice_is_not_guessed(tmp_path):
    (tmp_path / "twice.csv").write_text("text,label,label,note,note\na fine film,1,good,x,y\n")
    with pytest.raises(InputError, match="several columns 'label'; rename all but one"):
        read_text_examples(str(tmp_path / "twice.csv"))


def test_a_missing_column_is_named_beside_those_there_are(tmp_path):
    path = write_file(tmp_path, "a.tsv", "text\tlabel\na\t1\n")
    with pytest.raises(InputError, match=r"no column 'stars'; its columns: 'text', 'label'"):
        read_text_examples(path, label_column="stars")
    path = write_file(tmp_path, "b.tsv", "body\tstars\na\t1\n")
    with pytest.raises(InputError, match=r"name the one with the text; .* 'body', 'stars'"):
        read_text_examples(path, label_column="stars")
