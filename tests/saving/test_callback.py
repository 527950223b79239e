from pathlib import Path

import numpy as np
import pytest

import bert_keras
from bert_keras import SaveBest
from bert_keras.errors import InputError
from tests.support.models import make_model


@pytest.mark.parametrize(
    ("monitor", "values", "best"),
    [
        ("val_mlm_loss", [3.0, 1.0, float("nan"), 2.0], 1),
        ("val_mlm_accuracy", [0.5, 0.25, 0.75, 0.5], 2),
    ],
)
def test_best_epoch_is_what_lies_on_the_disk(
    monitor: str, values: list[float], best: int, tmp_path: Path
) -> None:
    callback = SaveBest(tmp_path / "best", monitor)
    models = [make_model(seed=seed) for seed in range(4)]
    for epoch, (model, value) in enumerate(zip(models, values, strict=True)):
        callback.set_model(model)
        callback.on_epoch_end(epoch, {monitor: value})
    np.testing.assert_array_equal(
        bert_keras.load(tmp_path / "best").trainable_weights[0], models[best].trainable_weights[0]
    )


def test_measure_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 'val_loss'; they have mlm_loss, nsp_loss"):
        SaveBest(tmp_path, "val_loss").on_epoch_end(0, {"mlm_loss": 1.0, "nsp_loss": 1.0})
    with pytest.raises(InputError, match='mode must be "min" or "max"'):
        SaveBest(tmp_path, "val_loss", mode="best")


def test_files_of_ones_own_in_the_folder_are_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt is not what bert_keras wrote there"):
        SaveBest(tmp_path, "val_loss").on_train_begin()
    SaveBest(tmp_path / "new", "val_loss").on_train_begin()
