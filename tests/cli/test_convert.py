import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForPreTraining, BertForTokenClassification, BertTokenizer
from bert_keras.__main__ import run as main
from tests.support.commands import refused
from tests.support.models import TINY, VOCAB


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bert_keras.save(BertForPreTraining(TINY), tmp_path / "model", BertTokenizer(VOCAB))
    return tmp_path / "model"


def test_model_goes_round_through_every_layout_unharmed(
    saved: Path, tmp_path: Path, capsys: Any
) -> None:
    steps = [("google", "google"), ("model.keras", "keras"), ("back", "huggingface")]
    source = saved
    for name, layout in steps:
        assert main(["convert", str(source), str(tmp_path / name), "--to", layout]) == 0
        source = tmp_path / name
    report = capsys.readouterr().out
    assert "huggingface to google: a BertForPreTraining" in report
    assert "bert.encoder.layer.*.output.LayerNorm.bias" in report
    assert "bert/encoder/layer_*/attention/self/query/kernel" in report
    assert "Google's code by tanh" in report
    assert "with tokenizer" in report
    files = [(path / "model.safetensors").read_bytes() for path in (saved, source)]
    assert files[0] == files[1]
    assert bert_keras.load(source).tokenizer.vocab == VOCAB
    assert bert_keras.load(source).config == TINY


def test_what_lay_beside_the_weights_is_kept_or_named(
    saved: Path, tmp_path: Path, capsys: Any
) -> None:
    special = '{"pad_token": "[PAD]"}'
    (saved / "special_tokens_map.json").write_text(special)
    (saved / "README.md").write_text("A model.")
    (saved / "onnx").mkdir()
    (saved / "onnx" / "model.onnx").write_bytes(b"")
    assert main(["convert", str(saved), str(tmp_path / "m.keras"), "--to", "keras"]) == 0
    report = capsys.readouterr().out
    assert "kept: special_tokens_map.json, tokenizer_config.json\n" in report
    assert "left behind: README.md, onnx/ (1 file)\n" in report
    assert main(["convert", str(tmp_path / "m.keras"), str(tmp_path / "back")]) == 0
    report = capsys.readouterr().out
    assert "left behind" not in report
    assert "with tokenizer: uncased, texts up to 5 tokens" in report
    assert (tmp_path / "back" / "special_tokens_map.json").read_text() == special


def test_casing_that_a_google_folder_leaves_open_is_said_and_can_be_chosen(
    tmp_path: Path, capsys: Any
) -> None:
    model = BertForPreTraining(TINY)
    bert_keras.save(model, tmp_path / "g", BertTokenizer(VOCAB), format="google")
    (tmp_path / "g" / "tokenizer_config.json").unlink()
    assert main(["convert", str(tmp_path / "g"), str(tmp_path / "guessed")]) == 0
    assert "casing taken as uncased: 0 of 3 letters" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "g"), str(tmp_path / "told"), "--cased"]) == 0
    assert "casing taken" not in capsys.readouterr().err
    tokenizers = [bert_keras.load(tmp_path / name).tokenizer for name in ("guessed", "told")]
    assert [tokenizer.casing.name for tokenizer in tokenizers] == ["uncased", "cased"]


def _nothing_new(tmp_path: Path) -> Callable[[], bool]:
    before = sorted(path.name for path in tmp_path.iterdir())
    return lambda: sorted(path.name for path in tmp_path.iterdir()) == before


def test_failure_writes_nothing(saved: Path, tmp_path: Path, capsys: Any) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    unchanged = _nothing_new(tmp_path)
    assert "is damaged" in refused(capsys, "convert", saved, tmp_path / "out", "--to", "google")
    shutil.rmtree(saved)
    bert_keras.save(BertForTokenClassification(TINY), saved)
    message = refused(capsys, "convert", saved, tmp_path / "out", "--to", "google")
    assert "nothing for BertForTokenClassification" in message
    message = refused(capsys, "convert", saved, tmp_path / "out", "--to", "keras")
    assert "must end in .keras" in message
    assert unchanged()


def test_what_is_there_is_not_overwritten(saved: Path, capsys: Any) -> None:
    before = (saved / "model.safetensors").read_bytes()
    assert "already exists" in refused(capsys, "convert", saved, saved)
    np.testing.assert_equal((saved / "model.safetensors").read_bytes(), before)


def test_missing_source_is_named(tmp_path: Path, capsys: Any) -> None:
    assert "no such model directory" in refused(
        capsys, "convert", tmp_path / "none", tmp_path / "out"
    )
