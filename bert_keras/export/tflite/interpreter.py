"""A TFLite file as a phone runs it."""

import warnings
from typing import Any

import numpy as np

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
        self._interpreter = interpreter_class()(model_content=data, num_threads=threads)
        self._run = self._interpreter.get_signature_runner(SIGNATURE)

    def run(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name.

        Args:
            batch: ``input_ids``, ``attention_mask`` and ``token_type_ids``, int32 [B, L].
        """
        outputs: dict[str, np.ndarray] = self._run(**batch)
        return outputs


def interpreter_class() -> Any:
    """LiteRT's interpreter where it is installed, else TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        def interpreter(**arguments: Any) -> Any:
            with warnings.catch_warnings():
                # It says that it will go; in the versions we allow it is there.
                warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter")
                return tf.lite.Interpreter(**arguments)

        return interpreter
    return Interpreter
