"""TensorFlow's checkpoint files: ``NAME.index`` and ``NAME.data-00000-of-00001``."""

import glob
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from bert_keras.errors import InputError
from bert_keras.files import is_utf8

_ERRORS = (tf.errors.OpError, ValueError, RuntimeError, IndexError)
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def is_tensorflow_file(path: Path) -> bool:
    """Tell whether a path is such a file's name, its index, or a folder that has one in it."""
    is_index = path.suffix == ".index" and path.is_file()
    return is_index or Path(f"{path}.index").exists() or any(path.glob("*.index"))


class TensorFlowFile:
    """The arrays of a TensorFlow checkpoint, by the names in the file.

    Attributes:
        prefix: The file's name, without ``.index``.
        shapes: The shape of each array.
        is_object_based: Whether ``tf.train.Checkpoint`` wrote it, which names a variable by its
            path through the objects; TF1's ``Saver`` uses the variable's own name.

    Raises:
        InputError: When the file is damaged, or the folder does not say which of several it is.
    """

    def __init__(self, path: Path) -> None:
        self.prefix = _prefix(path)
        try:
            self._reader = tf.train.load_checkpoint(self._plain_name())
            stored = self._reader.get_variable_to_shape_map()
        except _ERRORS as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.prefix} is damaged or not a TensorFlow checkpoint: {reason}"
            ) from None
        self.is_object_based = _OBJECT_GRAPH in stored
        stored.pop(_OBJECT_GRAPH, None)
        self.shapes = {name: tuple(shape) for name, shape in stored.items()}

    def _plain_name(self) -> str:
        """A name of the file that TensorFlow reads as it is: UTF-8, without signs of a glob.

        Where the file's own is not one, links to the files have one while this object lives.
        """
        if is_utf8(self.prefix) and set("[*?\\").isdisjoint(str(self.prefix)):
            return str(self.prefix)
        folder = tempfile.TemporaryDirectory()
        weakref.finalize(self, folder.cleanup)
        for file in self.prefix.parent.glob(f"{glob.escape(self.prefix.name)}.*"):
            link = Path(folder.name, f"model{file.name.removeprefix(self.prefix.name)}")
            link.symlink_to(file.absolute())
        return f"{folder.name}/model"

    def files(self, before: Iterable[str], after: Iterable[str]) -> dict[str, Path]:
        """Its own files, with ``*`` for its name, between other files of the folder."""
        folder, name = self.prefix.parent, self.prefix.name
        own = [f"{name}.index", *sorted(map(str, folder.glob(f"{glob.escape(name)}.data-*")))]
        files = {other: folder / other for other in before}
        files |= {"*" + Path(path).name.removeprefix(name): folder / path for path in own}
        return files | {other: folder / other for other in after}

    def read(self, name: str) -> np.ndarray:
        """One array.

        Raises:
            InputError: When its bytes are missing or not what was written.
        """
        try:
            return np.asarray(self._reader.get_tensor(name))
        except _ERRORS as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.prefix} is damaged: {reason}") from None


def _prefix(path: Path) -> Path:
    """The file's name; of several in a folder the one that its ``checkpoint`` file names."""
    if not path.is_dir():
        return path.with_suffix("") if path.suffix == ".index" else path
    names = sorted(file.name.removesuffix(".index") for file in path.glob("*.index"))
    if len(names) > 1:
        state = tf.train.get_checkpoint_state(str(path)) if is_utf8(path) else None
        # The folder may have moved since, so only the name counts.
        newest = Path(state.model_checkpoint_path).name if state else ""
        names = [newest] if newest in names else names
    if len(names) != 1:
        raise InputError(
            f"{path} must hold one checkpoint (*.index) or a file named checkpoint that names the "
            "newest; give the path of the one you mean, without .index. "
            f"Received: {', '.join(names[:3]) or 'none'}"
        )
    return path / names[0]
