"""Small models of every kind with a real vocabulary, and their exports, each made once."""

import os
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock

from bert_keras.config.export import SavedModelConfig
from bert_keras.export import export_saved_model
from bert_keras.export.answers import answers_of
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.session import ServingSession
from bert_keras.modeling import (
    BertEncoder,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from bert_keras.tokenization.graph import GraphTokenizer
from tests.support.models import small_config

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
LABELS = ["bad", "good", "so-so, “多彩”"]

# Each kind: the class, what it is made of beside the config, and the settings of its export.
KINDS = {
    "classification": (BertForSequenceClassification, {"labels": LABELS}, {}),
    "pairs": (BertForSequenceClassification, {"labels": LABELS}, {"pair": True, "max_length": 24}),
    "multi_label": (
        BertForSequenceClassification,
        {"labels": LABELS, "problem_type": "multi_label_classification"},
        {},
    ),
    "regression": (BertForSequenceClassification, {"labels": 1}, {}),
    "several_numbers": (
        BertForSequenceClassification,
        {"labels": ["valence", "arousal", "dominance"], "problem_type": "regression"},
        {},
    ),
    "encoder": (BertEncoder, {}, {}),
    "sentence_embedding": (BertForSentenceEmbedding, {}, {}),
    "next_sentence": (BertForNextSentencePrediction, {}, {}),
    "masked_lm": (BertForMaskedLM, {}, {"top": 3}),
    "pretraining": (BertForPreTraining, {}, {}),
    "tagging": (BertForTokenClassification, {"labels": TAGS}, {"max_length": 16}),
    "span": (BertForQuestionAnswering, {}, {}),
    "multiple_choice": (BertForMultipleChoice, {}, {}),
    "cross_encoder": (
        BertForSequenceClassification,
        {"labels": 1, "function_to_apply": "sigmoid"},
        {"pair": True},
    ),
    "prompted": (
        BertForSentenceEmbedding,
        {"prompts": {"q": "the film: "}, "default_prompt_name": "q", "include_prompt": False},
        {},
    ),
}


@pytest.fixture(scope="session")
def tokenizer():
    return BertTokenizer(learn_vocabulary([*SENTENCES, *PROSE], 600, Casing()))


@pytest.fixture(scope="session")
def config(tokenizer):
    # So that different texts have different answers.
    return small_config(tokenizer.vocab_size, num_hidden_layers=2, initializer_range=0.3)


@pytest.fixture(scope="session")
def make_model(config, tokenizer):
    """Makes the model of a kind."""

    @cache
    def make(kind):
        model_class, arguments, _ = KINDS[kind]
        model = model_class(config, **arguments)
        model.tokenizer = tokenizer
        return model

    return make


@pytest.fixture(scope="session")
def exported(make_model, tmp_path_factory):
    """The folder of a kind's first version, made by the process of pytest-xdist that asks first."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which is of all processes of this run

    def export(kind):
        path = folder / "served" / kind
        with FileLock(folder / f"served-{kind}.lock"):
            if not (path / "1").exists():
                with tf.device("/CPU:0"):  # as on a machine whose GPU everything is placed on
                    export_saved_model(make_model(kind), None, path, **KINDS[kind][2])
        return path / "1"

    return export


@pytest.fixture(scope="session")
def session(exported):
    """A kind's export as TF Serving opens it."""

    @cache
    def open_session(kind):
        return ServingSession(exported(kind))

    return open_session


@pytest.fixture(scope="session")
def make_answers(tokenizer):
    """The function from texts to a model's answers, traced but not saved."""

    def make(model, **settings):
        kind, config = answers_of(model, SavedModelConfig(**settings))
        graph_tokenizer = GraphTokenizer(tokenizer, config.max_length, kind.truncation(model))
        answers = kind(model.copy(packed=True), tokenizer, graph_tokenizer, config)
        specs = [tf.TensorSpec([None], tf.string)] * len(kind.text_inputs(config))
        function = tf.function(answers.from_texts, input_signature=specs, autograph=False)

        def run(*columns):
            texts = [tf.constant([t.encode() for t in column], tf.string) for column in columns]
            given = {name: array.numpy() for name, array in function(*texts).items()}
            return given, answers.expected(model, columns)

        return run

    return make


@pytest.fixture(scope="session")
def strings():
    """Texts as a server is sent them."""

    def encode(texts):
        return np.array([t if isinstance(t, bytes) else t.encode() for t in texts], object)

    return encode
