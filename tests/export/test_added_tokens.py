"""Exports of models with added tokens, and the comparison with the library's own reading."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bert_keras
from bert_keras import export_saved_model, export_tflite
from bert_keras.errors import InputError
from bert_keras.export.samples import SENTENCES
from bert_keras.tokenization import AddedToken, BertTokenizer, Casing, check_reading
from tests.support.tokenizer_files import NEXT, SLOT, added, write_files

WAY_OUT = r"knows no added tokens \('film'\): take ids: --input tokens"


@pytest.fixture
def model(make_model):
    model = make_model("classification")
    pieces = model.tokenizer.vocab
    tokens = [AddedToken("film", len(pieces))] if "film" not in pieces else []
    tokens = tokens or [AddedToken("film", pieces.index("film"))]
    spare = model.copy() if tokens[0].id < len(pieces) else None
    model = spare or bert_keras.add_tokens(model, ["film"])
    model.tokenizer = BertTokenizer(pieces, model.tokenizer.casing, added=tokens)
    return model


def test_text_in_a_graph_is_refused_with_the_way_out(model, tmp_path):
    with pytest.raises(InputError, match=WAY_OUT):
        export_saved_model(model, None, tmp_path / "served")
    with pytest.raises(InputError, match=WAY_OUT):
        export_tflite(model, None, tmp_path / "m.tflite", input="text", length=16)
    (tmp_path / "words.txt").write_text("a film\n")
    with pytest.raises(InputError, match="prune_vocab knows no added tokens"):
        export_tflite(model, None, tmp_path / "m.tflite", prune_vocab=str(tmp_path / "words.txt"))


def test_file_of_ids_names_mediapipe_no_tokenizer(model, tmp_path, caplog):
    report = export_tflite(model, None, tmp_path / "m.tflite", length=16)
    assert report["unlike_mediapipe"] == (
        "the model has added tokens ('film'), which MediaPipe takes apart"
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
    with pytest.raises(InputError, match="otherwise than the tokenizers library by its tokenizer"):
        check_reading(wrong, SENTENCES)
    flags = (replace(token, single_word=True, lstrip=True) for token in read.added)
    for tokens in ((), read.added[:1], flags):
        with pytest.raises(InputError, match="nothing was written"):
            check_reading(BertTokenizer(read.pieces, read.casing, read.files, tokens), ["a covid1"])


def test_export_with_a_wrong_reading_of_tokenizer_json_is_refused(make_model, tmp_path):
    model = make_model("classification").copy()
    bert_keras.save(model, tmp_path / "model")
    pieces = model.tokenizer.vocab
    whole = BertTokenizer(pieces, added=[AddedToken("The", pieces.index("the"))][:0])
    data = whole._pipeline.to_str()
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
        with pytest.raises(InputError, match="otherwise than the tokenizers library"):
            export_saved_model(model, wrong, tmp_path / "served", input=takes)
    with pytest.raises(InputError, match="otherwise than the tokenizers library"):
        export_tflite(model, wrong, tmp_path / "m.tflite")
    assert np.unique([path.name for path in tmp_path.iterdir()]).tolist() == ["model"]
