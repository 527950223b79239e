import os
import subprocess
import sys

import pytest

from bert_keras.errors import InputError
from bert_keras.export import operations
from bert_keras.export.operations import (
    CORE_OPERATIONS,
    TEXT_OPERATIONS,
    check_operations,
    operations_of,
)

KERNELS = """
import tensorflow as tf
from tensorflow.python.framework import kernels
def registered():
    found = kernels.get_all_registered_kernels().kernel
    return {k.op for k in found if k.device_type in ("CPU", "DEFAULT")}
core = registered()
import tensorflow_text
print(",".join(core)); print(",".join(registered() - core))
"""


@pytest.mark.system
def test_the_list_holds_kernels_of_core_and_of_tensorflow_text():
    """A fresh process: tensorflow-text adds its kernels when it is imported."""
    run = subprocess.run(
        [sys.executable, "-c", KERNELS],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    core, text = (set(line.split(",")) for line in run.stdout.split())
    assert core >= CORE_OPERATIONS
    assert text >= TEXT_OPERATIONS


def test_an_export_has_them_alone(exported):
    found = operations_of(exported("classification"))
    assert found.keys() <= CORE_OPERATIONS | TEXT_OPERATIONS
    assert {"MatMul", "FastWordpieceTokenizeWithOffsets"} <= found.keys()


def test_another_one_is_named(exported, monkeypatch):
    monkeypatch.setattr(operations, "ALLOWED", operations.ALLOWED - {"Erf", "Tanh"})
    with pytest.raises(InputError, match="may lack: Erf, Tanh"):
        check_operations(exported("classification"))
