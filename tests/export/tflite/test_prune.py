"""What a pruned model answers to the text it was pruned to: what the whole one does."""

import json
import zipfile

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.tflite import prune
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.export.tflite.prune import needed_pieces, pruned
from bert_keras.saving import load, save
from bert_keras.tasks import fill_mask, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature
from bert_keras.tokenization import SPECIAL_TOKENS, BertTokenizer

TEXTS = [text for text in SENTENCES if text][:6]


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "task.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return str(path)


def answers(model, texts):
    encodings = model.tokenizer.encode_batch(texts)
    batch = collate([Feature(0, e.input_ids, e.token_type_ids) for e in encodings], 0)
    outputs = model(batch)
    return {name: np.array(values) for name, values in outputs.items()}


@pytest.mark.parametrize("kind", ["classification", "encoder", "tagging", "span",
                                  "sentence_embedding", "next_sentence"])  # fmt: skip
def test_answers_to_the_text_are_the_same(make_model, kind, tmp_path, words):
    whole = make_model(kind)
    small = pruned(whole, whole.tokenizer, words)
    assert small.tokenizer.vocab_size == small.config.vocab_size < whole.config.vocab_size
    ours, theirs = answers(small, TEXTS), answers(whole, TEXTS)
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values)
    assert small.count_params() < whole.count_params()


@pytest.mark.parametrize("kind", ["masked_lm", "pretraining"])
def test_a_mask_is_filled_by_the_best_piece_that_stays(make_model, kind, words):
    whole = make_model(kind)
    small = pruned(whole, whole.tokenizer, words)
    text = "The ferry to the [MASK] was late"
    (all_scores,) = fill_mask(whole, text, top=whole.config.vocab_size)
    (kept,) = fill_mask(small, text, top=5)
    known = set(small.tokenizer.vocab)
    expected = [candidate.token for candidate in all_scores if candidate.token in known][:5]
    assert [candidate.token for candidate in kept] == expected


def test_every_text_of_the_file_is_read_as_before(tokenizer, shared_data):
    """Words that are unknown too: without their first pieces they might be known."""
    lines = (shared_data / "sst2" / "dev.tsv").read_text("utf-8").splitlines()
    texts = [*lines, *SENTENCES, *PROSE, "a\x1cb\x0bc", "[MASK] x[SEP]y", "é" * 101]
    kept = needed_pieces(tokenizer, texts)
    small = BertTokenizer([tokenizer.vocab[n] for n in kept], tokenizer.casing)
    pairs = zip(tokenizer.encode_batch(texts), small.encode_batch(texts), strict=True)
    assert all(theirs.tokens == ours.tokens for theirs, ours in pairs)


def test_a_word_that_was_unknown_stays_unknown():
    vocab = [*SPECIAL_TOKENS, "a", "b", "ab", "abc", "##cd", "##e"]
    whole = BertTokenizer(vocab)
    assert whole.tokenize("abcd") == ["[UNK]"]
    small = BertTokenizer([vocab[n] for n in needed_pieces(whole, ["ab abcd"])])
    assert small.tokenize("abcd") == ["[UNK]"]
    assert "##cd" not in small.vocab


def test_a_word_over_the_limit_is_not_walked(tokenizer, monkeypatch):
    """It is unknown, whatever its pieces; at every place no more than a piece's length is tried."""
    longest, walk = max(map(len, tokenizer.vocab)), prune._longest_pieces

    class Ids(dict):
        def __contains__(self, piece):
            piece_itself = piece.removeprefix("##")
            assert len(piece_itself) <= longest
            assert piece_itself[0] in "theferryé"
            return super().__contains__(piece)

    def walked(word, ids, *limits):
        return walk(word, Ids(ids), *limits)

    monkeypatch.setattr(prune, "_longest_pieces", walked)
    texts = ["the ferry", "é" * 100, "x" * 101, "x" * 20_000]
    assert tokenizer.tokenize(texts[-1]) == tokenizer.tokenize(texts[-2]) == ["[UNK]"]
    kept = needed_pieces(tokenizer, texts)
    assert kept == needed_pieces(tokenizer, texts[:2])
    small = BertTokenizer([tokenizer.vocab[n] for n in kept], tokenizer.casing)
    assert [small.tokenize(text) for text in texts] == [tokenizer.tokenize(text) for text in texts]


def test_other_words_are_spelled_out(tokenizer):
    kept = needed_pieces(tokenizer, ["the"])
    small = BertTokenizer([tokenizer.vocab[n] for n in kept], tokenizer.casing)
    assert len(tokenizer.tokenize("island")) < len(small.tokenize("island"))
    assert small.tokenize("island")[0] == "i"
    assert set(SPECIAL_TOKENS) < set(small.vocab)


@pytest.mark.system
def test_the_file_follows(make_model, tmp_path, words):
    model, path = make_model("classification"), tmp_path / "m.tflite"
    report = export_tflite(model, None, path, length=32, prune_vocab=words, quantize="float16")
    with zipfile.ZipFile(path) as archive:
        vocab = archive.read("vocab.txt").decode().splitlines()
    assert len(vocab) == report["word_pieces"] < report["word_pieces_before"]
    phone, reads = TFLiteModel(path.read_bytes()), BertTokenizer(vocab, model.tokenizer.casing)
    for text, answer in zip(TEXTS, predict(model, TEXTS, max_seq_length=32), strict=True):
        encoding = reads.encode(text, max_length=32)
        batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, 32)
        given = phone.run({n: batch[n] for n in ("input_ids", "attention_mask", "token_type_ids")})
        np.testing.assert_allclose(
            given["probabilities"][0], list(answer["scores"].values()), atol=5e-3
        )
    whole, small = report["variants"][:2]
    assert (whole["variant"], small["variant"]) == ("whole", "keras")
    assert small["size"] < whole["size"]
    assert 0 < small["agreement"] < 1  # the built-in text has other words


@pytest.mark.system
def test_the_guard_compares_with_the_whole_model(make_model, tmp_path):
    model, texts = make_model("classification"), [*SENTENCES[:14], *PROSE[:30]]
    rows = zip(texts, predict(model, texts), strict=True)
    lines = [json.dumps({"text": text, "label": answer["label"]}) for text, answer in rows]
    data = tmp_path / "dev.jsonl"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "no.txt").write_text("No.\n")
    path = tmp_path / "m.tflite"
    with pytest.raises(InputError, match=r"accuracy falls by .* from 1.0000"):
        export_tflite(model, None, path, length=64, data=str(data),
                      prune_vocab=str(tmp_path / "no.txt"), max_accuracy_drop=1.0)  # fmt: skip
    assert not path.exists()
    report = export_tflite(model, None, path, length=64, data=str(data),
                           prune_vocab=str(data), max_accuracy_drop=0.0)  # fmt: skip
    assert [row["accuracy"] for row in report["variants"]] == [1.0, 1.0, 1.0]


def test_a_pruned_model_is_saved_and_loaded(make_model, tmp_path, words):
    small = pruned(make_model("masked_lm"), make_model("masked_lm").tokenizer, words)
    save(small, tmp_path / "small")
    loaded = load(tmp_path / "small")
    assert loaded.tokenizer.vocab == small.tokenizer.vocab
    for name, values in answers(small, TEXTS).items():
        np.testing.assert_array_equal(answers(loaded, TEXTS)[name], values)


def test_a_file_without_words_is_refused(make_model, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    model = make_model("regression")
    with pytest.raises(InputError, match="holds no words"):
        export_tflite(model, None, tmp_path / "m.tflite", prune_vocab=str(tmp_path / "empty.txt"))
    with pytest.raises(FileNotFoundError, match="missing"):
        export_tflite(model, None, tmp_path / "m.tflite", prune_vocab=str(tmp_path / "missing.txt"))
