"""The share of a corpus that an epoch shows, and the share of its pairs that are random."""

from dataclasses import dataclass

import numpy as np

from bert_keras.config import DataConfig
from bert_keras.data.plan import Epoch, ExamplePlan, Int64, Sentences
from bert_keras.data.sampling import plan_full_sentences, plan_pairs, plan_sentence_order
from bert_keras.tokenization import Tokenizer

# Each with the number of texts of its examples.
_PLANNERS = {
    "nsp": (plan_pairs, 2),
    "sop": (plan_sentence_order, 2),
    "none": (plan_full_sentences, 1),
}

# Of larger corpora a sample is planned; of small ones several epochs, as one alone varies much.
_MOST_SENTENCES = 1 << 21
_LEAST_SENTENCES, _MOST_EPOCHS = 1 << 16, 64
# Above this share of random pairs, and below this share of the tokens, there is a warning.
_MANY_RANDOM = 0.9
_FEW_TOKENS = 0.6


@dataclass(frozen=True)
class EpochSummary:
    """Summary of an epoch: exact, the mean of several, or from a sample.

    Attributes:
        config: How it is sampled.
        documents: Documents to sample from.
        single_documents: Those of one sentence.
        examples: Pairs, or texts where there is no sentence-level task.
        random_share: The share of the pairs whose second text is a random one (of ``"sop"``, whose
            texts are swapped).
        token_share: The share of the corpus's tokens that is in an example.
        is_exact: Whether it is the plan of epoch 0 and no estimate.
    """

    config: DataConfig
    documents: int
    single_documents: int
    examples: int
    random_share: float
    token_share: float
    is_exact: bool

    def describe(self) -> str:
        """The summary as one line."""
        pairs = {"nsp": "pairs", "sop": "pairs", "none": "texts"}[self.config.next_sentence]
        random = {"nsp": f", {self.random_share:.0%} with a random next text,"}
        return (
            f"an epoch is {'' if self.is_exact else 'about '}{self.examples:,} {pairs} of up to "
            f"{self.config.max_seq_length} tokens{random.get(self.config.next_sentence, '')} and "
            f"shows {self.token_share:.1%} of the corpus's tokens"
        )

    def warnings(self) -> list[str]:
        """Warnings of what is probably not intended, each with the setting that helps."""
        lines = []
        if self.config.next_sentence == "nsp":
            if self.documents == 1:
                lines.append(
                    "the corpus is one document, so that a random next text is from that document "
                    "too; give documents as files, records or blocks (prepare --split blank-line), "
                    'or set data.next_sentence = "none"'
                )
            elif self.random_share > _MANY_RANDOM:
                lines.append(self._many_random())
        if self.token_share < _FEW_TOKENS:
            lines.append(
                f"an epoch shows only {self.token_share:.1%} of the corpus's tokens: the rest does "
                f'not fit into its pairs; data.next_sentence = "none" shows all, a larger '
                "data.max_seq_length more"
            )
        return lines

    def _many_random(self) -> str:
        what = f"{self.random_share:.0%} of the pairs have a random next text, "
        if 2 * self.single_documents > self.documents:
            return (
                f"{what}as {self.single_documents:,} of {self.documents:,} documents are a single "
                'sentence: set data.next_sentence = "none", or prepare documents of several '
                "sentences (prepare --split, --sentences)"
            )
        return (
            f"{what}as a single sentence often fills {self.config.max_seq_length} tokens: set "
            'data.next_sentence = "none" or a larger data.max_seq_length'
        )


def plan_epoch(corpus: Sentences, config: DataConfig, seed: int, epoch: int) -> ExamplePlan:
    """The plan of all examples of an epoch, as ``config.next_sentence`` has it.

    Raises:
        InputError: When the corpus has nothing to plan.
    """
    planner, texts = _PLANNERS[config.next_sentence]
    return planner(
        Epoch(
            corpus.sentence_offsets,
            corpus.documents,
            config.max_seq_length - corpus.tokenizer.template.overhead(texts),
            config.short_seq_prob,
            seed,
            epoch,
        )
    )


def summarize_epoch(corpus: Sentences, config: DataConfig, seed: int = 0) -> EpochSummary:
    """Summary of epoch 0; of a sample where the corpus is large, of a few epochs where it is small.

    Args:
        corpus: What to sample from.
        config: How to sample.
        seed: The seed of the run.

    Raises:
        InputError: When the corpus has nothing to plan.
    """
    documents = corpus.documents
    counts = documents[:, 1] - documents[:, 0]
    sample = documents[:: max(1, int(counts.sum()) // _MOST_SENTENCES)]
    sample = np.stack([sample[:, 0], np.minimum(sample[:, 1], sample[:, 0] + _MOST_SENTENCES)], 1)
    sampled_corpus = _Sample(corpus.sentence_offsets, sample, corpus.tokenizer)
    tokens, sampled = _tokens(corpus), _tokens(sampled_corpus)
    epochs = min(_MOST_EPOCHS, max(1, _LEAST_SENTENCES // int(counts.sum())))
    examples = random = shown = 0
    for epoch in range(epochs):
        plan = plan_epoch(sampled_corpus, config, seed, epoch)
        examples += len(plan)
        random += int(np.count_nonzero(plan.label))
        shown += _tokens_shown(plan)
    return EpochSummary(
        config=config,
        documents=len(documents),
        single_documents=int(np.count_nonzero(counts == 1)),
        examples=round(examples / epochs * tokens / sampled),
        random_share=random / examples,
        token_share=shown / epochs / sampled,
        is_exact=epochs == 1 and sampled == tokens,
    )


@dataclass(frozen=True)
class _Sample:
    sentence_offsets: Int64
    documents: Int64
    tokenizer: Tokenizer


def _tokens(corpus: Sentences) -> int:
    first, end = corpus.documents.T
    return int((corpus.sentence_offsets[end] - corpus.sentence_offsets[first]).sum())


def _tokens_shown(plan: ExamplePlan) -> int:
    """The number of tokens that lie in a segment, each counted once."""
    starts = np.concatenate([plan.a_start, plan.b_start])
    ends = starts + np.concatenate([plan.a_length, plan.b_length])
    order = np.argsort(starts)
    reached = np.maximum.accumulate(ends[order])
    before = np.concatenate([[0], reached[:-1]])
    return int((reached - np.maximum(starts[order], before)).sum())
