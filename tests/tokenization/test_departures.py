import unicodedata

import pytest

from bert_keras.tokenization import BertTokenizer, Casing
from tests.tokenization.departures import (
    DEPARTURES,
    UNICODE_VERSION,
    departing_code_points,
)
from tests.tokenization.original import words_of_original

SURROGATES = range(0xD800, 0xE000)


def _departing(cased, code_points):
    """The code points that the library treats otherwise, alone or between letters."""
    from tokenizers import pre_tokenizers

    normalize = Casing(do_lower_case=not cased).normalizer().normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    found = set()
    for code_point in code_points:
        character = chr(code_point)
        for text in (character, f"a{character}b"):
            words = [word for word, _ in split(normalize(text))]
            if words != words_of_original(text, not cased):
                found.add(code_point)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("cased", [False, True])
def test_the_table_is_exactly_what_departs_over_all_code_points(cased):
    every = [c for c in range(0x110000) if c not in SURROGATES]
    found = _departing(cased, every)
    table = departing_code_points(cased)
    if unicodedata.unidata_version == UNICODE_VERSION:
        assert found == table
    else:  # a later Unicode has more to depart from; nothing of the older one is mended by it
        stable = {d.name: set(d.code_points()) for d in DEPARTURES}
        assert stable["private use"] | stable["CJK gap"] <= found
        assert stable["newer punctuation"] <= found


@pytest.mark.parametrize("cased", [False, True])
def test_the_table_holds_where_it_changes(cased):
    table = departing_code_points(cased)
    edges = {
        near
        for code_point in table
        for near in (code_point - 1, code_point + 1)
        if near not in table and near not in SURROGATES and near < 0x110000
    }
    if unicodedata.unidata_version != UNICODE_VERSION:
        pytest.skip(f"the table was made with Unicode {UNICODE_VERSION}")
    assert _departing(cased, edges) == set()
    sample = sorted(table)[::97]
    assert _departing(cased, sample) == set(sample)


def test_no_code_point_is_in_the_table_twice():
    every = [code_point for departure in DEPARTURES for code_point in departure.code_points()]
    assert len(every) == len(set(every))


def test_the_departures_between_characters_are_as_described():
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "οδοσ", "οδος", "a", "##a"]
    tokenizer = BertTokenizer(vocab)
    assert tokenizer.tokenize("ΟΔΟΣ") == ["οδοσ"]
    assert words_of_original("ΟΔΟΣ", True) == ["οδος"]
    assert tokenizer.tokenize("a" * 100) == ["a"] + ["##a"] * 99
    assert tokenizer.tokenize("a" * 101) == ["[UNK]"]
    assert tokenizer.tokenize("a[MASK]a") == ["a", "[MASK]", "a"]
    assert words_of_original("a[MASK]a", True) == ["a", "[", "mask", "]", "a"]
