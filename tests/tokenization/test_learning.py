import os
import subprocess
import sys

import pytest

from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = "low lower lowest new newer newest wide wider widest slow slower slowest " * 5


def test_learned_pieces_are_in_order_and_cover_the_text():
    vocabulary = learn_vocabulary([TEXT], 60)
    assert vocabulary[:5] == SPECIAL
    assert len(vocabulary) == len(set(vocabulary)) <= 60
    letters = [piece for piece in vocabulary[5:] if len(piece) == 1]
    assert letters == sorted(letters) == vocabulary[5 : 5 + len(letters)]
    tokenizer = BertTokenizer(vocabulary)
    assert "[UNK]" not in tokenizer.tokenize(TEXT)
    assert len(tokenizer.tokenize(TEXT)) < len(TEXT) / 2


def test_the_first_merge_is_the_most_frequent_pair():
    # "##o" before "##w" stands in six of the twelve words; "##e" before "##r" or "##s" in four.
    vocabulary = learn_vocabulary([TEXT], 60)
    merges = [piece for piece in vocabulary[5:] if len(piece.removeprefix("##")) > 1]
    assert merges[0] == "##ow"


def test_learning_does_not_depend_on_the_order_of_the_texts():
    words = TEXT.split()
    assert learn_vocabulary(words, 60) == learn_vocabulary(reversed(words), 60)


def test_casing_decides_what_is_learned():
    text = ["Über Äpfel Über Äpfel"] * 3
    assert not any(p != p.lower() for p in learn_vocabulary(text, 60)[5:])
    assert "Ü" in learn_vocabulary(text, 60, Casing(do_lower_case=False))


def test_rare_characters_do_not_crowd_out_words():
    chinese = "".join(chr(0x4E00 + n) for n in range(500))
    vocabulary = learn_vocabulary([chinese, TEXT], 100)
    assert "low" in vocabulary
    assert sum("\u4e00" <= piece[-1] <= "\u9fff" for piece in vocabulary) < 25


@pytest.mark.parametrize(("texts", "size"), [([], 100), (["  "], 100), (["a b"], 10)])
def test_nothing_to_learn_is_refused(texts, size):
    with pytest.raises(InputError):
        learn_vocabulary(texts, size)


def test_progress_counts_characters():
    seen = []
    learn_vocabulary(["one two", "three"], 60, progress=seen.append)
    assert seen == [7, 12]


def test_the_same_text_gives_the_same_vocabulary_in_every_process(tmp_path):
    script = (
        "import random, sys; from bert_keras.tokenization import learn_vocabulary;"
        "r = random.Random(0);"
        "w = [''.join(r.choices('abcdefghij', k=r.randint(2, 7))) for _ in range(4000)];"
        "sys.stdout.write(' '.join(learn_vocabulary(w, 900)))"
    )
    outputs = set()
    for seed, threads in (("1", "1"), ("2", "2"), ("3", "1")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 900


def test_text_whose_words_are_all_too_long_is_refused_by_that_name():
    with pytest.raises(InputError, match="all have more than 100 characters; put spaces"):
        learn_vocabulary(["ก" * 101], 100)
