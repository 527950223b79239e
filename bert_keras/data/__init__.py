"""From a corpus to batches, on the fly: pair plan, gather, masks."""

from bert_keras.data.epochs import ExampleStream
from bert_keras.data.gather import Examples, gather_examples
from bert_keras.data.masking import MaskingDraws, TokenMasking
from bert_keras.data.pairs import PairPlan, plan_pairs
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.data.protocol import PretrainingCorpus

__all__ = [
    "ExampleStream",
    "Examples",
    "MaskingDraws",
    "PairPlan",
    "PretrainingCorpus",
    "TokenMasking",
    "gather_examples",
    "plan_pairs",
    "pretraining_dataset",
]
