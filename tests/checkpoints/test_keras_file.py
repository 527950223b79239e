import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder, BertForPreTraining, BertForSequenceClassification, BertTokenizer
from bert_keras.errors import InputError


@pytest.mark.parametrize(
    ("model_class", "arguments"),
    [
        (BertEncoder, {"with_pooler": False}),
        (BertForPreTraining, {}),
        (BertForSequenceClassification, {"labels": ["no", "yes", "so"]}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_model_and_tokenizer_come_back_from_a_keras_file(
    model_class: Any,
    arguments: dict[str, Any],
    tmp_path: Path,
    vocab: list[str],
    make_model: Callable[..., Any],
    assert_same_weights: Callable[[Any, Any], None],
) -> None:
    model = make_model(model_class, **arguments)
    bert_keras.save(model, tmp_path / "m.keras", BertTokenizer(vocab), format="keras")
    loaded = bert_keras.load(tmp_path / "m.keras")
    assert type(loaded) is model_class
    assert loaded.tokenizer.vocab == vocab
    assert getattr(loaded, "labels", None) == getattr(model, "labels", None)
    assert_same_weights(loaded, model)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_keys_of_a_foreign_config_go_through_a_keras_file(
    tmp_path: Path, make_model: Callable[..., Any]
) -> None:
    labels = {"labels": ["no", "yes", "so"], "problem_type": "multi_label_classification"}
    bert_keras.save(make_model(BertForSequenceClassification, **labels), tmp_path / "first")
    file = tmp_path / "first" / "config.json"
    foreign = {"use_cache": True, "task_specific_params": {"x": [1, {"é": None}]}}
    file.write_text(json.dumps(json.loads(file.read_text()) | foreign))
    bert_keras.save(bert_keras.load(tmp_path / "first"), tmp_path / "m.keras", format="keras")
    bert_keras.save(bert_keras.load(tmp_path / "m.keras"), tmp_path / "second")
    written = json.loads((tmp_path / "second" / "config.json").read_text())
    assert written == json.loads(file.read_text())


def test_progress_is_told(
    tmp_path: Path,
    make_model: Callable[..., Any],
    assert_told_of_progress: Callable[[Path], None],
) -> None:
    for name, layout in ("m.keras", "keras"), ("m", "huggingface"), ("google", "google"):
        bert_keras.save(make_model(), tmp_path / name, format=layout)
        assert_told_of_progress(tmp_path / name)


def test_compiled_model_that_keras_saved_opens(
    tmp_path: Path, make_model: Callable[..., Any], assert_same_weights: Callable[[Any, Any], None]
) -> None:
    model = make_model()
    model.compile()
    model.save(tmp_path / "m.keras")
    assert_same_weights(bert_keras.load(tmp_path / "m.keras"), model)


def test_code_in_a_keras_file_is_not_run(tmp_path: Path, refusal: Callable[..., str]) -> None:
    inputs = keras.Input((2,))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    assert "m.keras cannot be opened" in refusal(tmp_path / "m.keras")


def test_other_models_are_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    assert "holds a Sequential" in refusal(tmp_path / "m.keras")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_truncated_file_is_refused(
    share: float, tmp_path: Path, make_model: Callable[..., Any], refusal: Callable[..., str]
) -> None:
    file = tmp_path / "m.keras"
    bert_keras.save(make_model(), file, format="keras")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert "m.keras" in refusal(file)


def test_file_that_unpacks_to_many_times_its_size_is_refused(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(name, " " * 2**23)
    assert "would unpack to 25,165,824 bytes" in refusal(tmp_path / "m.keras")


def test_file_without_weights_is_refused(
    tmp_path: Path, make_model: Callable[..., Any], refusal: Callable[..., str]
) -> None:
    bert_keras.save(make_model(), tmp_path / "whole.keras", format="keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as part,
    ):
        for name in ("config.json", "metadata.json"):
            part.writestr(name, whole.read(name))
    assert "it lacks model.weights.h5" in refusal(tmp_path / "m.keras")


def test_wrong_uses_are_refused(tmp_path: Path, make_model: Callable[..., Any]) -> None:
    model = make_model()
    with pytest.raises(InputError, match=r"must end in \.keras"):
        bert_keras.save(model, tmp_path / "model", format="keras")
    with pytest.raises(InputError, match="no format 'onnx'"):
        bert_keras.save(model, tmp_path / "model", format="onnx")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        bert_keras.load(tmp_path / "none.keras")
    np.testing.assert_equal(len(list(tmp_path.iterdir())), 0)
