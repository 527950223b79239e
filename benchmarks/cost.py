"""The cost of a pre-training run, by arithmetic.

    python benchmarks/cost.py

prints the table of configs/pretrain/COST.md.
"""

from dataclasses import dataclass
from pathlib import Path

from bert_keras.config import PretrainConfig, load_toml
from bert_keras.config.model import BertConfig

RECIPES = Path(__file__).parents[1] / "configs" / "pretrain"
NAMES = ("base-128", "base-512", "base-tpu", "large-lamb-128", "large-lamb-512")
VOCAB_SIZE = 30522
UTILIZATION = 0.4  # assumed
# Dense bfloat16 (float16) operations per second, from the devices' data sheets.
PEAKS = {
    "one TPU v5e chip": 197e12,
    "TPU v4-8 (4 chips)": 4 * 275e12,
    "8 A100": 8 * 312e12,
    "8 H100 SXM": 8 * 989e12,
}


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


def row(name: str) -> list[str]:
    """A recipe's row of the table."""
    cost = pretraining_cost(load_toml(PretrainConfig, RECIPES / f"{name}.toml"), VOCAB_SIZE)
    return [
        f"`{name}.toml`",
        f"{cost.sequences / 1e6:,.0f}",
        f"{cost.tokens / 1e9:,.1f}",
        f"{cost.flops / 1e18:,.1f}",
        *(f"{cost.hours(peak, UTILIZATION):,.1f}" for peak in PEAKS.values()),
    ]


def table() -> str:
    """The table of all recipes and devices, as Markdown."""
    header = ["recipe", "million sequences", "billion tokens", "10^18 operations"]
    header += [f"hours on {device}" for device in PEAKS]
    rows = [header, ["---"] * len(header), *map(row, NAMES)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


if __name__ == "__main__":
    print(table())
