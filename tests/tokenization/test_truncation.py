import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer
from bert_keras.tokenization.template import kept_of, tokens_from_head, truncated_lengths

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


def test_the_longer_text_of_a_pair_is_cut_first_in_arrays_and_in_tensors():
    numbers = np.arange(9, dtype=np.int32)
    first, second = (table.ravel() for table in np.meshgrid(numbers, numbers))
    for room in range(12):
        expected = []
        for lengths in zip(first.tolist(), second.tolist(), strict=True):
            kept = [*lengths]
            while sum(kept) > room:
                # A token at a time; of two that are equal the first is cut, then the second.
                kept[0 if kept[0] >= kept[1] else 1] -= 1
            if sum(lengths) > room and room % 2 and min(lengths) > room // 2:
                assert sorted(kept) == [room // 2, room // 2 + 1]
                kept = sorted(kept, reverse=lengths[0] > lengths[1])
            expected.append(kept)
        for given in (
            truncated_lengths([first, second], room),
            truncated_lengths([tf.constant(first), tf.constant(second)], room, tf),
        ):
            assert np.stack(given, axis=1).tolist() == expected
