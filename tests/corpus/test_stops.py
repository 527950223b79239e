import pytest
from tokenizers.pre_tokenizers import BertPreTokenizer

from bert_keras.corpus.sentences import split_paragraph
from bert_keras.corpus.stops import MARKS, STOPS, STOPS_BEFORE_SPACE

FULL_STOPS = ".\u2024\ufe52\uff0e"
COMMAS = "\u104a\ua9c8"


@pytest.mark.parity  # its packages bring regex, which has the property
def test_the_table_is_unicode_s_sentence_terminal():
    regex = pytest.importorskip("regex")
    terminal = regex.compile(r"\p{Sentence_Terminal}")
    characters = (chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000)
    expected = {character for character in characters if terminal.match(character)}
    ours = set(MARKS + STOPS + STOPS_BEFORE_SPACE) - set(".…\u037e")
    assert ours == expected - set(FULL_STOPS + COMMAS)


def test_no_mark_is_in_the_table_twice():
    marks = MARKS + STOPS + STOPS_BEFORE_SPACE
    assert len(set(marks)) == len(marks) > 150


def test_every_stop_ends_a_sentence_before_a_space_and_most_without_one():
    for stop in STOPS + STOPS_BEFORE_SPACE:
        assert split_paragraph([f"क{stop} ख{stop}"]) == [f"क{stop}", f"ख{stop}"], hex(ord(stop))
    for stop in STOPS:
        assert split_paragraph([f"क{stop}ख"]) == [f"क{stop}", "ख"], hex(ord(stop))


def test_the_tokenizer_parts_words_at_every_stop_that_is_looked_for_within_them():
    part = BertPreTokenizer().pre_tokenize_str
    assert all(len(part(f"a{stop}b")) == 3 for stop in STOPS)
