import numpy as np
import pytest
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.modeling import BertEncoder, BertForMaskedLM
from bert_keras.tasks import fill_mask
from bert_keras.tokenization import BertTokenizer

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat", "."]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(VOCABULARY)


@pytest.fixture(scope="module")
def model():
    config = BertConfig.from_preset(
        "tiny", vocab_size=len(VOCABULARY), max_position_embeddings=12, initializer_range=0.5
    )
    return BertForMaskedLM(config)


def test_scores_are_the_softmax_of_the_models_own_logits(model, tokenizer):
    text = "The [MASK] sat on the [MASK]."
    masks = fill_mask(model, text, top=3, tokenizer=tokenizer)
    ids = [2, 5, 4, 7, 8, 5, 4, 10, 3]
    logits = model({"input_ids": tf.constant([ids])})["masked_lm_logits"].numpy()[0]
    for candidates, position in zip(masks, (2, 6), strict=True):
        scores = np.exp(logits[position]) / np.exp(logits[position]).sum()
        best = np.argsort(-scores)[:3]
        assert [c.token for c in candidates] == [VOCABULARY[piece] for piece in best]
        np.testing.assert_allclose([c.score for c in candidates], scores[best], rtol=1e-5)


def test_all_scores_add_up_to_one(model, tokenizer):
    (candidates,) = fill_mask(model, "the [MASK]", top=100, tokenizer=tokenizer)
    assert len(candidates) == len(VOCABULARY)
    assert sum(c.score for c in candidates) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "top", "message"),
    [
        ("the cat", 5, r"no \[MASK\]"),
        ("", 5, r"no \[MASK\]"),
        ("the [MASK]", 0, "top must be at least 1"),
        ("[MASK] " * 20, 5, "22 tokens, but the model reads 12"),
    ],
)
def test_what_cannot_be_filled_is_one_clear_line(model, tokenizer, text, top, message):
    with pytest.raises(InputError, match=message):
        fill_mask(model, text, top, tokenizer)


def test_a_model_without_tokenizer_or_head_says_so(model, tokenizer):
    with pytest.raises(InputError, match="no tokenizer"):
        fill_mask(model, "the [MASK]")
    with pytest.raises(InputError, match="no masked-LM head"):
        fill_mask(BertEncoder(model.config), "the [MASK]", tokenizer=tokenizer)
