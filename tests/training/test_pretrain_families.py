"""Pre-training of other families than BERT."""

from dataclasses import replace

import numpy as np
import pytest

import bert_keras
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.errors import InputError
from bert_keras.tokenization import learn_subwords
from bert_keras.training import pretrain


@pytest.fixture(scope="module")
def bytes_corpus(tmp_path_factory):
    """A corpus in byte-level BPE."""
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "texts").mkdir()
    for number in range(12):
        text = " ".join(f"The {word} is {number} years old." for word in ("fox", "crow", "hen"))
        (folder / "texts" / f"{number}.txt").write_text(text, encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in (folder / "texts").iterdir()]
    prepare_corpus([folder / "texts"], learn_subwords(texts, 300, "bpe"), folder / "corpus")
    return folder / "corpus"


@pytest.fixture(scope="module")
def roberta(recipe):
    """RoBERTa's layout, with positions for 32 tokens."""
    model = replace(recipe.model, family="roberta", max_position_embeddings=34, type_vocab_size=1)
    data = replace(recipe.data, next_sentence="none", phases=())
    train = replace(recipe.train, steps=4, eval_every_steps=4)
    return replace(recipe, model=model, data=data, train=train)


@pytest.fixture(scope="module")
def trained(roberta, bytes_corpus, tmp_path_factory):
    """The model of a run."""
    return pretrain(roberta, tmp_path_factory.mktemp("trained") / "run", bytes_corpus)


def test_roberta_is_trained_by_masked_words(roberta, bytes_corpus, trained):
    model = bert_keras.load(trained)
    tokenizer = Corpus.open(bytes_corpus).tokenizer
    assert type(model).__name__ == "RobertaForMaskedLM"
    assert model.config.pad_token_id == tokenizer.pad_id == model.tokenizer.pad_id == 1
    assert model.tokenizer.identity == tokenizer.identity
    initial = type(model)(model.config, seed=roberta.train.seed)
    pairs = zip(model.trainable_weights, initial.trainable_weights, strict=True)
    assert not [new.path for new, old in pairs if (new.numpy() == old.numpy()).all()]


@pytest.mark.system
def test_roberta_starts_another_run(roberta, bytes_corpus, trained, tmp_path):
    still = replace(roberta, optimizer=replace(roberta.optimizer, learning_rate=0.0))
    again = bert_keras.load(pretrain(still, tmp_path / "again", bytes_corpus, init=trained))
    initial = bert_keras.load(trained)
    for ours, theirs in zip(again.weights, initial.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("model", {"family": "llama"}, "model.family must be one of bert, .*Received: 'llama'"),
        ("data", {"next_sentence": "nsp"}, 'trained by masked words alone.*Received: "nsp"'),
        ("model", {"max_position_embeddings": 33}, "must not exceed 31, .*Received: 32"),
    ],
)
def test_a_recipe_that_does_not_fit_the_family_is_refused(
    table, change, message, roberta, bytes_corpus, tmp_path
):
    wrong = replace(roberta, **{table: replace(getattr(roberta, table), **change)})
    with pytest.raises(InputError, match=message):
        pretrain(wrong, tmp_path / "run", bytes_corpus)
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_that_gives_types_which_the_model_lacks_is_refused(
    roberta, corpus_path, tmp_path
):
    with pytest.raises(InputError, match=r"type_vocab_size must be at least 2 .*Received: 1"):
        pretrain(roberta, tmp_path / "run", corpus_path)
    assert not (tmp_path / "run").exists()
