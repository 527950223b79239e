from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.saving.keras_file import read_shapes


@pytest.mark.parametrize(
    "add",
    [
        lambda file: file.create_dataset("vars/0", (10**9, 64), "float32"),
        lambda file: file.create_dataset("vars/0", (10**9, 64), "float32", chunks=(10**4, 64)),
        lambda file: file.create_dataset("vars/0", data=np.zeros((99, 64)), compression="gzip"),
    ],
    ids=["never written", "in chunks", "compressed"],
)
def test_an_array_larger_than_what_the_file_holds_is_refused(
    add: Callable[[Any], Any], tmp_path: Path
) -> None:
    """A few bytes could ask for any memory."""
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        add(file)
    assert (tmp_path / "weights.h5").stat().st_size < 20_000
    with pytest.raises(InputError, match=r"vars/0 holds less than its shape says"):
        read_shapes(Path("m.keras"), tmp_path / "weights.h5")


def test_scalars_empty_arrays_and_whole_chunks_are_no_less_than_their_shapes(
    tmp_path: Path,
) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["scalar"] = np.float32(1)
        file["empty"] = np.zeros((0, 4), "float32")
        file["null"] = h5py.Empty("float32")
        file["text"] = "some words"
        file.create_dataset("chunks", data=np.ones((5, 3), "float16"), chunks=(2, 2))
    assert read_shapes(Path("m.keras"), tmp_path / "weights.h5") == {
        "scalar": (),
        "empty": (0, 4),
        "null": None,
        "text": (),
        "chunks": (5, 3),
    }
