"""A SavedModel opened as TF Serving does, by the graph loader and ``Session::Run``."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from bert_keras.errors import errors_naming
from bert_keras.modeling.model import BertModel


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings: TensorFlow's about old loaders, our own about the sample texts."""
    levels = {tf.get_logger(): logging.ERROR, logging.getLogger("bert_keras"): logging.ERROR}
    before = {logger: logger.level for logger in levels}
    for logger, level in levels.items():
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


def variables_read(model: BertModel, functions: list[Any]) -> list[tf.Variable]:
    """The plain variables of a model that functions read, each once.

    Plain, since a ``tf.Module`` that holds Keras's variables saves every one twice, and TF
    Serving's loader then finds none of them (keras issue 20096).

    Args:
        model: The model that was traced.
        functions: Concrete functions.
    """
    read = {id(tensor) for function in functions for tensor in function.captured_inputs}
    variables = {id(v.value.handle): v.value for v in model.variables}
    return [variable for handle, variable in variables.items() if handle in read]


class ServingSession:
    """Answers by signature, through TensorFlow's C++ loader for tag ``serve``.

    Use it in a ``with`` block.

    Args:
        folder: The SavedModel.
        threads: Threads within an operation; 0 for one a core. As with the server's own flag
            several requests are answered at a time in any case.
    """

    def __init__(self, folder: str | Path, threads: int = 0) -> None:
        with suppress(ImportError):  # without it, graphs that read ids alone can still be opened
            import tensorflow_text  # noqa: F401 - registers operations that TF Serving has built in
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        with graph.as_default(), quiet():
            loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        self.signatures: dict[str, Any] = {
            name: definition
            for name, definition in loaded.signature_def.items()
            if not name.startswith("__")
        }
        self._calls: dict[tuple[str, tuple[str, ...]], Any] = {}

    def run(
        self, signature: str, inputs: dict[str, Any], outputs: list[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature by name.

        Args:
            signature: Its name.
            inputs: An array for each input.
            outputs: The outputs that are wanted; by default all.
        """
        definition = self.signatures[signature]
        names = tuple(sorted(definition.outputs if outputs is None else outputs))
        if (signature, names) not in self._calls:
            # Session.run would look every name up again at each request.
            self._calls[signature, names] = self._session.make_callable(
                [definition.outputs[name].name for name in names],
                [info.name for info in definition.inputs.values()],
            )
        values = self._calls[signature, names](*(inputs[name] for name in definition.inputs))
        return dict(zip(names, values, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A context manager of a temporary folder.

    Raises:
        OSError: When it cannot be written; names the folder that ``TMPDIR`` sets.
    """
    with (
        errors_naming(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory() as folder,
    ):
        yield folder
