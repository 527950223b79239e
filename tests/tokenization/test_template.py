"""Layouts worked out by hand, and the graph's beside the host's."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.tokenization import SequenceTemplate

BERT = SequenceTemplate.bert(cls_id=101, sep_id=102)
ROBERTA = SequenceTemplate.roberta(bos_id=0, eos_id=2)
TEMPLATES = [BERT, ROBERTA, SequenceTemplate((7, 8), (9,), (10, 11, 12), second_type=3)]


def test_berts_layout_is_that_of_the_papers_figure():
    assert BERT.build([7, 8, 9]) == ([101, 7, 8, 9, 102], [0] * 5)
    assert BERT.build([7, 8], [9]) == ([101, 7, 8, 102, 9, 102], [0, 0, 0, 0, 1, 1])
    assert BERT.build([], []) == ([101, 102, 102], [0, 0, 1])
    assert (BERT.overhead(1), BERT.overhead(2)) == (2, 3)
    assert BERT.special_ids == (101, 102)


def test_robertas_layout_has_two_separators_and_one_type():
    assert ROBERTA.build([7, 8, 9]) == ([0, 7, 8, 9, 2], [0] * 5)
    assert ROBERTA.build([7, 8], [9]) == ([0, 7, 8, 2, 2, 9, 2], [0] * 7)
    assert ROBERTA.build([], []) == ([0, 2, 2, 2], [0] * 4)
    assert (ROBERTA.overhead(1), ROBERTA.overhead(2)) == (2, 4)
    assert ROBERTA.special_ids == (0, 2)


def test_the_second_text_stands_where_it_is_said_to_stand():
    assert BERT.second_start(2) == 4
    assert ROBERTA.second_start(2) == 5
    for template in TEMPLATES:
        ids, _ = template.build([50, 51], [60, 61, 62])
        assert ids[template.second_start(2) :][:3] == [60, 61, 62]


def test_a_texts_own_values_are_those_between_the_special_ones():
    assert ROBERTA.inner(ROBERTA.build([7, 8, 9])[0]) == [7, 8, 9]
    assert ROBERTA.in_order(["ab", "c"], special="-") == [["-"], "ab", ["-", "-"], "c", ["-"]]


def test_a_length_without_room_is_refused_with_the_templates_own_number():
    assert BERT.room(8, 2) == 5
    assert ROBERTA.room(8, 2) == 4
    assert ROBERTA.room(4, 2) == 0
    with pytest.raises(InputError, match="max_length must be at least 4, the special tokens"):
        ROBERTA.room(3, 2)


@pytest.mark.parametrize("template", TEMPLATES, ids=["bert", "roberta", "another"])
@pytest.mark.parametrize("texts", [1, 2])
def test_the_graph_places_texts_as_the_host_does(template, texts):
    pytest.importorskip("tensorflow_text")  # the package of graphs imports it
    from bert_keras.tokenization.graph.template import place_texts

    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 6, [texts, 40])
    tables = [np.arange(100 * n, 100 * n + 6, dtype=np.int32) + 1000 for n in range(texts)]
    place = tf.function(place_texts, autograph=False)
    placed = place(template, [tf.constant(row, tf.int32) for row in lengths], 99)
    ids = placed.special
    for table, (inside, number) in zip(tables, placed.texts, strict=True):
        ids = tf.where(inside, tf.gather(table, tf.where(inside, number, 0)), ids)
    longest = int(lengths.sum(axis=0).max()) + template.overhead(texts)
    for row in range(40):
        parts = [table[:n].tolist() for table, n in zip(tables, lengths[:, row], strict=True)]
        expected, types = template.build(*parts)
        padding = longest - len(expected)
        assert ids[row].numpy().tolist() == expected + [99] * padding
        assert placed.token_type_ids[row].numpy().tolist() == types + [0] * padding
        assert placed.attention_mask[row].numpy().tolist() == [1] * len(expected) + [0] * padding
