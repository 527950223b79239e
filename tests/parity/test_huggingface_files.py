"""Directories as transformers writes them, and losses as it computes them (`make parity`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

import bert_keras
from bert_keras import BertEncoder, BertForSequenceClassification, BertTokenizer
from tests.support.batches import sequences

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]

VOCAB_SIZE, LENGTH = 97, 19


def _randomized(model: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def _bert(name: str, **options: Any) -> Any:
    config = transformers.BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=60,
        num_hidden_layers=2,
        num_attention_heads=5,
        intermediate_size=142,
        max_position_embeddings=37,
        **options,
    )
    return _randomized(getattr(transformers, name)(config))


def _distilbert(name: str) -> Any:
    config = transformers.DistilBertConfig(
        vocab_size=VOCAB_SIZE,
        dim=60,
        n_layers=2,
        n_heads=5,
        hidden_dim=142,
        max_position_embeddings=37,
        num_labels=2,
    )
    return _randomized(getattr(transformers, name)(config))


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    batch = sequences((19, 1, 7, 12), LENGTH, VOCAB_SIZE)
    del batch["token_type_ids"]
    return batch


def _run(hf_model: Any, batch: dict[str, np.ndarray], **labels: Any) -> Any:
    with torch.no_grad():
        return hf_model(**{k: torch.from_numpy(v).long() for k, v in batch.items()}, **labels)


def test_a_classifier_of_distilbert_opens_as_an_encoder_and_under_a_new_head(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _distilbert("DistilBertForSequenceClassification")
    hf_model.save_pretrained(tmp_path)
    encoder = bert_keras.load(tmp_path, BertEncoder)
    assert len(encoder.report.left_out) == 4  # both layers of its head
    keep = batch["attention_mask"] == 1
    expected = _run(hf_model.distilbert, batch)["last_hidden_state"].numpy()[keep]
    np.testing.assert_allclose(encoder(batch)["sequence_output"].numpy()[keep], expected, atol=1e-5)
    model = bert_keras.load(tmp_path, BertForSequenceClassification, labels=3)
    assert {path.split("/")[0] for path in model.report.new} == {"classifier"}


def test_directory_that_transformers_split_opens(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _bert("BertModel")
    hf_model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    expected = _run(hf_model, batch)
    np.testing.assert_allclose(
        bert_keras.load(tmp_path)(batch)["pooled_output"],
        expected["pooler_output"].numpy(),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"num_labels": 3}, np.array([0, 2, 1, 1])),
        ({"num_labels": 1}, np.array([0.5, -2.0, 1.0, 3.0], "float32")),
        (
            {"num_labels": 3, "problem_type": "multi_label_classification"},
            np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1]], "float32"),
        ),
    ],
    ids=["single", "regression", "multi"],
)
def test_losses_of_a_sequence_classification_are_equal(
    options: dict[str, Any], labels: np.ndarray, batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hf_model = _bert("BertForSequenceClassification", **options)
    hf_model.save_pretrained(tmp_path)
    model = bert_keras.load(tmp_path)
    theirs = _run(hf_model, batch, labels=torch.from_numpy(labels)).loss
    ours = model.compute_loss(batch | {"labels": labels}, y_pred=model(batch))
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-5)


def test_losses_of_tagging_and_spans_are_equal(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    tagger = _bert("BertForTokenClassification", num_labels=5)
    tagger.save_pretrained(tmp_path / "tagger")
    labels = np.where(batch["attention_mask"] == 1, batch["input_ids"] % 5, -100)
    model = bert_keras.load(tmp_path / "tagger")
    theirs = _run(tagger, batch, labels=torch.from_numpy(labels).long()).loss
    ours = model.compute_loss(batch | {"labels": labels}, y_pred=model(batch))
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-5)

    reader = _bert("BertForQuestionAnswering")
    reader.save_pretrained(tmp_path / "reader")
    model = bert_keras.load(tmp_path / "reader")
    # Without padding, whose logits transformers counts in and we do not.
    whole = batch | {"attention_mask": np.ones_like(batch["attention_mask"])}
    answers = {"start_positions": np.array([3, 0, 9, 2]), "end_positions": np.array([5, 0, 9, 6])}
    theirs = _run(reader, whole, **{k: torch.from_numpy(v) for k, v in answers.items()}).loss
    ours = model.compute_loss(whole | answers, y_pred=model(whole))
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-5)


def test_new_head_opens_in_transformers(tmp_path: Path) -> None:
    _bert("BertForPreTraining").save_pretrained(tmp_path / "pretrained")
    model = bert_keras.load(
        tmp_path / "pretrained", BertForSequenceClassification, labels=["bad", "fair", "good"]
    )
    bert_keras.save(model, tmp_path / "tuned")
    back, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "tuned", output_loading_info=True
    )
    assert not any(info.values()), info
    assert back.config.id2label == {0: "bad", 1: "fair", 2: "good"}
    encoder = bert_keras.load(tmp_path / "tuned", BertEncoder)
    np.testing.assert_array_equal(
        encoder.trainable_weights[0], back.bert.embeddings.word_embeddings.weight.detach()
    )


def test_a_decision_is_passed_over_and_dropped_once_the_head_was_trained_on(
    batch: dict[str, np.ndarray], tmp_path: Path
) -> None:
    _bert("BertForSequenceClassification", num_labels=3).save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    model.decision = bert_keras.Decision(2.0)
    bert_keras.save(model, tmp_path / "ours")
    back, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(info.values()), info
    logits = _run(back.eval(), batch)["logits"].numpy()
    np.testing.assert_allclose(model(batch)["logits"], logits, atol=1e-5)  # bare
    back.save_pretrained(tmp_path / "again")
    assert bert_keras.load(tmp_path / "again").decision == bert_keras.Decision(2.0)
    with torch.no_grad():
        back.classifier.weight += 0.01 * torch.randn(back.classifier.weight.shape)
    back.save_pretrained(tmp_path / "trained")
    assert bert_keras.load(tmp_path / "trained").decision == bert_keras.Decision()


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_tokenizer_that_transformers_wrote_gives_the_same_ids(
    do_lower_case: bool, shared_data: Path, tmp_path: Path
) -> None:
    """Directories of today hold tokenizer.json and no vocab.txt."""
    lines = (shared_data / "sst2" / "dev.tsv").read_text().splitlines()[1:200]
    chinese = (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").read_text()
    lines += chinese.splitlines()[1:100]
    words = sorted({word for line in lines for word in line.lower().split() if len(word) < 20})
    letters = sorted(set("".join(lines)))
    pieces = dict.fromkeys([*letters, *(f"##{letter}" for letter in letters), *words])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = [*special, *(piece for piece in pieces if piece.strip())]
    (tmp_path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocab))
    theirs = transformers.BertTokenizer(
        vocab={piece: number for number, piece in enumerate(vocab)}, do_lower_case=do_lower_case
    )
    theirs.save_pretrained(tmp_path / "theirs")
    assert not (tmp_path / "theirs" / "vocab.txt").exists()
    ours = BertTokenizer.from_pretrained(tmp_path / "theirs")
    assert ours.vocab == vocab
    assert ours.casing.do_lower_case == do_lower_case
    for line in lines:
        assert ours.encode(line).input_ids == theirs(line)["input_ids"], line


def test_predict_is_the_same_end_to_end_in_english_and_chinese(
    shared_data: Path, tmp_path: Path
) -> None:
    """Their tokenizer and model beside ours, both from one directory, on real text."""
    english = (shared_data / "sst2" / "dev.tsv").read_text().splitlines()[1:51]
    chinese = (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").read_text()
    lines = [line[:60] for line in english + chinese.splitlines()[1:51]]
    pieces = dict.fromkeys(character for line in lines for character in line.lower())
    letters = [piece for piece in pieces if piece.strip()]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = [*special, *letters, *(f"##{letter}" for letter in letters)]
    config = transformers.BertConfig(
        vocab_size=len(vocab),
        hidden_size=60,
        num_hidden_layers=2,
        num_attention_heads=5,
        intermediate_size=142,
        max_position_embeddings=64,
        num_labels=3,
    )
    hf_model = _randomized(transformers.BertForSequenceClassification(config))
    hf_model.save_pretrained(tmp_path)
    hf_tokenizer = transformers.BertTokenizer(
        vocab={piece: number for number, piece in enumerate(vocab)}
    )
    hf_tokenizer.save_pretrained(tmp_path)
    model = bert_keras.load(tmp_path)
    fed = hf_tokenizer(lines, padding=True, truncation=True, max_length=64, return_tensors="pt")
    with torch.no_grad():
        theirs = hf_model(**fed).logits.numpy()

    answers = bert_keras.predict(model, lines)
    scores = [list(answer["scores"].values()) for answer in answers]
    np.testing.assert_allclose(np.log(scores), scipy.special.log_softmax(theirs, -1), atol=1e-5)
    assert [answer["label"] for answer in answers] == [
        hf_model.config.id2label[int(row.argmax())] for row in theirs
    ]
