import logging
import zlib
from dataclasses import replace

import pytest

from bert_keras.errors import InputError
from bert_keras.tasks import Classification, MultiLabel, Regression, Tagging
from bert_keras.tasks.reading import TaggedExample, TextExample
from bert_keras.tasks.split import check_labels, hold_out, warn_of_shared


def examples(labels, texts=None):
    texts = texts or [f"text number {n}" for n in range(len(labels))]
    return [
        TextExample(text, None, label, f"a.tsv, row {n + 1}")
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def lies_under(text, fraction):
    return zlib.crc32(f"{text}\t".encode()) < fraction * 2**32


def labels_of(side):
    return [example.label for example in side]


def test_an_example_is_held_out_by_the_hash_of_its_text():
    rows = examples(["a", "b"] * 200)
    train, dev = hold_out(Classification(), rows, 0.1)
    assert dev == [row for row in rows if lies_under(row.text, 0.1)]
    assert train == [row for row in rows if not lies_under(row.text, 0.1)]
    assert 20 < len(dev) < 60


def test_the_only_example_of_a_label_stays_in_training(caplog):
    caplog.set_level(logging.INFO)
    texts = [f"text number {n}" for n in range(100)]
    rare = next(n for n, text in enumerate(texts) if lies_under(text, 0.1))
    labels = ["neutral" if n == rare else "ab"[n % 2] for n in range(100)]
    rows = examples(labels, texts)
    train, dev = hold_out(Classification(), rows, 0.1)
    assert rows[rare] in train
    assert dev == [r for r in rows if lies_under(r.text, 0.1) and r is not rows[rare]]
    assert "kept for training, as no other example has their label: 'neutral'" in caplog.text
    task = Classification(labels=("a", "b", "neutral"))
    check_labels(task, train, dev)
    assert "no dev example has 'neutral', 1 of the 3 labels" in caplog.text


def test_of_a_label_that_is_held_out_whole_the_highest_hash_stays_with_its_like():
    low = sorted((f"text {n}" for n in range(300)), key=lambda t: zlib.crc32(f"{t}\t".encode()))
    texts = [low[0], low[1], low[1], low[-1], low[-2]]
    train, dev = hold_out(Classification(), examples(list("aaabb"), texts), 0.5)
    assert [row.text for row in train] == texts[1:]
    assert [row.text for row in dev] == texts[:1]


def test_every_label_of_several_is_left_one_example():
    rows = examples(["a|b", "b", "c|a", "", "d"] * 4 + ["e|f"])
    train, _ = hold_out(MultiLabel(), rows, 0.97)
    assert {name for row in train for name in row.label.split("|")} >= set("abcdef")


def test_every_tag_type_is_left_one_sentence():
    rows = [
        TaggedExample((f"word{n}",), (f"B-{'rare' if n == 7 else 'x'}",), f"row {n}")
        for n in range(30)
    ]
    train, dev = hold_out(Tagging(), rows, 0.9)
    assert rows[7] in train
    assert dev


def test_numbers_are_held_out_by_the_hash_alone():
    rows = examples([str(n) for n in range(50)])
    _, dev = hold_out(Regression(), rows, 0.3)
    assert dev == [row for row in rows if lies_under(row.text, 0.3)]


def test_stratified_the_same_share_of_each_label_is_held_out():
    rows = examples(["a"] * 200 + ["b"] * 40 + ["c"] * 3 + ["d"])
    train, dev = hold_out(Classification(), rows, 0.2, stratify=True)
    assert [labels_of(dev).count(label) for label in "abcd"] == [40, 8, 1, 0]
    assert len(train) + len(dev) == len(rows)
    for label in "ab":
        out, kept = (
            [zlib.crc32(f"{r.text}\t".encode()) for r in side if r.label == label]
            for side in (dev, train)
        )
        assert max(out) < min(kept)
    assert hold_out(Classification(), rows[::-1], 0.2, stratify=True)[1] == dev[::-1]


def test_stratified_a_text_stands_on_one_side_alone():
    texts = [f"text {n // 3}" for n in range(120)]
    labels = ["ab"[n % 2] for n in range(120)]
    train, dev = hold_out(Classification(), examples(labels, texts), 0.25, stratify=True)
    assert dev
    assert not {row.text for row in train} & {row.text for row in dev}


def test_a_dev_label_that_training_lacks_names_its_row():
    task = Classification(labels=("a", "b"))
    dev = examples(["a", "c", "c"])
    with pytest.raises(InputError, match=r"row 2: no training example has the label 'c' \(2 dev"):
        check_labels(task, examples(["a", "b"]), dev)
    with pytest.raises(InputError, match=r"row 1 has no label"):
        check_labels(task, examples(["a", "b"]), examples([None]))


def test_dev_examples_that_are_training_examples_too_are_counted(caplog):
    train = examples("abab", ["one", "two", "three", " "])
    warn_of_shared(Classification(), train, examples("abab", ["four", "One", "three.", " "]))
    assert not caplog.records
    warn_of_shared(Classification(), train, examples("bbaa", ["four", "two", "one", "two"]))
    assert caplog.messages == [
        "3 of the 4 dev examples have the text of a training example, first a.tsv, row 2: their "
        "scores say nothing about other texts"
    ]
    caplog.clear()
    pairs = [replace(example, text_pair="x") for example in train]
    warn_of_shared(Classification(), train, pairs)
    assert not caplog.records, "another pair"


def test_given_labels_without_an_example_are_named(caplog):
    task = MultiLabel(labels=("a", "b", "c"))
    check_labels(task, examples(["a|b", ""]), [])
    (record,) = caplog.records
    assert record.getMessage().startswith("no training example has 'c', 1 of the 3 labels")
