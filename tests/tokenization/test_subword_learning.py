"""Learned tokenizers of byte-level BPE and Unigram."""

import os
import subprocess
import sys

import pytest

from bert_keras.errors import InputError
from bert_keras.tokenization import learn_subwords
from tests.support.subwords import SENTENCES, learned

TEXTS = SENTENCES * 3
# A Chinese text of more characters than fit, each once, so that chance has most to decide.
MANY = ["".join(map(chr, range(0x4E00, 0x4E00 + 300))) + " low lower lowest new newer " * 4]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_special_tokens_have_robertas_order_and_all_text_is_covered(kind):
    tokenizer = learned(kind)
    assert tokenizer.vocab[:4] == ["<s>", "<pad>", "</s>", "<unk>"]
    assert tokenizer.vocab[-1] == "<mask>"
    assert (tokenizer.pad_id, tokenizer.mask_id) == (1, tokenizer.vocab_size - 1)
    for text in SENTENCES:
        tokens = tokenizer.tokenize(text)
        assert "<unk>" not in tokens
        assert len(tokens) < len(text.encode())
    assert tokenizer.decode(tokenizer.encode(SENTENCES[0]).input_ids) == SENTENCES[0]
    assert tokenizer.tokenize("fox <mask>")[-1] == "<mask>"  # with the space before it


def test_bpe_begins_with_the_bytes_and_merges_the_most_frequent_pair():
    tokenizer = learn_subwords(["low low low lower"] * 2, 262, "bpe")
    assert tokenizer.vocab_size == 262
    assert tokenizer.vocab[-2] in ("lo", "ow")
    assert tokenizer.unk_id is None


def test_unigram_reads_the_form_nfkc_and_names_what_it_leaves_out(caplog):
    tokenizer = learned("unigram")
    assert tokenizer.tokenize("ｆｏｘ") == tokenizer.tokenize("fox")
    assert tokenizer.tokenize("日")[-1] == "<unk>"
    assert tokenizer.vocab[tokenizer.unk_id] == "<unk>"
    caplog.set_level("INFO", "bert_keras")
    learn_subwords(MANY, 100, "unigram")
    assert "rare characters" in caplog.text


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_learning_gives_the_same_under_other_threads_and_hashes_and_in_any_order(kind):
    code = (
        "import sys\n"
        "from bert_keras.tokenization import learn_subwords\n"
        "from tests.tokenization.test_subword_learning import MANY, TEXTS\n"
        "tokenizer = learn_subwords(reversed(MANY + TEXTS), 500, sys.argv[1])\n"
        "print(tokenizer.identity['rules_hash'])\n"
    )
    hashes = {learn_subwords(MANY + TEXTS, 500, kind).identity["rules_hash"]}
    for threads in ("1", "3"):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "2"}
        command = [sys.executable, "-c", code, kind]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS, 300, "wordlevel"), "kind must be bpe or unigram. Received: 'wordlevel'"),
        ((TEXTS, 261, "bpe"), "bpe needs more than 261 tokens. Received: size=261"),
        ((TEXTS, 9, "unigram"), "unigram needs more than 9 tokens"),
        ((TEXTS, 10, "unigram"), "take 13 tokens.*give a larger size. Received: size=10"),
        (([""], 300, "bpe"), "there are no words to learn tokens from"),
        (([" \n"], 300, "unigram"), "there are no words to learn tokens from"),
    ],
)
def test_what_cannot_be_learned_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        learn_subwords(*arguments)
