"""The variables of a model that are saved with what is served."""

from typing import Any

import tensorflow as tf


def variables_read(model: Any, functions: list[Any]) -> list[tf.Variable]:
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
