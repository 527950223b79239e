"""How many files a reader opens between a command and its arithmetic."""

import traceback
from pathlib import Path

import pytest
import tensorflow as tf

import bert_keras
from tests.support.commands import pretrain, run, write_inputs

RECIPE = """
[model]
preset = "tiny"
num_hidden_layers = 1
[data]
max_seq_length = 16
max_predictions_per_seq = 2
eval_fraction = 0.0
[train]
steps = 2
batch_size = 2
"""
PACKAGE = Path(bert_keras.__file__).parent


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")  # tf.data stays a graph
def test_a_batch_goes_from_the_command_to_a_matrix_product_through_seven_files(
    tmp_path, monkeypatch
):
    """The files of the package on the stack when attention multiplies queries by keys."""
    stacks, matmul = [], tf.matmul

    def recorded(*arguments, **settings):
        paths = [Path(frame.filename) for frame in traceback.extract_stack()]
        own = [path.relative_to(PACKAGE) for path in paths if path.is_relative_to(PACKAGE)]
        stacks.append(list(dict.fromkeys(path.as_posix() for path in own)))
        return matmul(*arguments, **settings)

    folder = write_inputs(tmp_path, pretrain=RECIPE)
    monkeypatch.setattr(tf, "matmul", recorded)
    tf.config.run_functions_eagerly(True)
    try:
        run(*pretrain(folder, tmp_path / "run"))
    finally:
        tf.config.run_functions_eagerly(False)
    chain = [
        "__main__.py",
        "cli/pretrain.py",
        "training/pretrain.py",
        "training/trainer.py",
        "objectives/steps.py",
        "modeling/pretraining.py",
        "modeling/encoder.py",
    ]
    assert chain in stacks
    # A dense layer is one file further; the first step is called through a thread.
    assert [*chain, "modeling/layers.py"] in stacks
