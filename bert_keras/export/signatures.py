"""The functions of a SavedModel: from text, from ids, and text to ids; or from ids alone."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_keras.export.answers import Answers
from bert_keras.export.outputs import check_declared
from bert_keras.export.sequences import NAMES, Tensors, checked_ids, checked_texts, within_limit
from bert_keras.export.session import variables_read

DEFAULT, TOKENS, TOKENIZE = "serving_default", "tokens", "tokenize"


class ServedModel(tf.Module):
    """The module that is saved: variables and the tokenizer's resources, nothing of Keras.

    Attributes:
        functions: The concrete functions by the names of their signatures.
        variables_read: The variables that they read.
    """

    def __init__(self, answers: Answers) -> None:
        super().__init__(name="bert")
        functions = _functions(answers)
        self.variables_read = variables_read(answers.model, list(functions.values()))
        self.tokenizer = answers.graph_tokenizer
        self.functions = functions


def _functions(answers: Answers) -> dict[str, Any]:
    names = answers.text_inputs(answers.config)
    texts = {name: tf.TensorSpec([None], tf.string, name) for name in names}
    ids = {name: tf.TensorSpec([None, None], tf.int32, name) for name in NAMES}
    limit = answers.config.max_request_tokens

    def from_texts(**inputs: tf.Tensor) -> Tensors:
        return answers.from_texts(*checked_texts([inputs[name] for name in names]))

    def from_ids(**inputs: tf.Tensor) -> Tensors:
        most = answers.model.config.longest_sequence
        batch = checked_ids(inputs, answers.model.config, most)
        return answers.from_ids(within_limit(batch, limit))

    def tokenize(**inputs: tf.Tensor) -> Tensors:
        return answers.encode(*checked_texts([inputs[name] for name in names]))

    def traced(function: Callable[..., Tensors], specs: dict[str, tf.TensorSpec]) -> Any:
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    answered = traced(from_ids, ids)
    check_declared(answered.structured_outputs, answers.outputs_from_ids or answers.outputs)
    if answers.config.input == "tokens":
        return dict.fromkeys((DEFAULT, TOKENS), answered)
    functions = {DEFAULT: traced(from_texts, texts), TOKENS: answered}
    check_declared(functions[DEFAULT].structured_outputs, answers.outputs)
    return functions | {TOKENIZE: traced(tokenize, texts)}
