"""From a corpus to batches, on the fly: pair plan, gather, masks."""

from bert_keras.data.epochs import ExampleStream
from bert_keras.data.full_sentences import plan_full_sentences
from bert_keras.data.gather import Examples, gather_examples, gather_word_starts
from bert_keras.data.masking import Masking, MaskingDraws, TokenMasking
from bert_keras.data.pairs import plan_pairs
from bert_keras.data.plan import ExamplePlan
from bert_keras.data.pretraining import make_masking, pretraining_dataset
from bert_keras.data.protocol import PretrainingCorpus
from bert_keras.data.sentence_order import plan_sentence_order
from bert_keras.data.word_masking import SpanMasking, WholeWordMasking

__all__ = [
    "ExamplePlan",
    "ExampleStream",
    "Examples",
    "Masking",
    "MaskingDraws",
    "PretrainingCorpus",
    "SpanMasking",
    "TokenMasking",
    "WholeWordMasking",
    "gather_examples",
    "gather_word_starts",
    "make_masking",
    "plan_full_sentences",
    "plan_pairs",
    "plan_sentence_order",
    "pretraining_dataset",
]
