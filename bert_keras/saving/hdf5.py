"""HDF5 files of weights, as Keras writes them."""

from pathlib import Path
from typing import Any

import h5py

from bert_keras.errors import InputError
from bert_keras.saving.names import Shape


def read_shapes(name: Path, file: Path) -> dict[str, Shape]:
    """The shape of every array that lies in the file itself; the optimizer's are passed over.

    Args:
        name: What messages call the file.
        file: Where it lies.

    Raises:
        InputError: When it is damaged or holds less than its shapes say.
        FileNotFoundError: When there is no such file.
    """
    if not file.is_file():
        raise FileNotFoundError(2, "no such file", str(name))
    found: dict[str, Shape] = {}

    def note(way: str, item: Any) -> None:
        # The bytes of an external array lie in whatever file the header names.
        if isinstance(item, h5py.Dataset) and not way.startswith("optimizer/"):
            if item.external or item.is_virtual:
                raise InputError(f"{name}: {way} lies in another file")
            # Sparse or compressed, as Keras writes none: the shape would cost the file nothing.
            if item.id.get_storage_size() < item.nbytes:
                raise InputError(f"{name}: {way} holds less than its shape says")
            found[way] = item.shape

    try:
        with h5py.File(file, "r") as handle:
            handle.visititems(note)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{name} is damaged or no HDF5 file: {error}") from None
    return found
