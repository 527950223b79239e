"""Against transformers and torch: same numbers, same files, same gradients (`make parity`)."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import BertTokenizer
from bert_keras.tokenization import Casing
from tests.support.batches import sequences

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]

CLASSES = (
    "BertForPreTraining",
    "BertForMaskedLM",
    "BertForNextSentencePrediction",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForQuestionAnswering",
    "BertModel",
)
OUTPUTS = {
    "logits": ("logits",),
    "start_logits": ("start_logits",),
    "end_logits": ("end_logits",),
    "masked_lm_logits": ("prediction_logits", "logits"),
    "next_sentence_logits": ("seq_relationship_logits", "logits"),
    "sequence_output": ("last_hidden_state",),
    "pooled_output": ("pooler_output",),
}
VOCAB_SIZE, LENGTH = 97, 19


def _hf_model(name: str, activation: str = "gelu", vocab_size: int = VOCAB_SIZE) -> Any:
    """Base's shape in the odd: no size is a power of two, none is like another."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocab_size,
        hidden_size=60,
        num_hidden_layers=3,
        num_attention_heads=5,
        intermediate_size=142,
        hidden_act=activation,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=37,
        type_vocab_size=2,
        id2label={0: "is next", 1: "is random"},
    )
    model = getattr(transformers, name)(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            # No weight is left at 0 or 1, where a wrong name would not show.
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    return sequences((19, 1, 7, 12), LENGTH, VOCAB_SIZE)


def _torch(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.from_numpy(array).long() for name, array in batch.items()}


def _assert_same_outputs(model: Any, hf_model: Any, batch: dict[str, np.ndarray]) -> None:
    with torch.no_grad():
        theirs = hf_model(**_torch(batch))
    ours = model(batch)
    assert ours
    is_real = batch["attention_mask"] == 1
    for name, output in ours.items():
        expected = next(theirs[key] for key in OUTPUTS[name] if key in theirs).numpy()
        keep = is_real if output.shape[1] == LENGTH else slice(None)
        np.testing.assert_allclose(output.numpy()[keep], expected[keep], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
@pytest.mark.parametrize("name", CLASSES)
def test_outputs_are_equal_and_the_round_trip_keeps_every_bit(
    name: str, activation: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _hf_model(name, activation)
    hf_model.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    _assert_same_outputs(model, hf_model, batch)

    bert_keras.save(model, tmp_path / "ours")
    back, info = getattr(transformers, name).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(info.values()), info
    state, back_state = hf_model.state_dict(), back.state_dict()
    assert state.keys() == back_state.keys()
    for key, tensor in state.items():
        assert back_state[key].dtype == tensor.dtype
        assert torch.equal(back_state[key], tensor), key
    assert back.config.id2label == {0: "is next", 1: "is random"}
    assert back.config.hidden_act == activation


# Every name of transformers that computes what we have; "linear", "mish" and others are refused.
@pytest.mark.parametrize(
    "activation",
    [
        "gelu_python",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_fast",
        "gelu_accurate",
        "relu",
        "silu",
        "swish",
        "tanh",
    ],
)
def test_activation_goes_by_every_name_of_transformers_and_keeps_it(
    activation: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _hf_model("BertForMaskedLM", activation)
    hf_model.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    _assert_same_outputs(model, hf_model, batch)
    bert_keras.save(model, tmp_path / "ours")
    back = transformers.BertForMaskedLM.from_pretrained(tmp_path / "ours")
    assert back.config.hidden_act == activation


def test_activations_that_we_lack_are_refused_by_name(tmp_path: Path) -> None:
    from transformers.activations import ACT2FN

    from bert_keras.config.model import ACTIVATIONS

    path = tmp_path / "theirs"
    _hf_model("BertModel").save_pretrained(path)
    values = json.loads((path / "config.json").read_text())
    lacking = sorted(set(ACT2FN) - set(ACTIVATIONS))
    assert len(lacking) > 5
    for name in lacking:
        (path / "config.json").write_text(json.dumps(values | {"hidden_act": name}))
        with pytest.raises(bert_keras.errors.InputError, match=f"hidden_act .*'{name}'"):
            bert_keras.load(path)


def test_our_own_name_of_gelu_is_written_as_transformers_knows_it(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    config = bert_keras.BertConfig.from_preset(
        "tiny", vocab_size=VOCAB_SIZE, hidden_act="gelu_tanh"
    )
    model = bert_keras.BertEncoder(config)
    bert_keras.save(model, tmp_path / "ours")
    _assert_same_outputs(model, transformers.BertModel.from_pretrained(tmp_path / "ours"), batch)


def test_packed_model_equals_transformers_too(batch: dict[str, np.ndarray], tmp_path: Path) -> None:
    hf_model = _hf_model("BertModel")
    hf_model.save_pretrained(tmp_path)
    padded = bert_keras.load(tmp_path)
    packed = bert_keras.BertEncoder(padded.config, packed=True)
    packed.set_weights(padded.get_weights())
    _assert_same_outputs(packed, hf_model, batch)


def test_masked_lm_without_pooler_loads(tmp_path: Path) -> None:
    hf_model = _hf_model("BertForMaskedLM")
    assert not [key for key in hf_model.state_dict() if "pooler" in key]
    hf_model.save_pretrained(tmp_path)
    assert bert_keras.load(tmp_path).encoder.pooler is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_load(
    dtype: str, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _hf_model("BertModel").to(getattr(torch, dtype))
    hf_model.save_pretrained(tmp_path)
    model = bert_keras.load(tmp_path)
    _assert_same_outputs(model, hf_model.float(), batch)
    bert_keras.save(model, tmp_path / "ours")
    assert transformers.AutoModel.from_pretrained(tmp_path / "ours").dtype == torch.float32


def test_gradients_of_a_training_step_equal_autograd(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _hf_model("BertForPreTraining")
    hf_model.save_pretrained(tmp_path)
    draw = np.random.default_rng(2)
    weights = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]], "float32")
    positions = (np.array([[0, 4, 18], [0, 0, 0], [2, 6, 0], [1, 5, 11]])).astype("int32")
    ids = draw.integers(1, VOCAB_SIZE, positions.shape, dtype="int32")
    pairs = np.array([0, 1, 1, 0], "int32")

    labels = torch.full(batch["input_ids"].shape, -100)
    for row, column in zip(*np.nonzero(weights), strict=True):
        labels[row, positions[row, column]] = int(ids[row, column])
    theirs = hf_model(
        **_torch(batch), labels=labels, next_sentence_label=torch.from_numpy(pairs).long()
    )
    theirs.loss.backward()
    # The gradients take the way of the weights: written as a model, opened as ours.
    as_weights = copy.deepcopy(hf_model)
    with torch.no_grad():
        for value, parameter in zip(as_weights.parameters(), hf_model.parameters(), strict=True):
            value.copy_(parameter.grad)
    as_weights.save_pretrained(tmp_path / "gradients")

    model = bert_keras.load(tmp_path)
    fed = batch | {
        "masked_lm_positions": positions,
        "masked_lm_ids": ids,
        "masked_lm_weights": weights,
        "next_sentence_labels": pairs,
    }
    with tf.GradientTape() as tape:
        loss = model.compute_loss(fed, y_pred=model(fed, training=True))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert float(loss) == pytest.approx(theirs.loss.item(), rel=1e-5)
    expected = bert_keras.load(tmp_path / "gradients").trainable_weights
    assert len(gradients) == len(expected) > 40
    for gradient, wanted in zip(gradients, expected, strict=True):
        error = np.abs(gradient - wanted.numpy()).max()
        assert error <= 1e-4 * np.abs(wanted.numpy()).max(), (wanted.path, error)


WORDS = ("the", "capital", "of", "france", "is", "paris", "Paris", "city", "é", "É")
SIGNS = ("中", "国", "##s", "##o", ",", ".", "！")
LINES = (
    "The capital of France is Paris.",
    "the [MASK] of france, is [MASK]!",
    "capitals cities élan Éo paris？",
    "中国的首都，是[MASK]。",
    "  a\tb\u00a0c\u200bd\u0301 ½ ﬁ … ",
)


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_auto_classes_open_our_directory_and_fill_the_same_words(
    do_lower_case: bool, tmp_path: Path
) -> None:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    letters += [letter.upper() for letter in letters]
    pieces = [*WORDS, *SIGNS, *letters, *(f"##{letter}" for letter in letters)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(pieces)]
    _hf_model("BertForPreTraining", vocab_size=len(vocab)).save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    tokenizer = BertTokenizer(vocab, Casing(do_lower_case=do_lower_case))
    bert_keras.save(model, tmp_path / "ours", tokenizer)

    hf_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    for line in LINES:
        encoding = tokenizer.encode(line)
        assert encoding.input_ids == hf_tokenizer(line)["input_ids"], line
        assert len(set(encoding.input_ids)) > 3
    pair = tokenizer.encode(LINES[0], LINES[3])
    hf_pair = hf_tokenizer(LINES[0], LINES[3])
    assert pair.input_ids == hf_pair["input_ids"]
    assert pair.token_type_ids == hf_pair["token_type_ids"]

    hf_model = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        theirs = hf_model(**hf_tokenizer(LINES[1], return_tensors="pt")).logits[0].numpy()
    ids = tokenizer.encode(LINES[1]).input_ids
    places = [index for index, token in enumerate(ids) if token == tokenizer.mask_id]
    assert len(places) == 2
    logits = model({"input_ids": np.array([ids]), "masked_lm_positions": np.array([places])})
    ours = logits["masked_lm_logits"][0].numpy()
    np.testing.assert_allclose(ours, theirs[places], atol=1e-5)
    for our_scores, their_scores in zip(ours, theirs[places], strict=True):
        top = [np.argsort(-scores)[:5].tolist() for scores in (our_scores, their_scores)]
        assert top[0] == top[1]
