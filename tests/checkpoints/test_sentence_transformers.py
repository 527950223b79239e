import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder, BertForSentenceEmbedding, BertTokenizer

TEXTS = ["a b ac", "b", "a a a a a a a", ""]


@pytest.fixture
def embedding(tmp_path: Path, make_model: Callable[..., Any], vocab: list[str]) -> Path:
    """A directory as sentence-transformers writes it, max_seq_length 4."""
    bert_keras.save(make_model(BertEncoder), tmp_path / "model", BertTokenizer(vocab))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "model" / "1_Pooling").mkdir()
    _set_pooling(tmp_path / "model", pooling_mode_mean_tokens=True)
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    return tmp_path / "model"


def _set_pooling(path: Path, **modes: bool) -> None:
    values = {"word_embedding_dimension": 4, "pooling_mode_cls_token": False} | modes
    (path / "1_Pooling" / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_embedding_is_the_pooled_output_of_the_cut_text(pooling: str, embedding: Path) -> None:
    key = "pooling_mode_cls_token" if pooling == "cls" else f"pooling_mode_{pooling}_tokens"
    _set_pooling(embedding, **{key: True})
    model = bert_keras.load(embedding)
    vectors = model.embed(TEXTS, batch_size=2)
    encoder = bert_keras.load(embedding, BertEncoder)
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = model.tokenizer.encode(text, max_length=4).input_ids
        output = encoder({"input_ids": np.array([ids])})["sequence_output"].numpy()[0]
        pooled = {"mean": output.mean(0), "cls": output[0], "max": output.max(0)}[pooling]
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-6)


def test_directory_of_ours_is_one_of_theirs(
    embedding: Path, tmp_path: Path, assert_same_weights: Callable[[Any, Any], None]
) -> None:
    model = bert_keras.load(embedding)
    bert_keras.save(model, tmp_path / "again")
    loaded = bert_keras.load(tmp_path / "again", packed=True)
    assert_same_weights(loaded, model)  # the pooler too, which the vectors do not need
    np.testing.assert_allclose(loaded.embed(TEXTS), model.embed(TEXTS), atol=1e-6)
    ours, theirs = (
        json.loads((path / "modules.json").read_text()) for path in (tmp_path / "again", embedding)
    )
    assert ours == theirs
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    np.testing.assert_array_equal(
        bert_keras.load(tmp_path / "m.keras").embed(TEXTS), model.embed(TEXTS)
    )


def test_without_normalisation_vectors_keep_their_length(embedding: Path) -> None:
    file = embedding / "modules.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:2]))
    lengths = np.linalg.norm(bert_keras.load(embedding).embed(TEXTS), axis=1)
    assert not np.allclose(lengths, 1, atol=0.01)


def test_no_texts_give_no_vectors(embedding: Path) -> None:
    assert bert_keras.load(embedding).embed([]).shape == (0, 4)


def test_plain_encoder_can_be_opened_to_embed(
    tmp_path: Path, make_model: Callable[..., Any], vocab: list[str]
) -> None:
    bert_keras.save(make_model(), tmp_path / "model", BertTokenizer(vocab))
    model = bert_keras.load(tmp_path / "model", BertForSentenceEmbedding, pooling="cls")
    assert model.embed(["a"]).shape == (1, 4)
    assert model.report.new == []


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "[1]", '[{"type": "x.Transformer", "path": ""}, {"type": "x.Dense", "path": "1"}]'],
)
def test_other_modules_are_refused(text: str, embedding: Path, refusal: Callable[..., str]) -> None:
    (embedding / "modules.json").write_text(text)
    assert "modules.json" in refusal(embedding)


@pytest.mark.parametrize(
    "folder", ["../1_Pooling", "..", ".", "", "/1_Pooling", 1, None, ["1_Pooling"]]
)
def test_folder_of_a_module_is_one_below_and_never_leads_out(
    folder: Any, embedding: Path, refusal: Callable[..., str]
) -> None:
    (embedding.parent / "config.json").write_text((embedding / "1_Pooling/config.json").read_text())
    file = embedding / "modules.json"
    modules = json.loads(file.read_text())
    modules[1]["path"] = folder
    file.write_text(json.dumps(modules))
    assert "one below" in refusal(embedding)


def test_unknown_pooling_is_refused(embedding: Path, refusal: Callable[..., str]) -> None:
    _set_pooling(embedding, pooling_mode_weightedmean_tokens=True)
    assert "pooling_mode_weightedmean_tokens" in refusal(embedding)
