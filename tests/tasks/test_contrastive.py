"""Sentence encoders from texts that belong together: what is trained on, measured and refused."""

import random
from dataclasses import replace

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.saving import load
from bert_keras.tasks import Contrastive, evaluate, finetune
from bert_keras.tasks.reading.groups import GroupExample
from tests.tasks.conftest import BAD, FILLERS, GOOD
from tests.tasks.recipes import recipe


def group(anchor, positive, *negatives, row=1):
    return GroupExample(anchor, positive, negatives, f"train.jsonl, row {row}")


@pytest.mark.system
def test_a_contrastive_run_finds_its_positives(encoder_path, tmp_path):
    def rows(seed):
        draw = random.Random(seed)
        texts = [*GOOD, *BAD]
        draw.shuffle(texts)
        return "anchor\tpositive\n" + "".join(
            f"{text} {draw.choice(FILLERS)}\t{draw.choice(FILLERS)} {text}\n" for text in texts * 2
        )

    for name, seed in (("train.tsv", 0), ("dev.tsv", 1)):
        (tmp_path / name).write_text(rows(seed))
    data = str(tmp_path / "train.tsv"), str(tmp_path / "dev.tsv")
    before = Contrastive()
    examples = before.read(data[1])
    model = before.open_model(encoder_path)
    features = before.features(examples, model.tokenizer)
    scores, _ = before.measure(model, examples, features)
    settings = recipe(data={"task": "contrastive"}, train={"steps": 30, "batch_size": 10})
    finetune(settings, tmp_path / "run", encoder_path, *data)
    after = evaluate(load(tmp_path / "run"), data[1]).metrics
    assert after["mrr@10"] > scores["mrr@10"] + 0.1
    assert set(after) == set(before.metrics())


def test_the_measures_are_those_of_a_ranking_worked_by_hand():
    examples = [group("a", "b", "c"), group("d", "e"), group("a", "f")]
    unit = np.eye(4, dtype=np.float32)
    # The anchor a is nearest c, then f, then b, e; the anchor d is nearest e.
    a = np.array([1.0, 4.0, 0.5, 2.0], np.float32)
    vectors = [
        np.stack([a, unit[0], unit[1]]),
        np.stack([unit[2], unit[2]]),
        np.stack([a, unit[3]]),
    ]
    scores = Contrastive().score_vectors(examples, vectors)
    assert scores["mrr@10"] == pytest.approx((1 / 2 + 1) / 2)  # of two different anchors
    assert scores["recall@1"] == pytest.approx((0 + 1) / 2)
    assert scores["map@100"] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1) / 2)


def test_dev_texts_that_are_their_own_positives_measure_nothing():
    with pytest.raises(InputError, match="every dev text is its own positive"):
        Contrastive().metric("", [group("a", "a")])
    assert Contrastive().metric("", [group("a", "a"), group("b", "c")]) == "mrr@10"


def test_a_triplet_needs_a_negative_in_its_own_row():
    task = Contrastive(loss="triplet")
    task.adapted_to([group("a", "b", "c")])
    task.labels_of([group("a", "b")])  # a dev example needs none
    with pytest.raises(InputError, match=r"row 2 has no negative, which data\.loss = 'triplet'"):
        task.adapted_to([group("a", "b", "c"), group("a", "b", row=2)])
    with pytest.raises(InputError, match=r"data\.symmetric is for data\.loss = 'in_batch'"):
        replace(task, symmetric=True)
    with pytest.raises(InputError, match=r"data\.margin is for data\.loss = 'triplet'"):
        replace(task, loss="in_batch", margin=0.2)


def test_one_text_alone_is_nothing_to_choose_from():
    with pytest.raises(InputError, match="row 1: no other text is there to choose the positive"):
        Contrastive().adapted_to([group("a", "b")])
    assert Contrastive().adapted_to([group("a", "b"), group("c", "d")]) == Contrastive()


def test_batches_of_one_row_without_negatives_are_refused():
    rows = [group("a", "b", "c"), group("d", "e", row=2)]
    with pytest.raises(InputError, match=r"row 2 has no negatives, and train\.batch_size = 1"):
        Contrastive().check_batch(rows, 1)
    Contrastive().check_batch(rows, 2)
    Contrastive().check_batch(rows[:1], 1)
