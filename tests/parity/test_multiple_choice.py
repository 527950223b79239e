"""Multiple choice against transformers (`make parity`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras.tasks import MultipleChoice
from tests.support.batches import sequences
from tests.support.models import pieces_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]
B, C, L = 3, 4, 11
LABELS = np.array([3, 0, 2])


def _drawn(model: Any) -> Any:
    """The model with no weight at 0 or 1, where a wrong name would not show."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


@pytest.fixture(scope="module")
def theirs() -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=97,
        hidden_size=60,
        num_hidden_layers=2,
        num_attention_heads=5,
        intermediate_size=142,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=37,
        classifier_dropout=0.0,
    )
    return _drawn(transformers.BertForMultipleChoice(config))


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    flat = sequences((11, 1, 5, 7, 3, 6, 4, 8, 11, 5, 2, 3), L, 97)
    return {name: rows.reshape(B, C, L) for name, rows in flat.items()}


def _torch(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.from_numpy(array).long() for name, array in batch.items()}


def test_logits_are_equal_and_the_round_trip_keeps_every_bit(
    theirs: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    theirs.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    assert type(model) is bert_keras.BertForMultipleChoice
    assert model.classifier_dropout == 0.0
    with torch.no_grad():
        expected = theirs(**_torch(batch)).logits.numpy()
    np.testing.assert_allclose(model(batch)["logits"], expected, atol=1e-5)

    bert_keras.save(model, tmp_path / "ours")
    back, info = transformers.BertForMultipleChoice.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(info.values()), info
    state, back_state = theirs.state_dict(), back.state_dict()
    assert state.keys() == back_state.keys()
    assert state["classifier.weight"].shape == (1, 60)
    for key, tensor in state.items():
        assert torch.equal(back_state[key], tensor), key


def test_loss_and_gradients_are_equal(
    theirs: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    theirs.save_pretrained(tmp_path)
    model = bert_keras.load(tmp_path)
    theirs.zero_grad()
    expected = theirs(**_torch(batch), labels=torch.from_numpy(LABELS)).loss
    expected.backward()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, LABELS, model(batch))
    weights = {weight.path: weight.value for weight in model.trainable_weights}
    layer = theirs.bert.encoder.layer[0]
    pairs = {
        "classifier/output/kernel": theirs.classifier.weight,
        "pooler/output/kernel": theirs.bert.pooler.dense.weight,
        "layer_0/feed_forward/intermediate/kernel": layer.intermediate.dense.weight,
    }
    found = tape.gradient(loss, [weights[path] for path in pairs])
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    for gradient, other in zip(found, pairs.values(), strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(gradient, other.grad.numpy().T, atol=1e-5)


def test_a_missing_choice_competes_there_and_not_here(
    theirs: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The one difference, as the class says."""
    theirs.save_pretrained(tmp_path)
    model = bert_keras.load(tmp_path)
    mask = batch["attention_mask"].copy()
    mask[1, 3] = 0
    given = batch | {"attention_mask": mask}
    with torch.no_grad():
        there = torch.softmax(theirs(**_torch(given)).logits, dim=-1).numpy()
    here = tf.nn.softmax(model(given)["logits"]).numpy()
    assert there[1, 3] > 0.01
    assert here[1, 3] == 0.0
    np.testing.assert_allclose(here[[0, 2]], there[[0, 2]], atol=1e-5)
    np.testing.assert_allclose(here[1, :3], there[1, :3] / there[1, :3].sum(), atol=1e-5)


@pytest.mark.parametrize("length", [64, 12])
def test_examples_are_read_as_in_transformers_example_for_swag(length: int, tmp_path: Path) -> None:
    ours = bert_keras.BertTokenizer(pieces_of("abcdefghijklmnopqrstuvwxyz.,"))
    ours.save(tmp_path, 64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = "sent1,sent2,ending0,ending1,ending2,ending3,label\n"
    rows += 'he runs.,he,"stops, now.",flies.,sings.,is.,2\n'
    rows += "she sits on the old wall by the river.,she,a,b,c,drinks her tea there.,0\n"
    (tmp_path / "train.csv").write_text(rows)
    task = MultipleChoice(max_seq_length=length)
    examples = task.read(str(tmp_path / "train.csv"))
    for example, feature in zip(examples, task.features(examples, ours), strict=True):
        seconds = [f"{example.start} {choice}" for choice in example.choices]
        expected = tokenizer([example.context] * 4, seconds, truncation=True, max_length=length)
        for number, window in enumerate(feature.windows()):
            assert window.input_ids == expected["input_ids"][number]
            assert window.token_type_ids == expected["token_type_ids"][number]
        assert feature.targets == {"labels": example.label}
