"""Text to numbers in families whose tokens are not word pieces, against transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import (
    BertWordPieceTokenizer,
    ByteLevelBPETokenizer,
    SentencePieceUnigramTokenizer,
)

import bert_keras
from bert_keras import BertForSentenceEmbedding

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers)"),
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXTS = [
    "a fine film, and a touching one",
    "No fun at all: it's dull!",
    "Ein schöner Film über das Meer",
    "这部电影很好看",
    " two  spaces\tand a tab ",
]
SIZES = {
    "hidden_size": 60,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "intermediate_size": 142,
    "max_position_embeddings": 66,
    "initializer_range": 0.2,
}


def _byte_pairs(folder: Path) -> Any:
    """RoBERTa's tokenizer, learned from the texts."""
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(TEXTS * 3, vocab_size=320, special_tokens=SPECIAL)
    learned.save_model(str(folder))
    return transformers.RobertaTokenizerFast.from_pretrained(folder)


def _unigram(folder: Path) -> Any:
    """XLM-R's tokenizer, learned from the texts."""
    learned = SentencePieceUnigramTokenizer()
    learned.train_from_iterator(TEXTS * 3, 90, special_tokens=SPECIAL)
    found = [learned.id_to_token(number) for number in range(learned.get_vocab_size())]
    others = [piece for piece in found if piece not in SPECIAL]
    pieces = [(piece, 0.0) for piece in SPECIAL]
    pieces += [(piece, -3.0 - number / 50) for number, piece in enumerate(others)]
    return transformers.XLMRobertaTokenizer(vocab=pieces)


def _mpnets(folder: Path) -> Any:
    """MPNet's tokenizer, learned from the texts."""
    learned = BertWordPieceTokenizer()
    learned.train_from_iterator(TEXTS * 3, vocab_size=120)
    ids = learned.get_vocab()
    pieces = [*SPECIAL[:4], *sorted(ids, key=ids.__getitem__), SPECIAL[4]]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return transformers.MPNetTokenizer.from_pretrained(folder)


# A multilingual MiniLM or E5 is a BERT with XLM-R's tokenizer.
CASES = {
    "Roberta": (_byte_pairs, {"type_vocab_size": 1}),
    "XLMRoberta": (_unigram, {"type_vocab_size": 1}),
    "Bert": (_unigram, {"type_vocab_size": 2}),
    "MPNet": (_mpnets, {}),
}


@pytest.mark.parametrize("family", CASES)
def test_the_logits_of_texts_and_pairs_are_equal_there_and_back(
    family: str, tmp_path: Path
) -> None:
    make, changes = CASES[family]
    (tmp_path / "learned").mkdir()
    tokenizer = make(tmp_path / "learned")
    torch.manual_seed(0)
    ids = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    config = getattr(transformers, f"{family}Config")(**SIZES, **changes, **ids)
    theirs = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs")
    bert_keras.save(model, tmp_path / "ours")
    back = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    of_back = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    for pairs in (None, TEXTS[::-1]):
        batch = tokenizer(TEXTS, pairs, padding=True, return_tensors="pt")
        again = of_back(TEXTS, pairs, padding=True, return_tensors="pt")
        assert batch.keys() == again.keys()
        assert all(torch.equal(batch[name], again[name]) for name in batch)
        with torch.no_grad():
            expected = torch.softmax(theirs(**batch).logits, -1).numpy()
            assert torch.equal(theirs(**batch).logits, back(**again).logits)
        answers = bert_keras.predict(model, TEXTS, pairs)
        scores = [list(answer["scores"].values()) for answer in answers]
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def _word_pieces(folder: Path) -> Any:
    """BERT's tokenizer, learned from the texts."""
    learned = BertWordPieceTokenizer()
    learned.train_from_iterator(TEXTS * 3, vocab_size=120)
    learned.save_model(str(folder))
    return transformers.BertTokenizerFast.from_pretrained(folder)


@pytest.mark.parametrize(
    ("family", "make", "changes"),
    [
        ("Roberta", _byte_pairs, {**SIZES, "type_vocab_size": 1}),
        ("DistilBert", _word_pieces, {"dim": 60, "n_layers": 2, "n_heads": 5, "hidden_dim": 142}),
        ("Electra", _word_pieces, {**SIZES, "embedding_size": 36}),
        ("MPNet", _mpnets, SIZES),
    ],
)
def test_an_encoder_of_sentences_gives_sentence_transformers_vectors(
    family: str, make: Any, changes: dict[str, Any], tmp_path: Path
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    (tmp_path / "learned").mkdir()
    tokenizer = make(tmp_path / "learned")
    torch.manual_seed(0)
    ids = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    config = getattr(transformers, f"{family}Config")(**changes, **ids)
    getattr(transformers, f"{family}Model")(config).save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    model = bert_keras.load(tmp_path / "theirs", BertForSentenceEmbedding)
    assert type(model).__name__ == f"{family}ForSentenceEmbedding"
    bert_keras.save(model, tmp_path / "ours")
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    np.testing.assert_allclose(model.embed(TEXTS), theirs.encode(TEXTS), atol=1e-6)
