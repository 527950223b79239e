"""Models under another vocabulary: tokens that are added, rows that are carried over."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForMaskedLM, BertForPreTraining, BertForSequenceClassification
from bert_keras.errors import InputError
from bert_keras.modeling.vocabulary import carry_over, origins
from bert_keras.tokenization import AddedToken, BertTokenizer, Casing
from tests.support.models import TINY, VOCAB, make_model

PIECES = [*VOCAB, "<", "e", ">", "##b"]


def _model(model_class: Any = BertForMaskedLM, rows: int = len(PIECES), **arguments: Any) -> Any:
    model = make_model(model_class, config=replace(TINY, vocab_size=rows), **arguments)
    model.tokenizer = BertTokenizer(PIECES)
    return model


def _weights(model: Any) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in model.weights}


def _table(model: Any) -> np.ndarray:
    encoder = getattr(model, "encoder", model)
    return np.asarray(encoder.embeddings.word_embeddings)


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("rows", [len(PIECES), len(PIECES) + 1, len(PIECES) + 9])
def test_new_rows_are_the_means_of_their_pieces_and_nothing_else_changes(
    rows: int, special: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bert_keras")
    model = _model(rows=rows)
    before, old = _weights(model), model.tokenizer
    grown = bert_keras.add_tokens(model, ["<e>", "abc"], special=special)
    assert grown.tokenizer.tokenize("a<e>b abc") == ["a", "<e>", "b", "abc"]
    table = _table(model)
    first = len(PIECES)
    pieces = [[PIECES.index(piece) for piece in old.tokenize(text)] for text in ("<e>", "abc")]
    assert pieces == [[8, 9, 10], [5, 11, 7]]
    expected = [table[each].mean(axis=0) for each in pieces]
    np.testing.assert_allclose(_table(grown)[first : first + 2], expected, rtol=1e-6)
    assert grown.config.vocab_size == max(rows, first + 2) == len(_table(grown))
    bias = np.asarray(grown.masked_lm_head.output_bias)
    np.testing.assert_array_equal(bias[first : first + 2], [0, 0])
    after = _weights(grown)
    for path, array in before.items():
        if array.shape[:1] == (rows,):  # of the vocabulary
            is_kept = ~np.isin(np.arange(rows), [first, first + 1])
            np.testing.assert_array_equal(after[path][:rows][is_kept], array[is_kept], err_msg=path)
        else:
            np.testing.assert_array_equal(after[path], array, err_msg=path)
        np.testing.assert_array_equal(_weights(model)[path], array, err_msg=path)
    assert model.tokenizer is old
    assert f"added <e> ({first}), abc ({first + 1}); the word embeddings have" in caplog.text


def test_answers_on_other_text_stay_and_the_tokens_live_on_when_saved(tmp_path: Path) -> None:
    model = _model(BertForSequenceClassification, labels=["x", "y"])
    grown = bert_keras.add_tokens(model, ["<e>"], special=True)
    ids = {"input_ids": np.array([[2, 5, 6, 3]], np.int32)}
    np.testing.assert_array_equal(grown(ids)["logits"], model(ids)["logits"])
    bert_keras.save(grown, tmp_path / "model")
    loaded = bert_keras.load(tmp_path / "model")
    assert loaded.tokenizer.identity == grown.tokenizer.identity
    np.testing.assert_array_equal(_table(loaded), _table(grown))
    again = bert_keras.add_tokens(loaded, ["<f>"])
    assert [token.content for token in again.tokenizer.added] == ["<e>", "<f>"]
    assert again.labels == ("x", "y")


def test_word_piece_that_becomes_an_added_token_keeps_its_row() -> None:
    model = _model()
    grown = bert_keras.add_tokens(model, ["a"])
    assert grown.config == model.config
    np.testing.assert_array_equal(_table(grown), _table(model))
    assert grown.tokenizer.tokenize("bab") == ["b", "a", "b"]
    assert model.tokenizer.tokenize("bab") == ["[UNK]"]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("<e>", "tokens must be a list of texts. Received: '<e>'"),
        ([3], "must be a list of texts"),
        ([" "], "must have letters. Received: ' '"),
        (["<e>", "<e>"], "'<e>' is an added token already"),
        (["[MASK]"], r"'\[MASK\]' is an added token already"),
    ],
)
def test_mistakes_are_one_line(tokens: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bert_keras.add_tokens(_model(), tokens)


def test_rows_of_shared_tokens_go_with_them_and_continuations_are_cut_as_such() -> None:
    old = BertTokenizer(PIECES)
    new = BertTokenizer([*reversed(PIECES), "##bc", "ac", "zz", "##z", "Ab"], Casing(False))
    found = origins(new, old)
    own = PIECES.index
    shared = [[own(piece)] for piece in reversed(PIECES)]
    others = [[own("##b"), own("##c")], [own("a"), own("##c")], [1], [1], [own("a"), own("##b")]]
    assert [list(rows) for rows in found.rows] == [*shared, *others]
    assert found.unknown == 2
    assert found.is_shared.tolist() == [True] * len(PIECES) + [False] * 5
    table = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    np.testing.assert_array_equal(found.table(table)[: len(PIECES)], table[len(PIECES) - 1 :: -1])
    np.testing.assert_allclose(found.table(table)[-1], table[[5, 11]].mean(axis=0), rtol=1e-6)
    bias = np.arange(1, 21, dtype="float32")
    np.testing.assert_array_equal(
        found.bias(bias), [*bias[len(PIECES) - 1 :: -1], *np.zeros(5, "float32")]
    )


def test_what_is_carried_over_is_said(caplog: pytest.LogCaptureFixture) -> None:
    source = _model(BertForPreTraining)
    tokens = [*PIECES[:-2], "ac", "zz"]
    model = make_model(BertForPreTraining, seed=1, config=replace(TINY, vocab_size=len(tokens)))
    carry_over(model, source, BertTokenizer(tokens, Casing(False)), "base")
    assert caplog.messages == [
        "base has another vocabulary than the corpus: the rows of 10 tokens are carried over, "
        "those of 2 new ones are the mean of their pieces' (1 [UNK] alone), with bias 0; 2 are "
        "left; it is uncased, the corpus cased"
    ]
    ours, theirs = _weights(model), _weights(source)
    for path in ours:
        if ours[path].shape[:1] == (len(tokens),):
            np.testing.assert_array_equal(ours[path][:10], theirs[path][:10], err_msg=path)
        elif "dropout" not in path:
            np.testing.assert_array_equal(ours[path], theirs[path], err_msg=path)


def test_added_tokens_are_carried_over_too() -> None:
    source = _model(BertForPreTraining)
    grown = bert_keras.add_tokens(source, ["<e>"])
    tokenizer = BertTokenizer(PIECES[:-1], added=[AddedToken("<e>", len(PIECES) - 1)])
    model = make_model(BertForPreTraining, config=replace(TINY, vocab_size=len(PIECES)))
    carry_over(model, grown, tokenizer, "base")
    np.testing.assert_array_equal(_table(model)[-1], _table(grown)[-1])
