import dataclasses

import numpy as np
import pytest

from bert_keras.config.export import SavedModelConfig
from bert_keras.export import comparison, export_saved_model
from bert_keras.export.answers import answers_of
from bert_keras.modeling import BertForMaskedLM

TOLERANCE = comparison.TOLERANCE


@pytest.mark.system
def test_every_word_piece_as_a_candidate_is_exported(config, tokenizer, tmp_path):
    """Among so many some are nearer to each other than rounding."""
    model = BertForMaskedLM(dataclasses.replace(config, initializer_range=0.02))
    model.tokenizer = tokenizer
    report = export_saved_model(model, None, tmp_path / "served", top=tokenizer.vocab_size)
    assert report["comparison_with_keras"]["largest_difference"] < 1e-5


@pytest.fixture
def others(make_model, tokenizer):
    """How many places of a list are counted as others than Keras's."""
    model = make_model("masked_lm")
    kind, config = answers_of(model, SavedModelConfig(top=4))
    answers = kind(model, tokenizer, None, config)
    keras = [("a", 0.9), ("b", 1e-5), ("c", 1e-5 * (1 - 1e-4)), ("d", 1e-7)]

    def count(given):
        given, expected = (
            {
                "tokens": np.array([[[token for token, _ in rows]]], object),
                "scores": np.array([[[score for _, score in rows]]]),
            }
            for rows in (given, keras)
        )
        return int(answers.is_other("tokens", given, expected, TOLERANCE).sum())

    return count


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ([("a", 0.9), ("b", 1e-5), ("c", 1e-5), ("d", 1e-7)], 0),
        ([("a", 0.9), ("c", 1e-5), ("b", 1e-5), ("d", 1e-7)], 0),  # equally likely
        ([("a", 0.9), ("b", 1e-5), ("c", 1e-5), ("e", 1e-7)], 0),  # as likely as the last
        ([("b", 0.9), ("a", 1e-5), ("c", 1e-5), ("d", 1e-7)], 2),
        ([("a", 0.9), ("b", 1e-5), ("d", 1e-5), ("c", 1e-7)], 2),  # both below the tolerance
        ([("e", 0.9), ("b", 1e-5), ("c", 1e-5), ("d", 1e-7)], 1),
        ([("a", 0.9), ("b", 1.2e-5), ("c", 1e-5), ("d", 1e-7)], 0),  # that is for the scores
    ],
)
def test_tokens_change_places_only_where_they_are_equally_likely(given, count, others):
    assert others(given) == count
