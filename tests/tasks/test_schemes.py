"""Compared with seqeval, scheme by scheme, on drawn tags: in order and not."""

import itertools
import random
import warnings

import pytest
import seqeval.metrics
import seqeval.scheme
from seqeval.metrics.sequence_labeling import get_entities

from bert_keras.tasks.metrics import entity_scores, label_scores
from bert_keras.tasks.schemes import SCHEMES, Span, type_of

STRICT = {
    "IOB1": seqeval.scheme.IOB1,
    "IOB2": seqeval.scheme.IOB2,
    "IOE2": seqeval.scheme.IOE2,
    "BIOES": seqeval.scheme.IOBES,
    "BILOU": seqeval.scheme.BILOU,
}
MARKED = [name for name, scheme in SCHEMES.items() if scheme.letters]


def _any_tags(draw, scheme, length):
    tags = [f"{letter}-{kind}" for letter in scheme.letters for kind in ("a", "b-c")]
    return [draw.choice([*tags, "O"]) for _ in range(length)]


def _spans(draw, length, may_touch=True):
    spans, start = [], 0
    while start < length:
        if draw.random() < 0.4:
            start += 1
            continue
        end = min(length, start + draw.randint(1, 4))
        spans.append(Span(draw.choice("ab"), start, end))
        start = end + (not may_touch)
    return spans


@pytest.mark.parametrize("name", [*MARKED, "IO"])
def test_what_is_written_in_a_scheme_is_read_again(name):
    draw, scheme = random.Random(1), SCHEMES[name]
    for _ in range(300):
        length = draw.randint(1, 12)
        spans = _spans(draw, length, may_touch=name != "IO")
        tags = scheme.write(spans, length)
        assert scheme.spans(tags) == spans
        assert scheme.follows(tags)
        if name in STRICT:
            (found,) = seqeval.scheme.Entities([tags], STRICT[name]).entities
            assert [(e.tag, e.start, e.end) for e in found] == spans


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("IOB1", "I-a I-a B-a O I-b"),
        ("IOB2", "B-a I-a B-a O B-b"),
        ("IOE1", "I-a E-a I-a O I-b"),
        ("IOE2", "I-a E-a E-a O E-b"),
        ("BIOES", "B-a E-a S-a O S-b"),
        ("BMES", "B-a E-a S-a O S-b"),
        ("BIOS", "B-a I-a S-a O S-b"),
        ("BILOU", "B-a L-a U-a O U-b"),
        ("IO", "a a a O b"),
    ],
)
def test_one_sentence_in_every_scheme(name, tags):
    spans = [Span("a", 0, 2), Span("a", 2, 3), Span("b", 4, 5)]
    assert SCHEMES[name].write(spans, 5) == tags.split()
    assert (
        SCHEMES[name].write([Span("a", 0, 4)], 4)
        == {
            "IOB1": ["I-a"] * 4,
            "IOB2": ["B-a", "I-a", "I-a", "I-a"],
            "IOE1": ["I-a"] * 4,
            "IOE2": ["I-a", "I-a", "I-a", "E-a"],
            "BIOES": ["B-a", "I-a", "I-a", "E-a"],
            "BMES": ["B-a", "M-a", "M-a", "E-a"],
            "BIOS": ["B-a", "I-a", "I-a", "I-a"],
            "BILOU": ["B-a", "I-a", "I-a", "L-a"],
            "IO": ["a"] * 4,
        }[name]
    )


@pytest.mark.parametrize("name", MARKED)
def test_any_tags_are_scored_as_seqeval_scores_them(name):
    draw, scheme = random.Random(2), SCHEMES[name]
    for _ in range(100):
        lengths = [draw.randint(1, 8) for _ in range(5)]
        right, given = ([_any_tags(draw, scheme, n) for n in lengths] for _ in range(2))
        table = str.maketrans("MLU", "IES")
        sides = [
            [[tag[0].translate(table) + tag[1:] for tag in s] for s in x] for x in (right, given)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = {
                "precision": seqeval.metrics.precision_score(*sides),
                "recall": seqeval.metrics.recall_score(*sides),
                "f1": seqeval.metrics.f1_score(*sides),
                "accuracy": seqeval.metrics.accuracy_score(right, given),
            }
        assert entity_scores(right, given, scheme) == pytest.approx(wanted)


@pytest.mark.parametrize("name", [*STRICT, "BMES"])
def test_any_tags_are_scored_strictly_as_seqeval_does(name):
    draw, scheme = random.Random(3), SCHEMES[name]
    differ = 0
    for _ in range(100):
        lengths = [draw.randint(1, 8) for _ in range(5)]
        right = [scheme.write(_spans(draw, n), n) for n in lengths]
        given = [
            _any_tags(draw, scheme, n) if draw.random() < 0.5 else list(tags)
            for n, tags in zip(lengths, right, strict=True)
        ]
        sides = [[[tag.replace("M-", "I-") for tag in s] for s in x] for x in (right, given)]
        options = {"mode": "strict", "scheme": STRICT.get(name, seqeval.scheme.IOBES)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = {
                "precision": seqeval.metrics.precision_score(*sides, **options),
                "recall": seqeval.metrics.recall_score(*sides, **options),
                "f1": seqeval.metrics.f1_score(*sides, **options),
                "accuracy": seqeval.metrics.accuracy_score(right, given),
            }
        assert entity_scores(right, given, scheme, strict=True) == pytest.approx(wanted)
        differ += wanted["f1"] != entity_scores(right, given, scheme)["f1"]
    assert differ


def test_nothing_is_scored_strictly_as_zero():
    scheme = SCHEMES["BIOES"]
    assert entity_scores([["O"]], [["O"]], scheme, strict=True)["f1"] == 0.0
    assert entity_scores([], [], scheme, strict=True)["f1"] == 0.0


def test_letters_alone_mark_entities_without_a_type():
    tags = ["B", "M", "E", "S", "B", "E"]
    assert SCHEMES["BMES"].spans(tags) == [("_", 0, 3), ("_", 3, 4), ("_", 4, 6)]
    assert SCHEMES["BMES"].write(SCHEMES["BMES"].spans(tags), 6) == tags
    assert SCHEMES["BMES"].labels(set(tags)) == ("B", "M", "E", "S")


@pytest.mark.parametrize("name", [*MARKED, "IO"])
def test_a_word_in_parts_is_the_same_entity(name):
    draw, scheme = random.Random(4), SCHEMES[name]
    for _ in range(200):
        length = draw.randint(1, 8)
        spans = _spans(draw, length, may_touch=name != "IO")
        counts = [draw.randint(1, 3) for _ in range(length)]
        starts = [0, *itertools.accumulate(counts)]
        tags = scheme.write(spans, length)
        parts = [p for tag, n in zip(tags, counts, strict=True) for p in scheme.spread(tag, n)]
        assert scheme.spans(parts) == [Span(s.label, starts[s.start], starts[s.end]) for s in spans]
        assert scheme.follows(parts)


@pytest.mark.parametrize("name", MARKED)
def test_a_word_that_was_not_read_goes_on_with_the_entity_around_it(name):
    scheme = SCHEMES[name]
    entity = scheme.write([Span("a", 1, 4)], 5)
    assert scheme.inside(entity[1], entity[3]) == entity[2]
    assert scheme.inside(entity[0], entity[1]) == scheme.inside(entity[3], entity[4]) == "O"
    assert scheme.inside(entity[1], entity[3].replace("a", "b")) == "O"


def test_stray_labels_of_published_models_are_outside():
    tags = ["[CLS]", "B-a", "I-a", "X", "I-a"]
    assert SCHEMES["IOB2"].spans(tags) == [("a", 1, 3), ("a", 4, 5)]


def test_types_may_have_hyphens():
    tags = ["B-geo-loc", "I-geo-loc"]
    assert SCHEMES["IOB2"].spans(tags) == [("geo-loc", 0, 2)]
    assert type_of("B-geo-loc") == get_entities(tags)[0][0] == "geo-loc"


def test_labels_of_words_have_accuracy_and_macro_f1():
    right, given = [["a", "b", "a"], ["c"]], [["a", "b", "b"], ["c"]]
    # F1 of a 2/3, of b 2/3, of c 1
    assert label_scores(right, given) == pytest.approx(
        {"accuracy": 3 / 4, "macro_f1": (2 / 3 + 2 / 3 + 1) / 3}
    )
    assert label_scores([], []) == {"accuracy": 0.0, "macro_f1": 0.0}
