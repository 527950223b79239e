import json

import pytest

from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.errors import InputError
from bert_keras.tokenization import (
    SPECIAL_TOKENS,
    AddedToken,
    Casing,
    WordPieceTokenizer,
    learn_vocabulary,
)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_corpus_keeps_the_added_tokens_of_its_tokenizer(tmp_path, workers):
    vocab = learn_vocabulary(["The apple is here. An apple house was there."] * 9, 200)
    added = [AddedToken("apple house", len(vocab)), AddedToken("<e1>", len(vocab) + 1)]
    tokenizer = WordPieceTokenizer(vocab, added=added)
    (tmp_path / "a.txt").write_text("The apple house <e1>is here. <E1>\n\nAn apple.\n")
    prepare_corpus([tmp_path / "a.txt"], tokenizer, tmp_path / "out", workers=workers)
    corpus = Corpus.open(tmp_path / "out")
    assert corpus.tokenizer.identity == tokenizer.identity
    assert corpus.vocab_size == len(vocab) + 2
    assert corpus.tokens.tolist().count(len(vocab)) == 1
    assert corpus.tokens.tolist().count(len(vocab) + 1) == 2
    with pytest.raises(InputError, match="was prepared with another tokenizer"):
        Corpus.open(tmp_path / "out", WordPieceTokenizer(vocab))
    description = json.loads((tmp_path / "out" / "corpus.json").read_text())
    description["added"][0]["flag"] = 1
    (tmp_path / "out" / "corpus.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="damaged"):
        Corpus.open(tmp_path / "out")


def test_a_models_folder_gives_its_tokenizer_casing_and_added_tokens(tmp_path):
    pieces = [*SPECIAL_TOKENS, "The", "cat", "the"]
    own = WordPieceTokenizer(pieces, Casing(do_lower_case=False), added=[AddedToken("<e1>", 8)])
    (tmp_path / "model").mkdir()
    own.save(tmp_path / "model")
    (tmp_path / "a.txt").write_text("The cat <e1>\n")
    for name, casing in (("one", Casing()), ("two", own.casing)):
        prepare_corpus([tmp_path / "a.txt"], tmp_path / "model", tmp_path / name, casing)
        corpus = Corpus.open(tmp_path / name)
        assert corpus.tokenizer.identity == own.identity
        assert corpus.tokens.tolist() == [5, 6, 8]
    other = Casing(strip_accents=False)
    with pytest.raises(InputError, match="is cased by its own files"):
        prepare_corpus([tmp_path / "a.txt"], tmp_path / "model", tmp_path / "three", other)
