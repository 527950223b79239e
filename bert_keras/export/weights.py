"""The copy of a model that is served: packed, with weights of the type that is asked for."""

from typing import Any

import tensorflow as tf

from bert_keras.modeling.random import blank_weights


def serving_copy(model: Any, dtype: str = "float32", packed: bool = True) -> Any:
    """A model of the same kind with the same weights, which it stores and computes in ``dtype``.

    Args:
        model: One of our models; it stays as it is.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``. LayerNorm's statistics and the
            attention's softmax are float32 in any case.
        packed: Whether nothing is computed for padding.
    """
    with blank_weights():
        copy = type(model).from_config(model.get_config() | {"dtype": dtype, "packed": packed})
    for ours, theirs in zip(copy.weights, model.weights, strict=True):
        assert ours.path == theirs.path, "a model and its copy differ"
        ours.assign(tf.cast(theirs.value, ours.dtype))
    copy.tokenizer, copy.other_config = model.tokenizer, model.other_config
    return copy


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
