"""The families of models in Hugging Face's layout, one a file.

A new one is imported here and touches nothing else: it makes a ``Family`` and gives it to
``register_family``.
"""

from bert_keras.saving.families import (  # noqa: F401 - they register themselves
    bert,
    distilbert,
    electra,
    ernie,
    mpnet,
    roberta,
    xlm_roberta,
)
from bert_keras.saving.families.family import (
    Family,
    all_heads,
    all_models,
    family_of_config,
    family_of_model,
    pretraining_class,
    register_family,
    register_model,
)

__all__ = [
    "Family",
    "all_heads",
    "all_models",
    "family_of_config",
    "family_of_model",
    "pretraining_class",
    "register_family",
    "register_model",
]
