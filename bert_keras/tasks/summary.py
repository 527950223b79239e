"""A few lines on the examples that a run learns from."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_keras.tasks.feature import Feature
from bert_keras.tasks.task import Task
from bert_keras.tokenization import Losses, Tokenizer, measure_each

_SHOWN = 10  # labels


def summarize(
    task: Task, train: Sequence[Any], dev: Sequence[Any], features: Sequence[Feature]
) -> str:
    """The numbers of examples and tokens, of texts that are cut, and of each label.

    Args:
        task: The task, with its labels.
        train: The training examples.
        dev: The dev examples.
        features: The sequences of the training examples.
    """
    sequences = [window for feature in features for window in feature.windows()]
    lengths = [len(sequence.input_ids) for sequence in sequences]
    long = long_texts(task, features)
    lines = [
        f"{len(train):,} {task.noun(train)} to learn from, {len(dev):,} to choose the best model "
        "by",
        f"{len(sequences):,} sequences of {sum(lengths) / len(lengths):.0f} tokens in the mean, "
        f"{max(lengths)} at most",
    ]
    if long:
        lines.append(long)
    if task.labels:
        several = "s" if len(task.labels) > 1 else ""
        lines.append(f"{len(task.labels)} label{several}: {_labels(task, features)}")
    return "\n".join(lines)


def warn_of_unknown(
    task: Task, examples: Sequence[Any], features: Sequence[Feature], tokenizer: Tokenizer
) -> None:
    """Warn when more than a few per cent of the texts' characters are unknown to the model.

    Args:
        task: The task.
        examples: The examples.
        features: Their sequences.
        tokenizer: What made the sequences.
    """
    unknown = {f.example for f in features if tokenizer.unk_id in f.input_ids}
    if not unknown:
        return
    texts = [task.key(example) for example in examples]
    has_unknown = [number in unknown for number in range(len(texts))]
    losses = Losses()
    for lost in measure_each(tokenizer, texts, has_unknown):
        losses.add(lost)
    way = "the model has not learned this script, or its casing: choose another"
    losses.warn_of_unknown(way, tokenizer)


def long_texts(task: Task, features: Sequence[Feature]) -> str:
    """A line on the texts that are longer than the model reads at once; empty without any.

    Args:
        task: The task.
        features: The sequences of all examples.
    """
    sequences = Counter(
        feature.example for feature in features for _ in range(max(1, len(feature.window_ends)))
    )
    spread = 0 if task.reads_choices else sum(count > 1 for count in sequences.values())
    cut = {feature.example for feature in features if feature.left_out}
    lines = []
    if spread:
        lines.append(
            f"{spread:,} of {len(sequences):,} texts have more than max_seq_length = "
            f"{task.max_seq_length} tokens: they are read in several windows"
        )
    if cut:
        share = sum(f.left_out for f in features) / sum(f.tokens for f in features)
        pairs = any(len(f.lengths) > 1 for f in features)
        lines.append(
            f"{len(cut):,} of {len(sequences):,} texts are too long: {share:.1%} of all tokens are "
            f"not read ({task.cut_by(pairs)})"
        )
    return "\n".join(lines)


def _labels(task: Task, features: Sequence[Feature]) -> str:
    """The labels, the most frequent first where an example has one."""
    targets = (feature.targets.get("labels") for feature in features)
    numbers = Counter(target for target in targets if isinstance(target, int))
    shown = [f"{task.labels[label]} ({count:,})" for label, count in numbers.most_common(_SHOWN)]
    shown = shown or list(task.labels[:_SHOWN])
    return ", ".join(shown) + (", …" if len(task.labels) > _SHOWN else "")
