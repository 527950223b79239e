"""Keras's callbacks: what is kept, and what goes on."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bert_keras import AdamW, BertConfig, BertForSequenceClassification

Y = np.array([0, 1, 1, 0])


def _compiled(config: BertConfig, optimizer: Any) -> BertForSequenceClassification:
    model = BertForSequenceClassification(config, labels=["no", "yes"])
    model.compile(optimizer)
    return model


class _End(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.system
def test_a_run_that_is_backed_up_goes_on_bit_for_bit(
    config: BertConfig, batch: dict[str, Any], tmp_path: Path
) -> None:
    """With dropout, whose draws are told by the count of steps."""
    whole, cut, resumed = (_compiled(config, AdamW(1e-2)) for _ in range(3))
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    given = {"x": batch, "y": Y, "batch_size": 2, "epochs": 4, "shuffle": False, "verbose": 0}
    whole.fit(**given)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(**given, callbacks=[backup, _End()])
    assert len(resumed.fit(**given, callbacks=[backup]).epoch) == 2
    for mine, other in (
        *zip(whole.weights, resumed.weights, strict=True),
        *zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True),
    ):
        np.testing.assert_array_equal(mine.numpy(), other.numpy(), err_msg=mine.path)


@pytest.mark.system
def test_the_best_epoch_is_kept_in_the_model_and_in_a_file(
    plain_config: BertConfig, batch: dict[str, Any], tmp_path: Path
) -> None:
    model = _compiled(plain_config, keras.optimizers.SGD(5.0))  # which soon makes it worse
    history = model.fit(
        batch,
        Y,
        epochs=10,
        validation_data=(batch, Y),
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras", "val_loss", save_best_only=True
            ),
            keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        ],
    ).history["val_loss"]
    assert len(history) < 10
    opened = keras.models.load_model(tmp_path / "best.keras")
    for kept in (model, opened):
        found = kept.evaluate(batch, Y, verbose=0, return_dict=True)["loss"]
        np.testing.assert_allclose(found, min(history), rtol=1e-5)
