"""Small models, and what is asserted of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertConfig, BertForPreTraining
from bert_keras.config.model import field_names
from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import all_models, family_of_model
from bert_keras.saving.families.bert import BERT
from bert_keras.tokenization import SPECIAL_TOKENS

VOCAB = [*SPECIAL_TOKENS, "a", "b", "##c"]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# The smallest that has more than one of everything.
TINY = BertConfig(
    vocab_size=len(VOCAB),
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)


def pieces_of(letters: str) -> list[str]:
    """A vocabulary of letters, each at the beginning of a word and inside one."""
    return [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)]


def registered_models() -> list[type[BertModel]]:
    """Every class of models that the package knows, once."""
    return list(dict.fromkeys(all_models()))


def each_model(mark: Any = pytest.mark.system) -> list[Any]:
    """Every class as a parameter of a test; marked are those of other families that are as BERT's.

    Of these RoBERTa's sequence classifier is not marked, and those of others are in
    `make test-system`, whatever the mark of the others is.
    """

    def marks(cls: type[BertModel]) -> Any:
        is_own = not issubclass(cls, tuple(BERT.models)) or cls in BERT.models
        if is_own or cls.__name__ == "RobertaForSequenceClassification":
            return ()
        return pytest.mark.system if cls.__name__.endswith("ForSequenceClassification") else mark

    return [pytest.param(cls, marks=marks(cls)) for cls in registered_models()]


def suited(config: BertConfig, model_class: type[BertModel]) -> BertConfig:
    """The sizes of a config in the kind of config that a class has."""
    kind = model_class.config_class
    # Without dropout, without that of the family's heads too.
    calm = config.hidden_dropout_prob == 0
    heads = {name: 0.0 for name in field_names(kind) if calm and name.endswith("_dropout")}
    family = family_of_model(model_class)
    return kind(**config.to_dict() | heads | dict(family.config_values if family else {}))


def small_config(vocab_size: int, hidden_size: int = 32, **changes: Any) -> BertConfig:
    """A config of one layer that learns something within seconds."""
    sizes = {
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 2 * hidden_size,
        "max_position_embeddings": 64,
    }
    return BertConfig(vocab_size=vocab_size, hidden_size=hidden_size, **(sizes | changes))


def make_model(
    model_class: Any = BertForPreTraining,
    seed: int = 0,
    config: BertConfig = TINY,
    **arguments: Any,
) -> Any:
    """A model none of whose weights is 0 or 1."""
    model, draw = model_class(config, **arguments), np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


def assert_same_weights(model: Any, other: Any) -> None:
    """Checks that two models have equal weights, bit for bit."""
    assert len(model.trainable_weights) == len(other.trainable_weights)
    for ours, theirs in zip(model.trainable_weights, other.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def refusal(path: str | Path, *arguments: Any, **more: Any) -> str:
    """The one line with which opening a path is refused."""
    with pytest.raises(InputError) as caught:
        bert_keras.load(path, *arguments, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_told_of_progress(path: Path) -> None:
    """Checks that opening a path tells how far it is, from little to all."""
    told: list[tuple[int, int]] = []
    bert_keras.load(path, on_progress=lambda *step: told.append(step))
    done, totals = zip(*told, strict=True)
    assert len(done) > 1
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]}
