"""Vectors of texts, and the losses of them in NumPy as the papers write them."""

import math

import numpy as np
import tensorflow as tf

from bert_keras.objectives import (
    CoSENT,
    CosineSquaredError,
    InBatchNegatives,
    Matryoshka,
    PairSoftmax,
    TeacherCosines,
    TeacherVectors,
    Triplet,
    total_loss,
)

DRAW = np.random.default_rng(0)
H = 8


def made(count, texts, **labels):
    """A batch of texts, all different, and the vectors of a model, none of length 1."""
    ids = DRAW.permutation(np.arange(5, 5 + count * texts * 4)).reshape(count, texts, 4)
    batch = {"input_ids": ids.astype(np.int32), "attention_mask": np.ones_like(ids, np.int32)}
    return batch | labels, DRAW.normal(size=(count, texts, H)).astype(np.float32)


def with_duplicates():
    """Anchors, positives and two negatives, among them missing ones and some that are the same."""
    batch, vectors = made(8, 4)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    ids[2, 1] = ids[0, 1]  # two anchors of one positive
    ids[4, 0] = ids[3, 0]  # two positives of one anchor
    ids[5, 3] = ids[0, 1]  # a hard negative that is another's positive
    ids[1, 1] = ids[6, 0]  # a positive that is another's anchor
    ids[4, 2] = ids[4, 1]  # a hard negative that is its own example's positive
    mask[[0, 2, 5], [1, 1, 3], 3] = 0  # and whatever is behind them
    ids[[0, 2, 5], [1, 1, 3], 3] = 1, 2, 3
    mask[1, 2:] = mask[2, 3] = 0  # missing negatives
    mask[5, 1] = mask[7, 0] = 0  # a missing positive, a missing anchor
    return batch, vectors


def scored():
    """Pairs with scores, of which some are equal and one has a missing text."""
    scores = np.array([0.2, 1.0, 0.2, 0.7, 0.0, 1.0], np.float32)
    batch, vectors = made(6, 2, labels=scores)
    batch["attention_mask"][4, 1] = 0
    return batch, vectors


def texts_of(batch):
    """Each text as a tuple of its ids, None for a missing one."""
    rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
    return [
        [tuple(i[m == 1]) or None for i, m in zip(ids, mask, strict=True)] for ids, mask in rows
    ]


def unit(vector):
    length = np.linalg.norm(vector)
    return vector if length == 0 else vector / length


def cosine(a, b):
    return unit(a) @ unit(b)


def distance(a, b):
    return np.linalg.norm(a - b)


def is_related(texts, i, j, t):
    """Whether the batch itself says that text t of example j is no negative of anchor i."""
    anchor, positive = texts[i][:2]
    return texts[j][t] in (anchor, positive) or (t == 1 and texts[j][0] == anchor)


def cross_entropy(own, others):
    return -math.log(math.exp(own) / sum(map(math.exp, [own, *others])))


def in_batch(batch, vectors, temperature=0.05, symmetric=False):
    texts, losses, are_right = texts_of(batch), [], []
    there = [(j, t) for j, row in enumerate(texts) for t, text in enumerate(row) if text]
    for i in (i for i, row in enumerate(texts) if row[0] and row[1]):
        anchor, positive = vectors[i, :2]
        own = cosine(anchor, positive) / temperature
        others = [
            cosine(anchor, vectors[j, t]) / temperature
            for j, t in there
            if t > 0 and (j, t) != (i, 1) and not is_related(texts, i, j, t)
        ]
        losses.append(cross_entropy(own, others))
        are_right.append(all(own > other for other in others))
        if symmetric:
            others = [
                cosine(vectors[j, 0], positive) / temperature
                for j, t in there
                if t == 0 and j != i and not is_related(texts, j, i, 1)
            ]
            losses[-1] = (losses[-1] + cross_entropy(own, others)) / 2
    return {"contrastive_loss": np.mean(losses), "contrastive_accuracy": np.mean(are_right)}


def ranked(batch, vectors, temperature=0.05):
    pairs = [i for i, row in enumerate(texts_of(batch)) if all(row)]
    found = {i: cosine(*vectors[i]) for i in pairs}
    label = batch["labels"]
    terms = [
        math.exp((found[j] - found[i]) / temperature)
        for i in pairs
        for j in pairs
        if label[i] > label[j]
    ]
    return {"similarity_loss": math.log(1 + sum(terms))}


def squared(batch, vectors):
    pairs = [i for i, row in enumerate(texts_of(batch)) if all(row)]
    errors = [(cosine(*vectors[i]) - batch["labels"][i]) ** 2 for i in pairs]
    return {"similarity_loss": np.mean(errors)}


def hinge(batch, vectors, margin=1.0, measured=distance):
    losses, are_right = [], []
    for i, (anchor, positive, *others) in enumerate(texts_of(batch)):
        for t, text in enumerate(others, start=2):
            if anchor and positive and text:
                nearer, further = (measured(vectors[i, 0], vectors[i, k]) for k in (1, t))
                losses.append(max(0.0, nearer - further + margin))
                are_right.append(further > nearer)
    return {"triplet_loss": np.mean(losses), "triplet_accuracy": np.mean(are_right)}


def nested(batch, vectors):
    first, second = (in_batch(batch, vectors[..., :size])["contrastive_loss"] for size in (3, H))
    whole = in_batch(batch, vectors)
    return {
        "contrastive_loss": 2 * first + 0.5 * second,
        "contrastive_accuracy": whole["contrastive_accuracy"],
        "contrastive_loss_3": first,
        f"contrastive_loss_{H}": second,
    }


def nested_hinge(batch, vectors):
    """Sizes without the whole one; parts of vectors are divided by their lengths."""
    units = [np.apply_along_axis(unit, -1, vectors[..., :size]) for size in (2, 5, H)]
    two, five, whole = (hinge(batch, each, 0.3) for each in units)
    return {
        "triplet_loss": two["triplet_loss"] + five["triplet_loss"],
        "triplet_accuracy": whole["triplet_accuracy"],
        "triplet_loss_2": two["triplet_loss"],
        "triplet_loss_5": five["triplet_loss"],
    }


def classified():
    """Pairs with classes, one of them with a missing text."""
    batch, vectors = made(6, 2, labels=np.array([2, 0, 1, 1, 0, 2], np.int32))
    batch["attention_mask"][4, 1] = 0
    return batch, vectors


def taught(texts, size):
    """Texts with a teacher's vectors of a size, one of them missing."""
    batch, vectors = made(5, texts)
    batch["teacher_embedding"] = DRAW.normal(size=(5, texts, size)).astype(np.float32)
    batch["attention_mask"][3, 1] = 0
    return batch, vectors


def softmax(batch, vectors):
    kernel, bias = (weight.numpy() for weight in SOFTMAX.head.weights)
    losses, are_right = [], []
    for i, row in enumerate(texts_of(batch)):
        if all(row):
            u, v = vectors[i]
            logits = np.concatenate([u, v, np.abs(u - v)]) @ kernel + bias
            own = logits[batch["labels"][i]]
            losses.append(math.log(sum(math.exp(each - own) for each in logits)))
            are_right.append(own == logits.max())
    return {"similarity_loss": np.mean(losses), "similarity_accuracy": np.mean(are_right)}


def errors_of_vectors(batch, vectors):
    pairs = [
        (vectors[i, t], batch["teacher_embedding"][i, t])
        for i, row in enumerate(texts_of(batch))
        for t, text in enumerate(row)
        if text
    ]
    return {
        "distillation_loss": np.mean([np.mean((a - b) ** 2) for a, b in pairs]),
        "distillation_cosine": np.mean([cosine(*pair) for pair in pairs]),
    }


def errors_of_cosines(batch, vectors):
    pairs = [i for i, row in enumerate(texts_of(batch)) if all(row)]
    sides = vectors, batch["teacher_embedding"]
    errors = [np.subtract(*(cosine(*side[i]) for side in sides)) ** 2 for i in pairs]
    return {"distillation_loss": np.mean(errors)}


SOFTMAX = PairSoftmax(3, H, seed=1)
SOFTMAX.head.bias.assign([0.5, -0.5, 0.25])
CLASSES, TAUGHT, TAUGHT_PAIRS = classified(), taught(3, H), taught(2, 5)
TUPLES, PAIRS = with_duplicates(), scored()
# Of each objective: itself, a batch and a model's vectors, what the paper says.
CASES = {
    "in-batch": (InBatchNegatives(), TUPLES, in_batch(*TUPLES)),
    "in-batch-warm": (InBatchNegatives(0.5), TUPLES, in_batch(*TUPLES, 0.5)),
    "symmetric": (InBatchNegatives(0.2, symmetric=True), TUPLES, in_batch(*TUPLES, 0.2, True)),
    "cosent": (CoSENT(), PAIRS, ranked(*PAIRS)),
    "cosent-warm": (CoSENT(0.7), PAIRS, ranked(*PAIRS, 0.7)),
    "squared": (CosineSquaredError(), PAIRS, squared(*PAIRS)),
    "euclidean": (Triplet(), TUPLES, hinge(*TUPLES)),
    "cosine": (
        Triplet(0.3, "cosine"), TUPLES, hinge(*TUPLES, 0.3, lambda a, b: 1 - cosine(a, b))
    ),
    "softmax": (SOFTMAX, CLASSES, softmax(*CLASSES)),
    "teacher-vectors": (TeacherVectors(), TAUGHT, errors_of_vectors(*TAUGHT)),
    "teacher-cosines": (TeacherCosines(), TAUGHT_PAIRS, errors_of_cosines(*TAUGHT_PAIRS)),
    "matryoshka": (Matryoshka(InBatchNegatives(), [3, H], [2, 0.5]), TUPLES, nested(*TUPLES)),
    "matryoshka-triplet": (Matryoshka(Triplet(0.3), [2, 5]), TUPLES, nested_hinge(*TUPLES)),
}  # fmt: skip


def loss_and_gradient(objective, batch, vectors):
    vectors = tf.convert_to_tensor(vectors)
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        loss = total_loss(objective.measure(batch, {"sentence_embedding": vectors}))
    return loss, tape.gradient(loss, vectors)
