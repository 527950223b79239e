import pytest

from bert_keras.config import BertConfig
from bert_keras.config.export import SavedModelConfig, TFLiteConfig
from bert_keras.errors import InputError
from bert_keras.export.registry import Registry, trained_on, with_pair, with_settings
from bert_keras.modeling import (
    BertEncoder,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
)
from bert_keras.tasks import Classification

CONFIG = BertConfig(
    vocab_size=20, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)


def classifier(trained=None):
    model = BertForSequenceClassification(CONFIG, labels=["a", "b"])
    if trained:
        model.other_config["classification_task"] = {"trained_on": trained}
    return model


def test_answers_are_found_by_task_then_by_class_and_inherited():
    class Answers:
        pass

    class OfVectors:
        pass

    class Derived(BertEncoder):
        pass

    registry = Registry("as a test")
    assert registry.register(Classification)(Answers) is Answers
    registry.register(BertEncoder)(OfVectors)
    assert registry.of(classifier()) is Answers
    assert registry.of(BertEncoder(CONFIG)) is OfVectors
    assert registry.of(Derived(CONFIG)) is OfVectors


def test_a_model_without_answers_is_refused():
    with pytest.raises(InputError, match=r"BertEncoder cannot be exported as a test: no answers"):
        Registry("as a test").of(BertEncoder(CONFIG))


def test_settings_by_name_win_and_unknown_ones_are_refused():
    config = with_settings(TFLiteConfig(length=8, quantize="none"), {"length": 16})
    assert (config.length, config.quantize) == (16, "none")
    with pytest.raises(InputError, match="lenght"):
        with_settings(TFLiteConfig(), {"lenght": 16})


def test_pairs_follow_from_what_the_model_was_trained_on():
    assert trained_on(BertEncoder(CONFIG)) == ""
    assert trained_on(BertForNextSentencePrediction(CONFIG)) == "pairs"
    assert trained_on(classifier("texts")) == "texts"
    assert with_pair(SavedModelConfig(), classifier("pairs")).pair
    assert not with_pair(SavedModelConfig(input="tokens"), classifier("pairs")).pair
    assert not with_pair(SavedModelConfig(), classifier("texts")).pair
    assert with_pair(SavedModelConfig(pair=True), classifier()).pair


@pytest.mark.parametrize(
    ("trained", "pair", "message"),
    [("pairs", False, "a single one has no answer"), ("texts", True, "trained on single texts")],
)
def test_what_the_model_was_not_trained_on_is_refused(trained, pair, message):
    with pytest.raises(InputError, match=message):
        with_pair(SavedModelConfig(pair=pair), classifier(trained))
