"""The cost of a pre-training run, by arithmetic."""

from dataclasses import dataclass

from bert_keras.config.model import BertConfig
from bert_keras.config.pretrain import PretrainConfig


@dataclass(frozen=True)
class Cost:
    """The work of a run.

    Attributes:
        sequences: Examples over all steps.
        tokens: Their tokens, padding included.
        flops: Floating-point operations of the matrix products, a multiplication and an addition
            being two.
    """

    sequences: int
    tokens: int
    flops: int

    def hours(self, peak_flops: float, utilization: float) -> float:
        """The time it takes.

        Args:
            peak_flops: Operations per second that all devices together could reach.
            utilization: The share of them that the run does reach, in (0, 1].
        """
        return self.flops / (peak_flops * utilization) / 3600


def pretraining_cost(config: PretrainConfig, vocab_size: int) -> Cost:
    """The cost of a recipe with a vocabulary of ``vocab_size`` word pieces.

    The backward pass has two products for each of the forward pass; with ``train.rematerialize``
    the layers' forward pass is counted once more.
    """
    model = config.model.bert_config(vocab_size)
    sequences = tokens = flops = first = 0
    for data, batch_size, last in config.phases():
        length = data.max_seq_length
        count = (last - first) * batch_size
        layers, heads = forward_flops(model, length, data.max_predictions_per_seq)
        again = layers if config.train.rematerialize else 0
        flops += count * (3 * (layers + heads) + again)
        sequences += count
        tokens += count * length
        first = last
    return Cost(sequences, tokens, flops)


def forward_flops(model: BertConfig, length: int, predictions: int) -> tuple[int, int]:
    """The operations of one sequence's forward pass: in the layers, and in pooler and heads."""
    hidden, inner = model.hidden_size, model.intermediate_size
    products = 4 * hidden * hidden + 2 * hidden * inner  # Q, K, V, output; feed-forward
    attention = 2 * length * hidden  # scores, and their product with the values
    layers = 2 * model.num_hidden_layers * length * (products + attention)
    masked = predictions * (hidden * hidden + hidden * model.vocab_size)
    pooled = hidden * hidden + 2 * hidden
    return layers, 2 * (masked + pooled)
