"""Every class of every family against transformers, there and back (`make parity`)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import bert_keras
from bert_keras.modeling.layers import BertEmbeddings
from tests.support.batches import sequences

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]
VOCAB_SIZE, LENGTH = 97, 19
# No size is a power of two, none is like another.
SIZES = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 60,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "intermediate_size": 142,
    "max_position_embeddings": 37,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
HEADS = (
    "Model",
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "ForPreTraining",
    "ForNextSentencePrediction",
)
# Each with the changes to its config: GELU stands in some heads whatever hidden_act says.
FAMILIES: dict[str, tuple[dict[str, Any], ...]] = {
    "Roberta": ({"type_vocab_size": 1}, {"hidden_act": "relu", "pad_token_id": 3}),
    "XLMRoberta": ({"type_vocab_size": 1},),
    "DistilBert": ({}, {"hidden_act": "relu"}),
    "MPNet": ({}, {"hidden_act": "relu", "pad_token_id": 3, "relative_attention_num_buckets": 40}),
    "Ernie": ({"use_task_id": True, "task_type_vocab_size": 4}, {"hidden_act": "relu"}),
    "Electra": ({"embedding_size": 36}, {"embedding_size": 60, "hidden_act": "relu"}),
}
# The keys of config.json that have other names.
KEYS = {
    "DistilBert": {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    }
}
CASES = [
    (family, head, changes)
    for family, variants in FAMILIES.items()
    for head in HEADS
    for changes in variants
    if hasattr(transformers, family + head)
]
OUTPUTS = {
    "sequence_output": ("last_hidden_state",),
    "pooled_output": ("pooler_output",),
    "masked_lm_logits": ("prediction_logits", "logits"),
    "next_sentence_logits": ("seq_relationship_logits", "logits"),
}


def _theirs(family: str, head: str, changes: dict[str, Any]) -> Any:
    """A model of transformers without a weight of 0 or 1, where a wrong name would not show."""
    torch.manual_seed(0)
    more = {"num_labels": 3} if "Classification" in head else {}
    values = SIZES | more | changes
    keys = KEYS.get(family, {})
    config = getattr(transformers, f"{family}Config")(
        **{keys.get(key, key): value for key, value in values.items()}
    )
    model = getattr(transformers, family + head)(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def _batch(config: Any, several: bool) -> dict[str, np.ndarray]:
    """Rows of several lengths, padded by the family's own id; one has that id inside."""
    batch = sequences((19, 1, 7, 12), LENGTH, VOCAB_SIZE)
    is_real = batch["attention_mask"] == 1
    batch["input_ids"] = np.where(is_real, batch["input_ids"], config.pad_token_id)
    batch["input_ids"][0, 5] = config.pad_token_id
    if getattr(config, "type_vocab_size", 0) < 2:
        del batch["token_type_ids"]
    return {name: rows.reshape(2, 2, -1) if several else rows for name, rows in batch.items()}


def _run(model: Any, batch: dict[str, np.ndarray]) -> Any:
    with torch.no_grad():
        return model(**{name: torch.from_numpy(rows).long() for name, rows in batch.items()})


@pytest.mark.parametrize(("family", "head", "changes"), CASES, ids=str)
def test_outputs_are_equal_and_the_way_back_keeps_every_bit_name_and_key(
    family: str, head: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    theirs = _theirs(family, head, changes)
    theirs.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    batch = _batch(theirs.config, several=head == "ForMultipleChoice")
    expected = _run(theirs, batch)
    is_real = batch["attention_mask"] == 1
    for packed in (False, True):
        ours = model.copy(packed=packed)(batch)
        assert ours
        for name, output in ours.items():
            other = next(expected[key] for key in OUTPUTS.get(name, (name,)) if key in expected)
            other = other.numpy()
            keep = is_real if output.shape[:2] == is_real.shape else slice(None)
            np.testing.assert_allclose(output.numpy()[keep], other[keep], atol=1e-5, err_msg=name)

    bert_keras.save(model, tmp_path / "ours")
    before, after = (
        safetensors.numpy.load_file(tmp_path / side / "model.safetensors")
        for side in ("theirs", "ours")
    )
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], name)
    before, after = (
        json.loads((tmp_path / side / "config.json").read_text()) for side in ("theirs", "ours")
    )
    left = {"dtype", "tie_word_embeddings", "transformers_version"}
    changed = {key for key, value in before.items() if after.get(key) != value}
    assert changed <= left, changed

    back, info = getattr(transformers, family + head).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(info.values()), info
    again = _run(back.eval(), batch)
    for name in expected:
        assert torch.equal(again[name], expected[name]), name


def test_fixed_positions_are_those_of_distilbert() -> None:
    from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

    config = bert_keras.BertConfig.from_preset("tiny", vocab_size=VOCAB_SIZE)
    layer = BertEmbeddings(config)
    layer.build()
    layer.fix_positions()
    theirs = torch.empty(config.max_position_embeddings, config.hidden_size)
    create_sinusoidal_embeddings(*theirs.shape, theirs)
    ours = layer.position_embeddings.numpy() / config.initializer_range
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
