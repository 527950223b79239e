"""The arguments of ``compile``: what they name, and what is refused there and not in ``fit``."""

from typing import Any

import keras
import pytest

from bert_keras import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    InputError,
)
from tests.support.by_hand import CROSSENTROPY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss_weights": 2.0}, "weighs the losses of compile.loss=...."),
        ({"loss_weights": {"logits": 2.0}}, "weighs the losses of compile.loss=...."),
        ({"loss": "mse", "loss_weights": {"labels": 2.0}}, "no output 'labels'; it has 'logits'"),
        ({"loss": ["mse", "mae"]}, "compile.loss=....: .* has one output, 'logits'. Received: 2"),
        ({"loss": "sparse_crossentropy"}, "'sparse_crossentropy' is none of keras.losses"),
        ({"loss": "accuracy"}, "'accuracy' is none of keras.losses"),
        ({"loss": 5}, "5 is none of keras.losses"),
        ({"metrics": ["acuracy"]}, "'acuracy' is none of keras.metrics"),
        ({"metrics": "accuracy"}, "compile.metrics=.... must be a list. Received: 'accuracy'"),
        ({"weighted_metrics": {"probabilities": "mse"}}, "no output 'probabilities'"),
        ({"metrics": [keras.metrics.Mean("m")]}, "m averages values"),
        ({"metrics": [keras.metrics.MeanSquaredError("loss")]}, "'loss' is reported already"),
        (
            {"weighted_metrics": [keras.metrics.MeanSquaredError("classification_loss")]},
            "'classification_loss' is reported already",
        ),
    ],
)
def test_what_compile_cannot_honor_is_refused(
    classifier: BertForSequenceClassification, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        classifier.compile(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"loss": [CROSSENTROPY(), CROSSENTROPY()]},
        {"loss": CROSSENTROPY(), "loss_weights": [1.0, 2.0]},
        {"metrics": ["accuracy"]},
        {"metrics": [["accuracy"], ["accuracy"]]},
    ],
)
def test_of_several_outputs_a_list_does_not_say_which_is_whose(
    plain_config: BertConfig, arguments: dict[str, Any]
) -> None:
    model = BertForQuestionAnswering(plain_config)
    with pytest.raises(InputError, match=r"a dictionary does: \{'start_logits': ..., 'end_logits'"):
        model.compile(**arguments)


@pytest.mark.parametrize("empty", [None, [], {}])
def test_nothing_is_nothing(classifier: BertForSequenceClassification, empty: Any) -> None:
    classifier.compile(loss=empty, loss_weights=empty, metrics=empty, weighted_metrics=empty)
    assert classifier.loss is None
