import unicodedata

import pytest

from bert_keras.tokenization import (
    BertTokenizer,
    Casing,
    Losses,
    learn_subwords,
    learn_vocabulary,
    measure_each,
    warn_of_casing,
)
from bert_keras.tokenization.losses import dropped_marks

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CASED = Casing(do_lower_case=False)
HINDI = "हिन्दी में लिखा हुआ एक वाक्य"


def measure(tokenizer, text):
    (losses,) = measure_each(tokenizer, [text], [True])
    return losses


def test_characters_of_unknown_words_are_counted_in_the_text_as_it_is_written():
    tokenizer = BertTokenizer([*SPECIAL, "cafe", "un"])
    losses = measure(tokenizer, "Café unknown  x! [UNK]")
    assert losses.characters == len("Caféunknownx![UNK]")
    assert losses.unknown == len("unknown" + "x" + "!")
    assert (losses.too_long, losses.unknown_example) == (0, "unknown")


def test_words_of_more_than_100_characters_are_counted_apart():
    tokenizer = BertTokenizer([*SPECIAL, "a", "##a"])
    losses = measure(tokenizer, "a" * 101 + " " + "a" * 100 + " b")
    assert (losses.characters, losses.unknown, losses.too_long) == (202, 102, 101)


@pytest.mark.parametrize(
    "text", [HINDI, "โรงแรมนี้ดีมาก", "كِتَابٌ", "がぎぐ", "Tiếng Việt", "Mein Größe", "йод", "한국어"]
)
def test_dropped_marks_are_those_that_the_tokenizer_drops(text):
    kept = Casing(do_lower_case=True, strip_accents=True).normalizer().normalize_str(text)
    whole = unicodedata.normalize("NFD", text.lower())
    assert dropped_marks(text)[0] == len(whole) - len(kept)
    is_letter_script = not unicodedata.name(text[0]).startswith("LATIN")
    assert (dropped_marks(text)[1] > 0) == (is_letter_script and dropped_marks(text)[0] > 0)


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        (HINDI, True),
        ("โรงแรมนี้ดีมาก", True),
        ("Мой дед пьёт чай", True),
        ("Tiếng Việt rất khó học", True),
        ("Le thé du matin est bon dans cette maison là", False),
        ("plain English words", False),
    ],
)
def test_uncased_warns_of_the_marks_that_a_script_needs(text, warns, caplog):
    learn_vocabulary([text] * 3, 100)
    assert bool([m for m in caplog.messages if "--cased" in m]) == warns
    caplog.clear()
    learn_vocabulary([text] * 3, 100, CASED)
    assert not caplog.messages


def test_learning_tells_of_words_that_are_too_long(caplog):
    learn_vocabulary(["ก" * 150, "short words"], 100, CASED)
    assert "93.8 % of the characters become [UNK]" in caplog.text  # 150 of 160
    assert "word segmenter" in caplog.text


def test_a_cased_vocabulary_under_uncased_is_named_with_examples(caplog):
    vocabulary = learn_vocabulary(["Anna met Bert in Paris", "the end"] * 9, 100, CASED)
    never = [p for p in vocabulary if p not in SPECIAL and p != p.lower()]
    warn_of_casing(vocabulary, Casing())
    (message,) = caplog.messages
    assert message.startswith(f"{len(never)} of the vocabulary's {len(vocabulary) - 5} entries")
    assert repr(never[-1]) in message


def test_an_uncased_vocabulary_under_cased_is_named(caplog):
    vocabulary = learn_vocabulary(["Anna met Bert in Paris", "the end"] * 9, 100)
    warn_of_casing(vocabulary, CASED)
    assert "no capital letter" in caplog.text


@pytest.mark.parametrize("text", ["Anna met Bert in Paris", "这家酒店很好", "हिन्दी", "Zoë für 가"])
@pytest.mark.parametrize("casing", [Casing(), CASED])
def test_a_vocabulary_of_the_same_casing_is_passed(text, casing, caplog):
    vocabulary = learn_vocabulary([text] * 9, 100, casing)
    caplog.clear()
    warn_of_casing([*vocabulary, "[unused1]"], casing)
    assert not caplog.messages


def test_few_unknown_characters_are_no_warning(caplog):
    Losses(characters=100, unknown=3, unknown_example="x").warn_of_unknown("way")
    assert not caplog.messages
    Losses(characters=100, unknown=4, unknown_example="x").warn_of_unknown("way")
    subwords = learn_subwords(["a fine film"] * 9, 40, "unigram")
    Losses(characters=100, unknown=4, unknown_example="x").warn_of_unknown("way", subwords)
    assert caplog.messages == [
        "4.0 % of the characters become [UNK], first in 'x'; way",
        "4.0 % of the characters become <unk>, first in 'x'; way",
    ]


def test_losses_add_up():
    losses = Losses(characters=1)
    losses.add(Losses(10, 4, 3, 2, 1, "a", "b"))
    losses.add(Losses(10, 4, 3, 2, 1, "c", "d"))
    assert losses == Losses(21, 8, 6, 4, 2, "a", "b")
