"""A TFLite file as a phone runs it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bert_keras.export.tflite.answers import Arrays
from bert_keras.export.tflite.convert import SIGNATURE


class TFLiteModel:
    """The interpreter over a file's bytes.

    LiteRT's where it is installed (the extra ``mobile``), else the one in TensorFlow, which runs
    the same kernels.

    Args:
        data: The file.
        threads: How many the kernels use.
    """

    def __init__(self, data: bytes, threads: int = 1) -> None:
        self._interpreter = make_interpreter(model_content=data, num_threads=threads)
        self._run = self._interpreter.get_signature_runner(SIGNATURE)

    def run(self, batch: Arrays) -> Arrays:
        """The outputs by name.

        Args:
            batch: ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [B, L].
        """
        outputs: Arrays = self._run(**batch)
        return outputs


class TextModel:
    """A file that takes text, as a phone runs it that has tensorflow-text's operations.

    Args:
        data: The file.
    """

    def __init__(self, data: bytes) -> None:
        import tensorflow_text as tf_text
        from tensorflow.lite.python.interpreter import InterpreterWithCustomOps

        with _without_warning():
            self._interpreter = InterpreterWithCustomOps(
                custom_op_registerers=tf_text.tflite_registrar.SELECT_TFTEXT_OPS,
                model_content=data,
                num_threads=1,
            )
        (name,) = self._interpreter.get_signature_list()
        self._run = self._interpreter.get_signature_runner(name)

    def run(self, **texts: str | bytes) -> Arrays:
        """The outputs by name; each has one row.

        Args:
            **texts: One text for each input.
        """
        sent = {n: t.encode() if isinstance(t, str) else t for n, t in texts.items()}
        outputs: Arrays = self._run(**{n: np.array([t], object) for n, t in sent.items()})
        return outputs


def make_interpreter(**arguments: Any) -> Any:
    """An interpreter: LiteRT's where it is installed, otherwise TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        with _without_warning():
            return tf.lite.Interpreter(**arguments)
    return Interpreter(**arguments)


@contextmanager
def _without_warning() -> Iterator[None]:
    """Suppress the warning that TensorFlow's interpreter will go: it is in all allowed versions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter")
        yield
