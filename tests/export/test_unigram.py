import json

import numpy as np
import pytest

pytest.importorskip("tensorflow_text")

import bert_keras
from bert_keras.errors import InputError
from bert_keras.export.session import ServingSession
from bert_keras.modeling import BertForSequenceClassification, BertForTokenClassification
from bert_keras.tokenization import SubwordTokenizer
from tests.support.models import small_config
from tests.support.subwords import SENTENCES, hostile_texts, put, write_directory


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unigram") / "tokenizer"
    return SubwordTokenizer.from_pretrained(write_directory(folder, "bert with xlm-r's"))


def _model(tokenizer, kind=BertForSequenceClassification, labels=("no", "yes")):
    config = small_config(
        tokenizer.vocab_size, pad_token_id=tokenizer.pad_id, initializer_range=0.3
    )
    model = kind(config, labels=[*labels])
    model.tokenizer = tokenizer
    return model


def test_a_model_with_a_unigram_is_served_from_text(tokenizer, tmp_path):
    model = _model(tokenizer)
    report = bert_keras.export_saved_model(model, None, tmp_path / "served", input="text")
    assert set(report["signatures"]) == {"serving_default", "tokens", "tokenize"}
    texts = [*SENTENCES, *hostile_texts(40, seed=3), "The <mask> fox"]
    with ServingSession(tmp_path / "served" / "1") as session:
        given = session.run("tokenize", {"text": np.array([t.encode() for t in texts], object)})
        answers = session.run(
            "serving_default", {"text": np.array([t.encode() for t in SENTENCES], object)}
        )
    for row, encoding in enumerate(
        tokenizer.encode_batch(texts, max_length=report["settings"]["max_length"])
    ):
        count = len(encoding.input_ids)
        assert given["input_ids"][row, :count].tolist() == encoding.input_ids
        assert given["attention_mask"][row].sum() == count
    expected = [[*each["scores"].values()] for each in bert_keras.predict(model, SENTENCES)]
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)


def test_text_is_to_be_asked_for_and_one_line_says_so(tokenizer, tmp_path, caplog):
    report = bert_keras.export_saved_model(_model(tokenizer), None, tmp_path / "served")
    assert set(report["signatures"]) == {"serving_default", "tokens"}
    (line,) = [each.getMessage() for each in caplog.records]
    assert "--input text takes a Unigram too" in line
    assert "tokens alone" in line


def test_answers_with_places_are_refused(tokenizer, tmp_path):
    model = _model(tokenizer, BertForTokenClassification, ["O", "B-X", "I-X"])
    with pytest.raises(InputError, match=r"places in a text .*; take ids: --input tokens"):
        bert_keras.export_saved_model(model, None, tmp_path / "served", input="text")


def test_a_unigram_that_the_operation_reads_otherwise_is_refused(tmp_path):
    """Two ways to cut "the" that differ by less than the operation's scores tell apart."""
    folder = tmp_path / "tokenizer"
    write_directory(folder, "bert with xlm-r's")
    pipeline = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    model, mask = pipeline["model"], pipeline["added_tokens"][-1]
    scores = {"▁t": -1.0, "he": -1.0, "▁th": -1.0, "e": -0.99999, "▁the": -50.0}
    model["vocab"] = [pair for pair in model["vocab"] if pair[0] not in scores]
    model["vocab"] += [[token, score] for token, score in scores.items()]
    mask["id"] = len(model["vocab"])
    put(
        folder, pipeline, {"mask_token": "<mask>", "tokenizer_class": "XLMRobertaTokenizer"}, "bert"
    )
    tokenizer = SubwordTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("the") == ["▁th", "e"]
    model = _model(tokenizer)
    with pytest.raises(InputError, match=r"host's: .*'▁t'.* in place of .*'▁th'"):
        bert_keras.export_saved_model(model, None, tmp_path / "served", input="text")
