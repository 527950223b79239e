"""From a corpus to batches, on the fly: plan, gather, mask.

The names are handed on lazily (PEP 562): plans need no TensorFlow, and so need not wait for it.
"""

import importlib
from typing import Any

_HOMES = {
    "Epoch": "plan",
    "EpochSummary": "coverage",
    "ExamplePlan": "plan",
    "ExampleStream": "plan",
    "Examples": "gather",
    "Masking": "masking",
    "MaskingDraws": "masking",
    "PretrainingCorpus": "gather",
    "SpanMasking": "word_masking",
    "TokenMasking": "masking",
    "WholeWordMasking": "word_masking",
    "gather_examples": "gather",
    "gather_word_starts": "gather",
    "make_masking": "pretraining",
    "plan_epoch": "coverage",
    "plan_full_sentences": "sampling",
    "plan_pairs": "sampling",
    "plan_sentence_order": "sampling",
    "pretraining_dataset": "pretraining",
    "summarize_epoch": "coverage",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
