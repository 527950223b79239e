import numpy as np

from bert_keras.data.plan import Epoch
from bert_keras.data.sampling import plan_pairs
from bert_keras.export.outputs import NEXT_SENTENCE


def test_the_names_of_next_and_random_are_by_the_numbers_that_were_trained_on():
    sentence_offsets = np.arange(0, 801, 10)
    documents = np.array([[0, 40], [40, 80]])
    plan = plan_pairs(Epoch(sentence_offsets, documents, 60, short_seq_prob=0.0, seed=0, number=0))
    is_same_document = (plan.a_start < 400) == (plan.b_start < 400)
    names = np.array(NEXT_SENTENCE)[plan.label.astype(int)]
    assert set(names[is_same_document]) == {"next"}
    assert set(names[~is_same_document]) == {"random"}
