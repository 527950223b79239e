import logging
import random

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TaggedExample
from bert_keras.tasks.recognition import (
    breaches,
    describe,
    in_scheme,
    scheme_of_data,
    scheme_of_labels,
)
from bert_keras.tasks.schemes import SCHEMES, Span


def _examples(*sentences):
    return [
        TaggedExample(tuple("w" * len(tags.split())), tuple(tags.split()), f"a.conll, row {n}")
        for n, tags in enumerate(sentences, start=1)
    ]


def _drawn(name, seed, count=40):
    """Sentences of a scheme, with entities of several words and such that touch."""
    draw, sentences = random.Random(seed), []
    for _ in range(count):
        spans, start, length = [], 0, draw.randint(3, 9)
        while start < length:
            end = min(length, start + draw.randint(1, 3))
            if draw.random() < 0.6:
                spans.append(Span(draw.choice("ab"), start, end))
            start = end
        sentences.append(" ".join(SCHEMES[name].write(spans, length)))
    return _examples(*sentences)


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.letters])
def test_every_scheme_is_told_from_the_whole_file(name):
    examples = _drawn(name, seed=1)
    assert scheme_of_data(examples).name == name
    assert breaches(SCHEMES[name], examples) == []


@pytest.mark.parametrize(
    ("sentences", "name"),
    [
        (["I-a I-a O", "O I-b"], "IOB1"),  # no B: no entities touch
        (["I-a B-a I-a", "O I-b"], "IOB1"),
        (["B-a I-a O", "O B-b"], "IOB2"),
        (["B-a O", "I-a I-a", "B-a", "B-b I-b"], "IOB2"),  # one sentence is not quite
        (["B-a O B-b"], "IOB2"),
        (["B-a E-a O"], "BIOES"),
        (["S-a O S-b"], "BIOES"),
        (["B-a M-a E-a O"], "BMES"),
        (["B-a I-a S-a O"], "BIOS"),
        (["U-a O"], "BILOU"),
        (["B-a L-a O"], "BILOU"),
        (["DET NOUN VERB"], "plain"),
        (["O PER O"], "plain"),
        (["NOUN B-a NOUN NOUN"], "plain"),  # a name among others
        (["B M E S B E"], "BMES"),
        (["B I E S"], "BIOES"),
        (["B I I B O"], "IOB2"),
        (["I I O"], "IOB1"),
        (["B S I O E", "S O B B", "E B I"], "plain"),  # letters that do not fit together
        (["S N V O"], "plain"),
        (["O O"], "IOB2"),
    ],
)
def test_tags_are_in_the_scheme_that_they_follow(sentences, name):
    assert scheme_of_data(_examples(*sentences)).name == name


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (["O B-a", "B-a I-a PER"], r"row 2: 'w': among tags such as 'B-a', .* 'PER'"),
        (["O B-a", "B-"], r"row 2: .*Received: 'B-'"),
        (["B-a M-a I-a"], r"no tag scheme has the letters B, I, M .*data.tag_scheme = 'plain'"),
        (["(ORG* *) O", "*"], r"row 1: 'w': the tag '\(ORG\*' is part of a bracket"),
        (["- (12 -"], r"the tag '\(12' is part of a bracket, as CoNLL-2012"),
        (["O B_PER I_PER"], r"row 1: 'w': write the tag 'B_PER' as B-TYPE"),
        (["O PER-B PER-I"], r"write the tag 'PER-B' as B-TYPE"),
        (["O b-per i-per"], r"write the tag 'b-per' as B-TYPE"),
    ],
)
def test_tags_that_fit_no_scheme_are_named(sentences, message):
    with pytest.raises(InputError, match=message):
        scheme_of_data(_examples(*sentences))


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ("O B-MISC I-MISC B-PER I-PER", "IOB2"),  # or IOB1, which is decoded alike
        ("B-PER E-PER I-PER O S-PER", "BIOES"),
        ("O B-PER M-PER E-PER S-PER", "BMES"),
        ("O B-a I-a S-a", "BIOS"),
        ("O B-a I-a L-a U-a", "BILOU"),
        ("O I-PER I-LOC [CLS] X", "IOB2"),
        ("O PER LOC", "IO"),
        ("NOUN VERB", "plain"),
        ("LABEL_0 LABEL_1", "plain"),
        ("B M E S", "BMES"),
        ("A B C", "plain"),
    ],
)
def test_a_models_labels_tell_its_scheme(labels, name):
    assert scheme_of_labels(labels.split()).name == name


@pytest.mark.parametrize("wanted", ["IOB1", "IOB2", "BIOES", "BMES", "BILOU", "IOE2"])
def test_another_scheme_is_converted_and_said(wanted, caplog):
    caplog.set_level(logging.INFO, "bert_keras")
    for found in ("IOB1", "BIOES", "BMES"):
        examples = _drawn(found, seed=2)
        if found == wanted:
            continue
        converted = in_scheme(SCHEMES[wanted], examples, "dev.conll", is_certain=True)
        assert f"dev.conll: the tags are {found}; converted to {wanted}" in caplog.text
        for before, after in zip(examples, converted, strict=True):
            assert SCHEMES[wanted].spans(after.tags) == SCHEMES[found].spans(before.tags)
            assert SCHEMES[wanted].follows(after.tags)


def test_few_tags_that_follow_the_scheme_stay_as_they_are(caplog):
    examples = _examples("O S-a", "S-b O")
    assert in_scheme(SCHEMES["BMES"], examples, "dev", is_certain=True) is examples
    iob1 = _examples("I-a O", "B-a")  # of a published model, that may be of either
    assert in_scheme(SCHEMES["IOB2"], iob1, "dev", is_certain=False) is iob1


def test_labels_and_entities_are_not_mixed():
    with pytest.raises(InputError, match=r"dev: the tags are plain, .*'NOUN'.*they must be IOB2"):
        in_scheme(SCHEMES["IOB2"], _examples("NOUN VERB"), "dev", is_certain=True)
    plain = _examples("PER O")
    assert in_scheme(SCHEMES["IO"], plain, "dev", is_certain=True) is plain


def test_what_tags_are_is_said():
    assert describe(SCHEMES["BIOES"], _examples("S-a O B-b E-b")) == (
        "the tags are BIOES; types of entities: a, b"
    )
    assert describe(SCHEMES["plain"], _examples("DET NOUN")) == (
        "the tags are a label for each word: DET, NOUN"
    )
    assert "'IO' makes entities" in describe(SCHEMES["plain"], _examples("PER O"))
    assert "without a type" in describe(SCHEMES["BMES"], _examples("B M E"))
