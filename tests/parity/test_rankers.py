"""Rankers against the cross-encoders of sentence-transformers (`make parity`)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import BertEncoder, BertForSequenceClassification, BertTokenizer, Ranking
from bert_keras.objectives import ListNet, SigmoidCrossEntropy, SquaredError, total_loss
from tests.support.models import pieces_of, small_config

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers|sentence_transformers)"),
]

VOCAB = pieces_of("abcdefgh")
DOCUMENTS = ["a bad bee", "he had a cab", "feed the bag " * 12, "", "a bad cab had a bee"]
COUNTS = (4, 1, 3, 4)  # documents of each query


class Given(sentence_transformers.CrossEncoder):  # type: ignore[misc]
    """A cross-encoder that answers with logits that it is given."""

    num_labels = 1
    device = "cpu"

    def __init__(self, logits: Any) -> None:
        torch.nn.Module.__init__(self)
        self.logits, self.begun = logits, 0

    def preprocess(self, pairs: list[Any], **_: Any) -> dict[str, Any]:
        self.begun += len(pairs)
        return {"scores": self.logits[self.begun - len(pairs) : self.begun]}

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        return features


def gradient_of(objective: Any, batch: dict[str, Any], logits: np.ndarray) -> tuple[float, Any]:
    given = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = total_loss(objective.measure(batch, {"logits": given}))
    return float(loss), tape.gradient(loss, given).numpy()


@pytest.mark.parametrize("name", ["BinaryCrossEntropyLoss", "MSELoss"])
def test_losses_of_pairs_are_equal(name: str) -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(scale=3, size=(13, 1)).astype(np.float32)
    labels = np.round(draw.random(13), 1).astype(np.float32)
    theirs = torch.tensor(logits, requires_grad=True)
    losses = sentence_transformers.cross_encoder.losses
    value = getattr(losses, name)(Given(theirs))([["a"] * 13] * 2, torch.tensor(labels))
    value.backward()
    ours = SigmoidCrossEntropy("r") if name.startswith("Binary") else SquaredError("r")
    found, gradient = gradient_of(ours, {"labels": labels[:, None]}, logits)
    assert found == pytest.approx(value.item(), abs=1e-5)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("is_binary", [True, False])
def test_the_loss_of_lists_is_equal(is_binary: bool) -> None:
    draw = np.random.default_rng(1)
    logits = draw.normal(scale=3, size=sum(COUNTS)).astype(np.float32)
    labels = draw.integers(0, 2 if is_binary else 5, size=sum(COUNTS)).astype(np.float32)
    ends = np.cumsum(COUNTS)[:-1]
    theirs = torch.tensor(logits, requires_grad=True)
    loss = sentence_transformers.cross_encoder.losses.ListNetLoss(Given(theirs))
    queries, documents = ["a"] * len(COUNTS), [["d"] * count for count in COUNTS]
    value = loss([queries, documents], [torch.tensor(part) for part in np.split(labels, ends)])
    value.backward()
    mask = np.arange(max(COUNTS)) < np.array(COUNTS)[:, None]
    rows = {name: np.zeros(mask.shape, np.float32) for name in ("logits", "labels")}
    rows["logits"][mask], rows["labels"][mask] = logits, labels
    batch = {"labels": rows["labels"], "attention_mask": mask[..., None]}
    found, gradient = gradient_of(ListNet(), batch, rows["logits"])
    assert found == pytest.approx(value.item(), abs=1e-5)
    np.testing.assert_allclose(gradient[mask], theirs.grad.numpy(), atol=1e-6)
    assert not gradient[~mask].any()


def same_order(path: Path, **ours: Any) -> list[float]:
    """Both libraries rank the documents alike; their scores."""
    theirs: Any = sentence_transformers.CrossEncoder(str(path), device="cpu")
    expected = theirs.rank("bad bees", DOCUMENTS, return_documents=True)
    found = bert_keras.rank(bert_keras.load(path), "bad bees", DOCUMENTS, **ours)
    assert [hit["document"] for hit in found] == [hit["corpus_id"] for hit in expected]
    assert [hit["text"] for hit in found] == [hit["text"] for hit in expected]
    scores = [hit["score"] for hit in expected]
    np.testing.assert_allclose([hit["score"] for hit in found], scores, atol=1e-5)
    return scores


@pytest.mark.parametrize("loss", ["binary", "squared", "listwise"])
@pytest.mark.parametrize("start", ["encoder", "sigmoid", "identity"])
def test_a_trained_model_ranks_there_as_here(loss: str, start: str, tmp_path: Path) -> None:
    """Whatever function the cross-encoder had that it was trained from."""
    config = small_config(len(VOCAB), initializer_range=0.3)
    first, ours = tmp_path / "first", tmp_path / "ours"
    if start == "encoder":
        bert_keras.save(BertEncoder(config), first, BertTokenizer(VOCAB))
    else:
        plain = BertForSequenceClassification(config, labels=1)
        bert_keras.save(plain, tmp_path / "plain", BertTokenizer(VOCAB))
        function = torch.nn.Sigmoid() if start == "sigmoid" else torch.nn.Identity()
        name = str(tmp_path / "plain")
        sentence_transformers.CrossEncoder(name, activation_fn=function).save(str(first))
        same_order(first)
    model = Ranking(loss=loss, max_seq_length=24).open_model(first)
    model.classifier.output_dense.kernel.assign(np.random.default_rng(0).normal(size=(32, 1)))
    bert_keras.save(model, ours)
    scores = same_order(ours)
    assert (min(scores) >= 0 and max(scores) <= 1) == (loss == "binary")
    settings = json.loads((ours / "tokenizer_config.json").read_text())
    assert settings["model_max_length"] == 24


def test_a_regression_scores_there_as_here(tmp_path: Path) -> None:
    """sentence-transformers takes the sigmoid where no file names another function."""
    config = small_config(len(VOCAB), initializer_range=0.3)
    model = BertForSequenceClassification(config, labels=["score"], problem_type="regression")
    bert_keras.save(model, tmp_path / "model", BertTokenizer(VOCAB))
    assert min(same_order(tmp_path / "model")) < 0
