"""All losses of sentence vectors, beside formulas that are written as the papers write them."""

import doctest
import importlib

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import InputError
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
from tests.support.vectors import CASES, PAIRS, TUPLES, H, loss_and_gradient, made

case = pytest.mark.parametrize("name", list(CASES))


@case
def test_the_means_are_those_of_the_papers(name):
    objective, (batch, vectors), expected = CASES[name]
    means = objective.measure(batch, {"sentence_embedding": vectors})
    assert tuple(means) == objective.names == tuple(expected)
    for each, mean in means.items():
        assert float(mean.value()) == pytest.approx(expected[each], rel=1e-5), each
    assert all(part.dtype == tf.float32 for mean in means.values() for part in mean)


@case
def test_weights_follow_from_the_batch_alone_and_are_those_of_the_means(name):
    objective, (batch, vectors), _ = CASES[name]
    weights = objective.weights(batch)
    means = objective.measure(batch, {"sentence_embedding": vectors})
    assert {each: float(mean.weight) for each, mean in means.items()} == {
        each: float(weight) for each, weight in weights.items()
    }
    assert all(float(weight) > 1 for weight in weights.values())


@case
def test_a_missing_text_has_no_gradient_whatever_its_vector_is(name):
    objective, (batch, vectors), _ = CASES[name]
    # As the maximum over no tokens is.
    padding = np.float32(-1e9 if "matryoshka" in name else "nan")
    is_missing = batch["attention_mask"].max(axis=-1) == 0
    assert is_missing.any()
    loss, gradient = loss_and_gradient(objective, batch, vectors)
    other, its_gradient = loss_and_gradient(
        objective, batch, np.where(is_missing[..., None], padding, vectors)
    )
    assert float(loss) == float(other)
    np.testing.assert_array_equal(gradient, its_gradient)
    assert not gradient.numpy()[is_missing].any()
    assert gradient.numpy()[~is_missing].any()


@case
def test_vectors_of_zeros_and_equal_vectors_have_finite_gradients(name):
    objective, (batch, vectors), _ = CASES[name]
    for collapsed in (np.zeros_like(vectors), np.ones_like(vectors), vectors * (vectors > 9)):
        loss, gradient = loss_and_gradient(objective, batch, collapsed)
        assert np.isfinite(loss)
        assert np.abs(gradient).max() < 1e4  # no division by almost nothing
    vectors = vectors.copy()
    vectors[0, 0] = 0
    vectors[3, 1] = vectors[3, 0]
    loss, gradient = loss_and_gradient(objective, batch, vectors)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e9])
@pytest.mark.parametrize("name", ["in-batch", "symmetric", "cosent", "squared", "cosine"])
def test_cosines_do_not_see_how_long_the_vectors_are(name, size):
    objective, (batch, vectors), _ = CASES[name]
    loss = total_loss(objective.measure(batch, {"sentence_embedding": vectors}))
    vectors = vectors * np.float32(size)
    other = total_loss(objective.measure(batch, {"sentence_embedding": vectors}))
    assert float(other) == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.system
@pytest.mark.parametrize("data", [TUPLES, PAIRS], ids=["tuples", "pairs"])
def test_xla_computes_the_same_for_any_number_of_examples_and_texts(data):
    objectives = {name: each for name, (each, own, _) in CASES.items() if own is data}

    def compute(batch, vectors):
        return {name: loss_and_gradient(each, batch, vectors) for name, each in objectives.items()}

    batch, vectors = data
    signature = [
        {key: tf.TensorSpec([None] * array.ndim, array.dtype) for key, array in batch.items()},
        tf.TensorSpec([None, None, H], tf.float32),
    ]
    for jit_compile in (False, True):
        compiled = tf.function(compute, jit_compile=jit_compile, input_signature=signature)
        # Of equal vectors and zeros, XLA divides where TensorFlow's own kernels look first.
        for given in (vectors, np.zeros_like(vectors), np.ones_like(vectors)):
            expected, found = compute(batch, given), compiled(batch, given)
            for name in objectives:
                for one, other in zip(found[name], expected[name], strict=True):
                    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=name)


COMPARING = ["in-batch", "in-batch-warm", "symmetric", "cosent", "cosent-warm", "matryoshka"]


@case
def test_parts_of_a_batch_add_up_where_the_objective_says_so(name):
    objective, (batch, vectors), _ = CASES[name]
    assert objective.is_additive == (name not in COMPARING)
    assert bool(objective.compares) == (name in COMPARING)
    whole = objective.measure(batch, {"sentence_embedding": vectors})
    parts = [
        objective.measure(
            {key: array[rows] for key, array in batch.items()},
            {"sentence_embedding": vectors[rows]},
        )
        for rows in (slice(0, 2), slice(2, None))
    ]
    adds_up = all(
        float(sum(part[each].total for part in parts)) == pytest.approx(float(mean.total), rel=1e-5)
        for each, mean in whole.items()
    )
    assert adds_up == objective.is_additive


@pytest.mark.parametrize("name", ["in-batch", "symmetric", "squared", "euclidean", "matryoshka"])
def test_example_weights_weigh_the_losses_alone(name):
    objective, (batch, vectors), _ = CASES[name]
    outputs = {"sentence_embedding": vectors}
    count = len(vectors)
    plain = objective.measure(batch, outputs)
    of_each = []  # the means that give all weight to one example
    for row in np.eye(count, dtype=np.float32):
        means = objective.measure(batch | {"example_weights": row}, outputs)
        weights = objective.weights(batch | {"example_weights": row})
        assert {k: float(v) for k, v in weights.items()} == {
            k: float(mean.weight) for k, mean in means.items()
        }
        of_each.append(means)
    for each, mean in plain.items():
        totals = [float(means[each].total) for means in of_each]
        if "loss" in each:
            assert sum(totals) == pytest.approx(float(mean.total), rel=1e-5)
            assert len(set(totals)) > 2
        else:
            assert set(totals) == {float(mean.total)}


def test_cosent_refuses_weights_of_examples():
    batch, vectors = PAIRS
    batch = batch | {"example_weights": np.ones(len(vectors), np.float32)}
    with pytest.raises(InputError, match="CoSENT compares examples with each other"):
        CoSENT().measure(batch, {"sentence_embedding": vectors})


@pytest.mark.parametrize(
    ("objective", "texts", "message"),
    [
        (InBatchNegatives(), 1, "compares 2 or more texts of each example"),
        (Triplet(), 2, "Triplet compares 3 or more texts"),
        (CoSENT(), 3, "CoSENT compares 2 texts"),
        (CosineSquaredError(), 1, "CosineSquaredError compares 2 texts"),
        (PairSoftmax(3, H), 1, "PairSoftmax compares 2 texts"),
        (PairSoftmax(3, H - 1), 2, "made for vectors of 7 values. Received: 8"),
        (Matryoshka(Triplet(), [H]), 2, "Triplet compares 3 or more texts"),
        (Matryoshka(InBatchNegatives(), [4, H + 1]), 2, rf"not be above .*, {H}. .*\(4, {H + 1}\)"),
    ],
)
def test_another_number_of_texts_or_of_values_is_refused(objective, texts, message):
    batch, vectors = made(3, texts, labels=np.zeros(3, np.float32))
    with pytest.raises(InputError, match=message):
        objective.measure(batch, {"sentence_embedding": vectors})


def test_vectors_of_a_teacher_that_are_missing_or_of_another_shape_are_refused():
    batch, vectors = made(3, 2)
    outputs = {"sentence_embedding": vectors}
    with pytest.raises(InputError, match="has no 'teacher_embedding': add a vector of"):
        TeacherCosines().measure(batch, outputs)
    with pytest.raises(InputError, match=r"a vector for each text, .*Received: \(3, 1, 8\)"):
        TeacherCosines().measure(batch | {"teacher_embedding": vectors[:, :1]}, outputs)
    with pytest.raises(InputError, match=r"size 5, the model of size 8: TeacherCosines"):
        TeacherVectors().measure(batch | {"teacher_embedding": vectors[..., :5]}, outputs)


def test_labels_of_pairs_with_classes_are_a_number_each():
    batch, vectors = made(3, 2)
    with pytest.raises(InputError, match="no 'labels', the number of a class"):
        PairSoftmax(3, H).measure(batch, {"sentence_embedding": vectors})
    batch["labels"] = np.array([0, 1.5, 2], np.float32)
    with pytest.raises(InputError, match=r"labels: the number of a class.* Received: float32"):
        PairSoftmax(3, H).measure(batch, {"sentence_embedding": vectors})
    batch["labels"] = np.eye(3, dtype=np.int32)
    with pytest.raises(InputError, match=r"of the shape \(3,\). Received: \(3, 3\)"):
        PairSoftmax(3, H).measure(batch, {"sentence_embedding": vectors})


@pytest.mark.parametrize("label", [-1, 3])
def test_the_loss_of_a_label_that_is_no_class_is_nan_and_of_a_missing_pair_does_not_count(label):
    batch, vectors = made(3, 2, labels=np.array([0, label, 2]))
    outputs = {"sentence_embedding": vectors}
    objective = PairSoftmax(3, H)
    assert np.isnan(objective.measure(batch, outputs)["similarity_loss"].value())
    batch["attention_mask"][1, 1] = 0
    assert np.isfinite(objective.measure(batch, outputs)["similarity_loss"].value())


@pytest.mark.parametrize("label", [5.0, -1.5, float("nan")])
def test_a_label_that_is_no_cosine_is_refused_and_its_loss_in_a_graph_is_nan(label):
    batch, vectors = made(3, 2, labels=np.array([0, label, 1], np.float32))
    objective, outputs = CosineSquaredError(), {"sentence_embedding": vectors}
    with pytest.raises(InputError, match=rf"labels: cosines from -1 to 1.*Received: {label:g}"):
        objective.measure(batch, outputs)
    measured = tf.function(lambda given: objective.measure(given, outputs)["similarity_loss"])
    assert np.isnan(measured(batch).value())
    batch["attention_mask"][1, 1] = 0
    assert np.isfinite(measured(batch).value())
    assert np.isfinite(objective.measure(batch, outputs)["similarity_loss"].value())


def test_texts_without_their_axis_vectors_of_other_texts_and_labels_of_another_shape_are_refused():
    batch, vectors = made(3, 2, labels=np.zeros((3, 1), np.float32))
    with pytest.raises(InputError, match=r"labels: a score for each example.*\(3,\).*\(3, 1\)"):
        CoSENT().measure(batch, {"sentence_embedding": vectors})
    with pytest.raises(InputError, match="sentence_embedding: a vector for each text"):
        InBatchNegatives().measure(batch, {"sentence_embedding": vectors[:, 0]})
    with pytest.raises(InputError, match=r"sentence_embedding: .*\(3, 1, 8\)"):
        InBatchNegatives().measure(batch, {"sentence_embedding": vectors[:, :1]})
    flat = {key: array[:, 0] for key, array in batch.items() if key != "labels"}
    with pytest.raises(InputError, match=r"\[batch, texts, length\]. Received: \(3, 4\)"):
        InBatchNegatives().weights(flat)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InBatchNegatives(0), "temperature must be a number above 0. Received: 0"),
        (lambda: CoSENT(float("nan")), "temperature must be a number above 0. Received: nan"),
        (lambda: CoSENT("0.05"), "temperature must be a number above 0. Received: '0.05'"),
        (lambda: Triplet(-1.0), "margin must be a number above 0. Received: -1.0"),
        (lambda: Triplet(distance="euclid"), "distance cannot be 'euclid'; did you mean 'euclid"),
        (lambda: PairSoftmax(1, H), "classes must be at least 2"),
        (lambda: Matryoshka(PairSoftmax(3, H), [4]), "of one size: train on it without Mat"),
        (lambda: Matryoshka(CoSENT(), []), r"each once. Received: \(\)"),
        (lambda: Matryoshka(CoSENT(), [8, 4, 8]), r"each once. Received: \(8, 4, 8\)"),
        (lambda: Matryoshka(CoSENT(), [8, 0]), "whole numbers from 1 on"),
        (lambda: Matryoshka(CoSENT(), [8, 4.0]), "whole numbers from 1 on"),
        (lambda: Matryoshka(CoSENT(), [8, True]), "whole numbers from 1 on"),
        (lambda: Matryoshka(CoSENT(), [8, 4], [1]), r"as the dimensions, 2. Received: \[1\]"),
        (lambda: Matryoshka(CoSENT(), [8, 4], [1, 0]), "each of weights must be a number above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("module", ["embedding", "contrastive", "pair_classes", "distillation"])
def test_the_examples_of_the_docstrings_run(module):
    module = importlib.import_module(f"bert_keras.objectives.{module}")
    names = vars(module) | {"np": np}
    tests = doctest.DocTestFinder().find(module, globs=names)
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    failed = sum(runner.run(test, out=said.append).failed for test in tests)
    assert sum(bool(test.examples) for test in tests) >= (1 if "pair" in module.__name__ else 2)
    assert not failed, "".join(said)
