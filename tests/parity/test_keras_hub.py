"""Presets that keras-hub writes (`make parity`)."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder, BertForMaskedLM
from tests.support.batches import sequences

keras_hub = pytest.importorskip("keras_hub")

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(45))]


@pytest.fixture(scope="module")
def backbone() -> Any:
    model = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=3,
        num_heads=3,
        hidden_dim=18,
        intermediate_dim=24,
        max_sequence_length=12,
    )
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight + draw.normal(size=weight.shape) * 0.1)
    return model


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    return sequences((9, 1, 5), 9, 50)


def _theirs(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "token_ids": batch["input_ids"],
        "padding_mask": batch["attention_mask"],
        "segment_ids": batch["token_type_ids"],
    }


def test_backbone_gives_the_same_numbers(
    backbone: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    backbone.save_to_preset(str(tmp_path))
    keras_hub.tokenizers.BertTokenizer(VOCAB, lowercase=True).save_to_preset(str(tmp_path))
    model = bert_keras.load(tmp_path)
    assert type(model) is BertEncoder
    assert model.tokenizer.vocab == VOCAB
    assert model.tokenizer.casing.do_lower_case
    ours, theirs = model(batch), backbone(_theirs(batch))
    keep = batch["attention_mask"] == 1
    np.testing.assert_allclose(
        ours["sequence_output"].numpy()[keep],
        theirs["sequence_output"].numpy()[keep],
        atol=1e-5,
    )
    np.testing.assert_allclose(ours["pooled_output"], theirs["pooled_output"], atol=1e-5)


def test_masked_lm_gives_the_same_logits_but_for_their_gelu_and_epsilon(
    backbone: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    masked_lm = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    draw = np.random.default_rng(1)
    for weight in masked_lm.masked_lm_head.weights:
        weight.assign(weight + draw.normal(size=weight.shape) * 0.1)
    masked_lm.save_to_preset(str(tmp_path))
    model = bert_keras.load(tmp_path)
    assert type(model) is BertForMaskedLM
    places = np.array([[0, 3], [0, 0], [4, 1]])
    theirs = masked_lm(_theirs(batch) | {"mask_positions": places}).numpy()
    ours = model(batch | {"masked_lm_positions": places})["masked_lm_logits"].numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-3)

    # Their own layer, told to compute what BERT does, with the same weights.
    head = keras_hub.layers.MaskedLMHead(
        vocabulary_size=50,
        token_embedding=backbone.token_embedding,
        intermediate_activation=lambda x: keras.activations.gelu(x, approximate=True),
        layer_norm_epsilon=1e-12,
    )
    sequence = backbone(_theirs(batch))["sequence_output"]
    head(sequence, places)
    head.set_weights(masked_lm.masked_lm_head.get_weights())
    np.testing.assert_allclose(ours, head(sequence, places), atol=1e-5)


def test_weights_file_opens_with_the_config_beside_it(
    backbone: Any, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    masked_lm = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    for model in (backbone, masked_lm):
        model.save_weights(str(tmp_path / "mine.weights.h5"))
        (tmp_path / "config.json").write_text(model.to_json())
        ours = bert_keras.load(tmp_path / "mine.weights.h5")
        assert type(ours) is (BertForMaskedLM if model is masked_lm else BertEncoder)
        encoder = getattr(ours, "encoder", ours)
        np.testing.assert_allclose(
            encoder(batch)["sequence_output"].numpy()[batch["attention_mask"] == 1],
            backbone(_theirs(batch))["sequence_output"].numpy()[batch["attention_mask"] == 1],
            atol=1e-5,
        )


def test_backbone_of_another_model_is_refused(tmp_path: Path) -> None:
    keras_hub.models.DistilBertBackbone(
        vocabulary_size=50, num_layers=1, num_heads=2, hidden_dim=4, intermediate_dim=6
    ).save_to_preset(str(tmp_path))
    with pytest.raises(bert_keras.errors.InputError, match="DistilBertBackbone"):
        bert_keras.load(tmp_path)
