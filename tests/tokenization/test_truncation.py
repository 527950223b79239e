import pytest

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer
from bert_keras.tokenization.template import kept_of, tokens_from_head

LETTERS = [chr(number) for number in range(ord("a"), ord("z") + 1)]


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizer:
    return BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS])


def test_head_and_tail_are_the_papers_128_and_382_of_510():
    assert tokens_from_head(510, "head_tail") == 128  # Sun et al. 2019, section 5.3.1


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [("head", "abcdefgh"), ("tail", "stuvwxyz"), ("head_tail", "abuvwxyz")],
)
def test_the_named_part_of_a_long_text_is_kept_with_its_places(tokenizer, truncation, expected):
    encoding = tokenizer.encode(" ".join(LETTERS), max_length=10, truncation=truncation)
    assert encoding.tokens == ["[CLS]", *expected, "[SEP]"]
    assert tokenizer.decode(encoding.input_ids) == " ".join(expected)
    places = [(2 * LETTERS.index(letter), 2 * LETTERS.index(letter) + 1) for letter in expected]
    assert encoding.offsets == [(0, 0), *places, (0, 0)]
    assert encoding.left_out == 26 - 8


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_a_text_that_fits_is_whole(tokenizer, truncation):
    encoding = tokenizer.encode("a b c", max_length=5, truncation=truncation)
    assert encoding == tokenizer.encode("a b c")
    assert encoding.left_out == 0


@pytest.mark.parametrize(
    ("truncation", "expected"), [("tail", (["b", "c"], ["w", "x", "y"])),
                                 ("head_tail", (["a", "c"], ["d", "x", "y"]))]
)  # fmt: skip
def test_a_pair_shares_the_room_as_ever_and_each_text_keeps_its_own_part(
    tokenizer, truncation, expected
):
    texts = ("a b c", "d e v w x y")
    encoding = tokenizer.encode(*texts, max_length=5 + 3, truncation=truncation)
    first, second = expected
    assert encoding.tokens == ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
    assert encoding.left_out == 9 - 5


def test_every_length_and_room_keeps_as_many_as_it_says():
    for length in range(12):
        for kept in range(length + 1):
            tokens = list(range(length))
            for truncation in ("head", "tail", "head_tail"):
                found = list(kept_of(tokens, kept, truncation))
                assert len(found) == kept
                assert found == sorted(set(found))
            assert list(kept_of(tokens, kept, "tail")) == tokens[length - kept :]


def test_another_truncation_is_refused(tokenizer):
    with pytest.raises(InputError, match=r"must be head, tail or head_tail\. Received: 'middle'"):
        tokenizer.encode("a", max_length=8, truncation="middle")
