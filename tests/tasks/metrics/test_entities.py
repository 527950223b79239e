import itertools

import pytest

from bert_keras.tasks.metrics import entity_scores
from bert_keras.tasks.schemes import SCHEMES

IOB2 = SCHEMES["IOB2"]


def test_entities_are_right_only_as_a_whole():
    expected = [["B-a", "I-a", "O", "B-b"], ["O", "B-a"]]
    predicted = [["B-a", "O", "O", "B-b"], ["B-b", "B-a"]]  # 2 of 4 are right; 2 of 3 are found
    assert entity_scores(expected, predicted, IOB2) == pytest.approx(
        {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7, "accuracy": 4 / 6}
    )


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["O", "I-a", "I-a"], [("a", 1, 3)]),
        (["B-a", "I-b"], [("a", 0, 1), ("b", 1, 2)]),
        (["B-a", "B-a", "I-a"], [("a", 0, 1), ("a", 1, 3)]),
        (["I-geo-loc", "I-geo-loc", "I-geo"], [("geo-loc", 0, 2), ("geo", 2, 3)]),
        (["O"], []),
        ([], []),
    ],
)
def test_tags_out_of_order_are_read_as_conlleval_reads_them(tags, spans):
    assert IOB2.spans(tags) == spans


def _conlleval_chunks(tags):
    """The rules of conlleval.pl for B, I and O, said again."""
    chunks, previous = [], "O"
    for index, tag in enumerate([*tags, "O"]):
        goes_on = tag[0] == "I" and previous != "O" and tag[2:] == previous[2:]
        if previous != "O" and not goes_on:
            chunks[-1] = (*chunks[-1], index)
        if tag != "O" and not goes_on:
            chunks.append((tag[2:], index))
        previous = tag
    return chunks


def test_every_sequence_of_five_tags_is_read_as_conlleval_reads_it():
    for tags in itertools.product(["O", "B-a", "I-a", "B-b", "I-b"], repeat=5):
        assert IOB2.spans(tags) == _conlleval_chunks(tags)


def test_without_entities_all_is_zero_and_nothing_warns():
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert entity_scores([["O", "O"]], [["O", "O"]], IOB2) == nothing | {"accuracy": 1.0}
    assert entity_scores([["O", "O"]], [["O", "B-a"]], IOB2) == nothing | {"accuracy": 0.5}
    assert entity_scores([["O", "B-a"]], [["O", "O"]], IOB2) == nothing | {"accuracy": 0.5}
    assert entity_scores([], [], IOB2) == nothing | {"accuracy": 0.0}
