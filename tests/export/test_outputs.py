import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.data.plan import Epoch
from bert_keras.data.sampling import plan_pairs
from bert_keras.export.outputs import (
    CLASSES,
    GIVEN_LABELS,
    LABEL,
    NEXT_SENTENCE,
    POOLED,
    PROBABILITIES,
    SCORE,
    SEQUENCE,
    SPAN,
    TOKEN_PROBABILITIES,
    arrays_of,
    check_declared,
    encoder_outputs,
)
from bert_keras.modeling import BertEncoder

CONFIG = BertConfig(
    vocab_size=20, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)


def test_arrays_are_the_answers_of_predict_by_name():
    answers = [
        {"label": "b", "score": 0.75, "scores": {"a": 0.25, "b": 0.75}},
        {"label": "a", "score": 0.5, "scores": {"a": 0.5, "b": 0.5}},
    ]
    arrays = arrays_of((LABEL, SCORE, PROBABILITIES, CLASSES), answers)
    assert arrays["labels"].tolist() == ["b", "a"]
    assert arrays["labels"].dtype == object
    assert arrays["scores"].tolist() == [0.75, 0.5]
    assert arrays["probabilities"].tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert arrays["classes"].tolist() == [["a", "b"]] * 2


def test_given_labels_are_filled_up_with_empty_ones():
    answers = [{"labels": given, "scores": {"a": 0, "b": 0}} for given in ([], ["b"], ["a", "b"])]
    (array,) = arrays_of((GIVEN_LABELS,), answers).values()
    assert array.tolist() == [["", ""], ["b", ""], ["a", "b"]]


def test_no_answers_are_arrays_of_no_rows():
    assert {name: len(array) for name, array in arrays_of(SPAN, []).items()} == dict.fromkeys(
        ("answers", "starts", "ends", "scores", "no_answer_scores"), 0
    )


def test_outputs_by_token_are_known_by_their_axes():
    assert TOKEN_PROBABILITIES.is_by_token
    assert SEQUENCE.is_by_token
    assert not PROBABILITIES.is_by_token


def test_the_names_of_next_and_random_are_by_the_numbers_that_were_trained_on():
    sentence_offsets = np.arange(0, 801, 10)
    documents = np.array([[0, 40], [40, 80]])
    plan = plan_pairs(Epoch(sentence_offsets, documents, 60, short_seq_prob=0.0, seed=0, number=0))
    is_same_document = (plan.a_start < 400) == (plan.b_start < 400)
    names = np.array(NEXT_SENTENCE)[plan.label.astype(int)]
    assert set(names[is_same_document]) == {"next"}
    assert set(names[~is_same_document]) == {"random"}


def test_an_encoder_without_a_pooler_gives_no_pooled_output():
    assert encoder_outputs(BertEncoder(CONFIG)) == (SEQUENCE, POOLED)
    assert encoder_outputs(BertEncoder(CONFIG, with_pooler=False)) == (SEQUENCE,)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"scores": tf.zeros([2, 1])},
        {"scores": tf.zeros([2], tf.float64)},
        {"scores": tf.zeros([2]), "more": tf.zeros([2])},
    ],
    ids=["missing", "rank", "dtype", "more"],
)
def test_a_graph_gives_what_is_declared_and_nothing_else(given):
    check_declared({"scores": tf.zeros([2])}, [SCORE])
    with pytest.raises(AssertionError, match="not as declared"):
        check_declared(given, [SCORE])


def test_words_are_strings_and_numbers_are_not():
    answers = [{"answer": "a b", "start": 1, "end": 4, "score": 0.5, "no_answer_score": -1.0}]
    arrays = arrays_of(SPAN, answers)
    assert arrays["answers"].tolist() == ["a b"]
    assert np.issubdtype(arrays["starts"].dtype, np.integer)
    assert arrays["no_answer_scores"].tolist() == [-1.0]
