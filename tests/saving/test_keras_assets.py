"""What a ``.keras`` file has beside the weights, by Keras's own calls."""

from pathlib import Path

import keras
import pytest

import bert_keras.saving  # noqa: F401 - registers what it writes
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import BertTokenizer
from tests.support.models import VOCAB, make_model


def test_keras_saves_and_opens_a_model_with_its_tokenizer_and_other_files(tmp_path: Path) -> None:
    model = make_model()
    model.tokenizer = BertTokenizer(VOCAB)
    model.other_config, model.other_files = {"a": 1}, {"b.json": {"c": 2}}
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.tokenizer.vocab == VOCAB
    assert (loaded.other_config, loaded.other_files) == ({"a": 1}, {"b.json": {"c": 2}})


def test_nothing_of_a_model_is_left_out_where_nobody_knows_how_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    model.other_config = {"a": 1}
    model.save(tmp_path / "whole.keras")
    monkeypatch.setattr(BertModel, "assets", None)
    with pytest.raises(InputError, match=r"import bert_keras\.saving"):
        model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"import bert_keras\.saving"):  # by which Keras tells it
        keras.saving.load_model(tmp_path / "whole.keras")
