"""The losses of sentence vectors against sentence-transformers, gradients too (`make parity`)."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.objectives import (
    CoSENT,
    CosineSquaredError,
    InBatchNegatives,
    Matryoshka,
    PairSoftmax,
    SupervisedObjective,
    TeacherCosines,
    TeacherVectors,
    Triplet,
)
from tests.support.vectors import H, loss_and_gradient, made

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers|sentence_transformers)"),
]
SYMMETRIC = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
# Of each: our objective; the name and the arguments of theirs; the texts of an example.
CASES: dict[str, tuple[SupervisedObjective, str, dict[str, Any], int]] = {
    "pairs": (InBatchNegatives(), "MultipleNegativesRankingLoss", {}, 2),
    "hard-negatives": (InBatchNegatives(), "MultipleNegativesRankingLoss", {}, 4),
    "warm": (InBatchNegatives(0.5), "MultipleNegativesRankingLoss", {"scale": 2.0}, 3),
    "symmetric": (
        InBatchNegatives(symmetric=True), "MultipleNegativesRankingLoss", SYMMETRIC, 2
    ),
    "symmetric-hard-negatives": (
        InBatchNegatives(0.1, symmetric=True),
        "MultipleNegativesRankingLoss",
        SYMMETRIC | {"scale": 10.0},
        3,
    ),
    "cosent": (CoSENT(), "CoSENTLoss", {}, 2),
    "cosent-warm": (CoSENT(0.5), "CoSENTLoss", {"scale": 2.0}, 2),
    "squared": (CosineSquaredError(), "CosineSimilarityLoss", {}, 2),
    "euclidean": (Triplet(5.0), "TripletLoss", {}, 3),
    "euclidean-1": (Triplet(), "TripletLoss", {"triplet_margin": 1.0}, 3),
    "cosine": (
        Triplet(0.3, "cosine"), "TripletLoss", {"triplet_margin": 0.3, "distance": "COSINE"}, 3
    ),
}  # fmt: skip


class Given(torch.nn.Module):
    """A model that answers with vectors that it is given."""

    device = torch.device("cpu")

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"sentence_embedding": features["vectors"]}

    def get_embedding_dimension(self) -> int:
        return H


def their_loss(name: str, arguments: dict[str, Any], model: Any) -> Any:
    from sentence_transformers.sentence_transformer import losses

    arguments = dict(arguments)
    if "distance" in arguments:
        metric = getattr(losses.TripletDistanceMetric, arguments.pop("distance"))
        arguments["distance_metric"] = metric
    return getattr(losses, name)(model, **arguments)


def theirs(loss: Any, batch: dict[str, np.ndarray], vectors: np.ndarray) -> Any:
    columns = torch.tensor(vectors, requires_grad=True)
    features = [{"vectors": columns[:, text]} for text in range(vectors.shape[1])]
    value = loss(features, torch.tensor(batch["labels"]))
    value.backward()
    return value.item(), columns.grad.numpy()


@pytest.fixture(params=[1, 2, 13], ids="batch-of-{}".format)
def count(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def drawn(count: int, texts: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A batch without duplicates, which they leave to a sampler; some scores are equal."""
    return made(count, texts, labels=(np.arange(count) * 7 % 5 / 5).astype(np.float32))


@pytest.mark.parametrize("name", list(CASES))
def test_loss_and_gradient_are_equal(name: str, count: int) -> None:
    ours, their_name, arguments, texts = CASES[name]
    batch, vectors = drawn(count, texts)
    value, gradient = theirs(their_loss(their_name, arguments, Given()), batch, vectors)
    found, its_gradient = loss_and_gradient(ours, batch, vectors)
    assert float(found) == pytest.approx(value, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(its_gradient, gradient, atol=1e-5, rtol=1e-5)
    if count > 2:
        assert np.abs(gradient).max() > 1e-3


def test_softmax_has_their_loss_and_gradients_the_classifiers_too(count: int) -> None:
    from sentence_transformers.sentence_transformer.losses import SoftmaxLoss

    ours, loss = PairSoftmax(3, H, seed=1), SoftmaxLoss(Given(), H, num_labels=3)
    kernel, bias = (weight.numpy() for weight in ours.head.weights)
    with torch.no_grad():
        loss.classifier.weight.copy_(torch.tensor(kernel.T))
        loss.classifier.bias.copy_(torch.tensor(bias))
    batch, vectors = made(count, 2, labels=np.arange(count) % 3)
    value, gradient = theirs(loss, batch, vectors)
    with tf.GradientTape() as tape:
        found, its_gradient = loss_and_gradient(ours, batch, vectors)
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(its_gradient, gradient, atol=1e-5, rtol=1e-5)
    of_kernel, of_bias = tape.gradient(found, ours.head.weights)
    expected = loss.classifier.weight.grad.numpy().T
    np.testing.assert_allclose(of_kernel, expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(of_bias, loss.classifier.bias.grad.numpy(), atol=1e-5, rtol=1e-5)


def test_their_classifier_is_drawn_from_the_same_range() -> None:
    from sentence_transformers.sentence_transformer.losses import SoftmaxLoss

    limit = (3 * 100) ** -0.5
    for values in (
        PairSoftmax(3, 100).head.kernel.numpy(),
        SoftmaxLoss(Given(), 100, num_labels=3).classifier.weight.detach().numpy(),
    ):
        assert 0.95 * limit < np.abs(values).max() <= limit
        assert values.std() == pytest.approx(limit / 3**0.5, rel=0.1)


@pytest.mark.parametrize("texts", [1, 3])
def test_the_error_of_a_teachers_vectors_is_theirs(count: int, texts: int) -> None:
    batch, vectors = made(count, texts)
    teacher = np.random.default_rng(2).normal(size=vectors.shape).astype(np.float32)
    loss = their_loss("MSELoss", {}, Given())
    value, gradient = theirs(loss, {"labels": teacher}, vectors)
    found, its_gradient = loss_and_gradient(
        TeacherVectors(), batch | {"teacher_embedding": teacher}, vectors
    )
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(its_gradient, gradient, atol=1e-5, rtol=1e-5)


def test_the_error_of_a_teachers_cosines_is_that_of_theirs_as_labels(count: int) -> None:
    batch, vectors = made(count, 2)
    teacher = np.random.default_rng(3).normal(size=(count, 2, 5)).astype(np.float32)
    cosines = torch.nn.functional.cosine_similarity(*torch.tensor(teacher).unbind(1)).numpy()
    loss = their_loss("CosineSimilarityLoss", {}, Given())
    value, gradient = theirs(loss, {"labels": cosines}, vectors)
    found, its_gradient = loss_and_gradient(
        TeacherCosines(), batch | {"teacher_embedding": teacher}, vectors
    )
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(its_gradient, gradient, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weights", [None, [1.0, 0.25, 2.0]], ids=["equal", "weighted"])
@pytest.mark.parametrize("name", list(CASES))
def test_matryoshka_is_equal_around_each(name: str, weights: list[float] | None) -> None:
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    inner, their_name, arguments, texts = CASES[name]
    batch, vectors = drawn(13, texts)
    model = Given()
    loss = MatryoshkaLoss(model, their_loss(their_name, arguments, model), [2, H, 5], weights)
    value, gradient = theirs(loss, batch, vectors)
    found, its_gradient = loss_and_gradient(Matryoshka(inner, [2, H, 5], weights), batch, vectors)
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(its_gradient, gradient, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("symmetric", [False, True])
def test_missing_negatives_are_as_none(symmetric: bool) -> None:
    batch, vectors = drawn(6, 4)
    batch["attention_mask"][:, 3] = 0
    arguments = SYMMETRIC if symmetric else {}
    loss = their_loss("MultipleNegativesRankingLoss", arguments, Given())
    value, gradient = theirs(loss, batch, vectors[:, :3])
    found, its_gradient = loss_and_gradient(InBatchNegatives(symmetric=symmetric), batch, vectors)
    assert float(found) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(its_gradient[:, :3], gradient, atol=1e-5, rtol=1e-5)
    assert not its_gradient[:, 3].numpy().any()


def test_a_positive_of_two_anchors_competes_with_itself_there_and_not_here() -> None:
    """The one difference, as the class says."""
    batch, vectors = drawn(6, 2)
    batch["input_ids"][4, 1] = batch["input_ids"][1, 1]
    vectors[4] = vectors[1]
    vectors[:, 1] = vectors[:, 0]
    there, _ = theirs(their_loss("MultipleNegativesRankingLoss", {}, Given()), batch, vectors)
    here, _ = loss_and_gradient(InBatchNegatives(), batch, vectors)
    # Two of six anchors cannot tell their positive from the other's.
    assert there == pytest.approx(float(here) + 2 / 6 * np.log(2), abs=1e-3)
