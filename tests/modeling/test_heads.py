import numpy as np
import tensorflow as tf

from bert_keras import BertConfig
from bert_keras.modeling.heads import MaskedLMHead, NextSentenceHead, Pooler

TOKENS = tf.constant(np.random.default_rng(0).normal(size=(5, 16)), tf.float32)


def test_pooler_is_a_tanh_layer(config: BertConfig) -> None:
    layer = Pooler(config, seed=1)
    ours = layer(TOKENS)
    kernel, bias = layer.weights
    np.testing.assert_allclose(ours, np.tanh(TOKENS @ kernel + bias), atol=1e-6)


def test_masked_lm_scores_are_products_with_the_word_embeddings(config: BertConfig) -> None:
    layer = MaskedLMHead(config, seed=1)
    layer.build()
    table = tf.constant(np.random.default_rng(1).normal(size=(50, 16)), tf.float32)
    bias = np.random.default_rng(2).normal(size=50).astype("float32")
    layer.output_bias.assign(bias)
    transformed = layer.norm(layer.transform(TOKENS)).numpy()
    np.testing.assert_allclose(
        layer(TOKENS, table), transformed @ table.numpy().T + bias, atol=1e-5
    )
    np.testing.assert_allclose(transformed.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(transformed.std(-1), 1, atol=1e-5)


def test_masked_lm_head_trains_the_table_it_is_given(config: BertConfig) -> None:
    layer = MaskedLMHead(config)
    table = tf.Variable(tf.ones([50, 16]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(TOKENS, table)[:, 3])
    gradient = tape.gradient(loss, table).numpy()
    assert np.abs(gradient[3]).max() > 0
    assert np.abs(np.delete(gradient, 3, axis=0)).max() == 0


def test_next_sentence_head_scores_two_classes(config: BertConfig) -> None:
    layer = NextSentenceHead(config)
    scores = layer(TOKENS)
    kernel, bias = layer.weights
    assert scores.shape == (5, 2)
    np.testing.assert_allclose(scores, TOKENS @ kernel + bias, atol=1e-6)
