"""What a config asks for beside the model's own outputs: a sigmoid, a prompt."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.samples import SENTENCES
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.tasks import predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature

TEXTS = [*SENTENCES, "fine " * 100]


@pytest.mark.system
def test_score_of_a_cross_encoder_is_the_sigmoid_that_predict_gives(make_model, session, strings):
    inputs = {"text_a": strings(TEXTS), "text_b": strings(TEXTS[::-1])}
    scores = session("cross_encoder").run("serving_default", inputs)["scores"]
    expected = [e["score"] for e in predict(make_model("cross_encoder"), TEXTS, TEXTS[::-1])]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert all(0 < score < 1 for score in scores)
    plain = predict(make_model("cross_encoder"), TEXTS, TEXTS[::-1], function_to_apply="none")
    assert not np.allclose(scores, [e["score"] for e in plain], atol=0.01)


@pytest.mark.system
def test_vectors_are_of_the_default_prompt_and_pooled_without_it(make_model, session, strings):
    model = make_model("prompted")
    vectors = session("prompted").run("serving_default", {"text": strings(TEXTS)})
    np.testing.assert_allclose(vectors["sentence_embedding"], model.embed(TEXTS), atol=1e-5)
    assert not np.allclose(vectors["sentence_embedding"], model.embed(TEXTS, prompt=""), atol=0.01)
    ids = session("prompted").run("tokenize", {"text": strings(TEXTS)})
    again = session("prompted").run("tokens", ids)
    np.testing.assert_allclose(
        again["sentence_embedding"], vectors["sentence_embedding"], atol=1e-5
    )


@pytest.mark.system
def test_file_for_phones_gives_the_sigmoid_too(make_model, tmp_path):
    model = make_model("cross_encoder")
    export_tflite(model, None, tmp_path / "m.tflite", length=32)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    given = []
    for text in TEXTS[:5]:
        encoding = model.tokenizer.encode(text, max_length=32)
        batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, 32)
        given.append(float(phone.run(batch)["scores"][0, 0]))
    expected = [e["score"] for e in predict(model, TEXTS[:5], max_seq_length=32)]
    np.testing.assert_allclose(given, expected, atol=1e-4)


@pytest.mark.system
def test_file_for_phones_says_that_the_prompt_is_the_apps(
    make_model, config, tokenizer, tmp_path, caplog
):
    with pytest.raises(InputError, match="pools without its default prompt 'the film: '"):
        export_tflite(make_model("prompted"), None, tmp_path / "m.tflite", length=16)
    assert not list(tmp_path.iterdir())
    model = BertForSentenceEmbedding(config, prompts={"q": "q: "}, default_prompt_name="q")
    model.tokenizer = tokenizer
    export_tflite(model, None, tmp_path / "m.tflite", length=16)
    assert "give it 'q: ' + text" in caplog.text


@pytest.mark.system
def test_vectors_are_of_the_dense_layer_and_cut_as_embed_cuts_them(
    config, tokenizer, strings, tmp_path
):
    dense = {"dense_units": 7, "dense_bias": False}
    model = BertForSentenceEmbedding(config, max_length=32, truncate_dim=5, **dense)
    model.tokenizer = tokenizer
    expected = model.embed(TEXTS)
    assert expected.shape == (len(TEXTS), 5)
    export_saved_model(model, None, tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["serving_default"]
    given = served(text=tf.constant(strings(TEXTS)))["sentence_embedding"]
    np.testing.assert_allclose(given, expected, atol=1e-5)
    export_tflite(model, None, tmp_path / "m.tflite", length=32)
    phone = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    for text, vector in zip(TEXTS[:5], expected, strict=False):
        encoding = tokenizer.encode(text, max_length=32)
        batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, 32)
        np.testing.assert_allclose(phone.run(batch)["sentence_embedding"][0], vector, atol=1e-4)
