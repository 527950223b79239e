"""Exports of models with added tokens, and the comparison with the library's own reading."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bert_keras
from bert_keras import export_saved_model, export_tflite
from bert_keras.errors import InputError
from bert_keras.export.samples import SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.tokenization import BertTokenizer, Casing, check_reading
from bert_keras.tokenization.pipeline import make_pipeline
from tests.support.tokenizer_files import NEXT, SLOT, added, write_files

WAY_OUT = r"knows no added tokens \('<e1>'\): take ids: --input tokens"


@pytest.fixture
def model(make_model):
    return bert_keras.add_tokens(make_model("classification"), ["<e1>"])


def test_text_on_a_phone_is_refused_with_the_way_out(model, tmp_path):
    with pytest.raises(InputError, match=WAY_OUT):
        export_tflite(model, None, tmp_path / "m.tflite", input="text", length=16)
    (tmp_path / "words.txt").write_text("a film\n")
    with pytest.raises(InputError, match="prune_vocab knows no added tokens"):
        export_tflite(model, None, tmp_path / "m.tflite", prune_vocab=str(tmp_path / "words.txt"))


@pytest.mark.system
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_text_with_added_tokens_is_served_as_keras_answers_it(kind, make_model, tmp_path):
    model = bert_keras.add_tokens(make_model(kind), ["<e1>", "</e1>"], special=True)
    model = bert_keras.add_tokens(model, ["Covid-19", "新冠"])
    report = export_saved_model(model, None, tmp_path / "served")
    assert [*report["tokenizer"]["added_tokens"]] == ["<e1>", "</e1>", "Covid-19", "新冠"]
    texts = ["a <e1>film</e1> of COVID-19", "新冠film", "plain"]
    with ServingSession(tmp_path / "served" / "1") as session:
        served = session.run("tokenize", {"text": np.array(texts, object)})
    for row, encoding in zip(served["input_ids"], model.tokenizer.encode_batch(texts), strict=True):
        assert row[: len(encoding.input_ids)].tolist() == encoding.input_ids


@pytest.mark.system
def test_file_of_ids_names_mediapipe_no_tokenizer(model, tmp_path, caplog):
    report = export_tflite(model, None, tmp_path / "m.tflite", length=16)
    assert report["unlike_mediapipe"] == (
        "the model has added tokens ('<e1>'), which MediaPipe and WordPiece.kt take apart"
    )
    assert report["unlike_mediapipe"] in caplog.text


@pytest.fixture
def read(tmp_path):
    tokens = (added("<e1>", SLOT, special=True), added("covid", NEXT, normalized=True))
    folder = write_files(tmp_path / "model", {"tokenizer.json": {"tokens": tokens}})
    return BertTokenizer.from_pretrained(folder)


def test_reading_is_compared_with_the_library_by_the_files_own_tokenizer_json(read):
    check_reading(read, SENTENCES)
    wrong = BertTokenizer(read.pieces, Casing(do_lower_case=False), read.files, read.added)
    with pytest.raises(InputError, match="the tokenizers library gives by its tokenizer"):
        check_reading(wrong, SENTENCES)
    flags = (replace(token, single_word=True, lstrip=True) for token in read.added)
    for tokens in ((), read.added[:1], flags):
        with pytest.raises(InputError, match="nothing was written"):
            check_reading(BertTokenizer(read.pieces, read.casing, read.files, tokens), ["a covid1"])


@pytest.mark.system
def test_export_with_a_wrong_reading_of_tokenizer_json_is_refused(make_model, tmp_path):
    model = make_model("classification").copy()
    bert_keras.save(model, tmp_path / "model")
    pieces = model.tokenizer.vocab
    data = make_pipeline(pieces, model.tokenizer.casing).to_str()
    (tmp_path / "model" / "tokenizer.json").write_text(data)
    read = BertTokenizer.from_pretrained(tmp_path / "model")
    check_reading(read, SENTENCES)
    values = json.loads(data)
    values["normalizer"]["strip_accents"] = False
    files = replace(
        read.files,
        companions=read.files.companions | {"tokenizer.json": json.dumps(values).encode()},
    )
    wrong = BertTokenizer(read.pieces, read.casing, files)
    for takes in ("text", "tokens"):
        with pytest.raises(InputError, match="differ from those that the tokenizers library"):
            export_saved_model(model, wrong, tmp_path / "served", input=takes)
    with pytest.raises(InputError, match="differ from those that the tokenizers library"):
        export_tflite(model, wrong, tmp_path / "m.tflite")
    assert np.unique([path.name for path in tmp_path.iterdir()]).tolist() == ["model"]


@pytest.mark.system
def test_ids_of_added_tokens_are_served_as_keras_answers_them(model, tmp_path):
    report = export_saved_model(model, None, tmp_path / "served", input="tokens")
    assert report["tokenizer"]["added_tokens"] == {"<e1>": model.tokenizer.vocab_size - 1}


@pytest.mark.system
def test_masked_words_on_phones_have_no_scores_of_rows_without_a_token(make_model, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    whole = make_model("masked_lm")
    grown = whole.like(config=replace(whole.config, vocab_size=whole.config.vocab_size + 130))
    report = export_tflite(grown, None, tmp_path / "m.tflite", length=16)
    assert report["word_pieces"] == whole.tokenizer.vocab_size
    interpreter = litert.Interpreter(str(tmp_path / "m.tflite"))
    (output,) = interpreter.get_output_details()
    assert output["shape"][-1] == whole.tokenizer.vocab_size
