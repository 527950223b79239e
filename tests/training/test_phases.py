import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from bert_keras.config import PhaseConfig
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.data import coverage
from bert_keras.data.sampling import plan_pairs
from bert_keras.tokenization import SPECIAL_TOKENS, write_vocabulary
from bert_keras.training.phases import log_epochs, log_held_out, pretraining_phases
from bert_keras.training.state import RunState


@pytest.fixture(scope="module")
def phases(recipe, corpus_path):
    """Nine tenths of the steps short, the rest four times as long, as in the original."""
    short = PhaseConfig(until=0.9, max_seq_length=16, max_predictions_per_seq=3, batch_size=64)
    data = replace(recipe.data, max_seq_length=64, max_predictions_per_seq=10, phases=(short,))
    train = replace(recipe.train, steps=1000, batch_size=16)
    return pretraining_phases(replace(recipe, data=data, train=train), Corpus.open(corpus_path))


def batches(phase, first, count):
    return list(phase.batches_from(first).take(count).as_numpy_iterator())


def test_the_long_phase_begins_where_the_short_one_ends(phases):
    assert [phase.last_step for phase in phases] == [900, 1000]
    assert [phase.constants["max_seq_length"] for phase in phases] == [16, 64]


def test_each_phase_has_its_own_shapes_in_training_and_in_evaluation(phases):
    for phase, first, shapes in zip(
        phases, (0, 900), (((64, 16), (64, 3)), ((16, 64), (16, 10))), strict=True
    ):
        (batch,) = batches(phase, first, 1)
        for held_out in (batch, next(phase.evaluation.batches.as_numpy_iterator())):
            found = held_out["input_ids"].shape, held_out["masked_lm_ids"].shape
            assert found == shapes


@pytest.mark.parametrize(("phase", "length", "cap"), [(0, 16, 3), (1, 64, 10)])
def test_each_phase_fills_its_length_and_masks_15_percent_of_it(phases, phase, length, cap):
    found = batches(phases[phase], (0, 900)[phase], 40)
    lengths = np.concatenate([batch["attention_mask"].sum(1) for batch in found])
    predicted = np.concatenate([batch["masked_lm_weights"].sum(1) for batch in found])
    expected = [min(cap, max(1, round(0.15 * n))) for n in lengths.tolist()]
    np.testing.assert_array_equal(predicted, expected)
    assert lengths.max() == length
    assert (lengths == length).mean() > 0.5
    seen, rows = [], 0
    for batch in found:
        row, slot = np.nonzero(batch["masked_lm_weights"])
        seen.append(batch["input_ids"][row, batch["masked_lm_positions"][row, slot]])
        rows += len(row)
    share = (np.concatenate(seen) == 4).mean()  # [MASK]
    assert abs(share - 0.8) < 4 * np.sqrt(0.16 / rows) + 0.001


def test_the_phases_repeat_none_of_each_others_examples(recipe, corpus_path):
    same = PhaseConfig(until=0.5, max_seq_length=32, max_predictions_per_seq=5)
    data = replace(recipe.data, phases=(same,))
    first, second = pretraining_phases(replace(recipe, data=data), Corpus.open(corpus_path))
    ids = [
        {row.tobytes() for batch in batches(phase, start, 6) for row in batch["input_ids"]}
        for phase, start in ((first, 0), (second, 6))
    ]
    assert len(ids[0] & ids[1]) < 0.05 * len(ids[0])


@pytest.mark.system
def test_a_phase_may_leave_the_sentence_task_to_later_ones(recipe, corpus_path):
    phases = [
        PhaseConfig(until=until, max_seq_length=16, max_predictions_per_seq=3, next_sentence=task)
        for until, task in ((0.25, "none"), (0.5, "sop"), (0.75, ""))
    ]
    config = replace(recipe, data=replace(recipe.data, phases=tuple(phases)))
    found = pretraining_phases(config, Corpus.open(corpus_path))
    for phase, first, task in zip(found, (0, 3, 6, 9), ("none", "sop", "nsp", "nsp"), strict=True):
        assert phase.batches.config.next_sentence == task
        for batch in (
            *batches(phase, first, 1),
            next(phase.evaluation.batches.as_numpy_iterator()),
        ):
            assert ("next_sentence_labels" in batch) == (task != "none")
        assert ("nsp_baseline_accuracy" in phase.evaluation.constants) == (task != "none")


def test_a_resumed_phase_plans_none_of_the_past_epochs(recipe, corpus_path, monkeypatch):
    planned = []

    def plan(epoch):
        planned.append(epoch.number)
        return plan_pairs(epoch)

    monkeypatch.setitem(coverage._PLANNERS, "nsp", (plan, 2))
    recipe = replace(recipe, data=replace(recipe.data, phases=()))
    (phase,) = pretraining_phases(recipe, Corpus.open(corpus_path))
    expected = batches(phase, 0, 200)[-1]
    offsets = phase.epoch_offsets(199)
    (resumed,) = pretraining_phases(recipe, Corpus.open(corpus_path))
    resumed.resume(offsets)
    planned.clear()
    (found,) = batches(resumed, 199, 1)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    current = len(offsets) - 2
    assert current > 2
    assert min(planned) == current


def test_what_a_checkpoint_keeps_of_the_plan_does_not_depend_on_how_far_it_was_planned(
    recipe, corpus_path
):
    recipe = replace(recipe, data=replace(recipe.data, phases=()))
    kept = []
    for count in (1, 150):
        (phase,) = pretraining_phases(recipe, Corpus.open(corpus_path))
        batches(phase, 0, count)
        kept.append(phase.epoch_offsets(1))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2


@pytest.mark.system
def test_batches_are_skipped_across_epochs(recipe, corpus_path):
    """Two streams of one phase, each with epochs of its own to plan."""
    recipe = replace(recipe, data=replace(recipe.data, phases=()))
    (phase,) = pretraining_phases(recipe, Corpus.open(corpus_path))
    everything = batches(phase, 0, 130)
    (phase,) = pretraining_phases(recipe, Corpus.open(corpus_path))
    state = RunState(skipped=[[0, 3, 7], [0, 60, 100]])
    found = list(state.batches(0, phase.batches_from, 0).take(86).as_numpy_iterator())
    expected = everything[:3] + everything[7:60] + everything[100:]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours["input_ids"], theirs["input_ids"])
    (fresh,) = pretraining_phases(recipe, Corpus.open(corpus_path))
    batches(fresh, 0, 130)
    assert phase.epoch_offsets(130) == fresh.epoch_offsets(130)


def lengths_of(tmp_path, *counts):
    """A corpus of documents of as many sentences, of three tokens each."""
    texts = ["\n".join(f"{'abcdefgh'[n]} b c." for _ in range(k)) for n, k in enumerate(counts)]
    (tmp_path / "texts.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts)
    )
    write_vocabulary(tmp_path / "vocab.txt", [*SPECIAL_TOKENS, *"abcdefgh."])
    prepare_corpus([tmp_path / "texts.jsonl"], tmp_path / "vocab.txt", tmp_path / "corpus")
    return Corpus.open(tmp_path / "corpus")


def test_it_is_said_what_is_held_out_and_warned_where_it_is_much(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    corpus = lengths_of(tmp_path, 1, 1, 1, 17)
    caplog.clear()
    short, long = (corpus.documents[numbers] for numbers in ([1, 2, 3], [0, 1, 2]))
    for learned, fraction in ((short, 0.05), (short, 0.0), (long, 0.3), (long, 0.05)):
        log_held_out(corpus, learned, fraction)
    log_held_out(corpus, corpus.documents, 0.0)
    few, _, much, warning = caplog.records
    assert few.getMessage() == ("1 of 4 documents are held out for evaluation, 5.0% of the tokens")
    assert much.getMessage().endswith("85.0% of the tokens")
    assert (few.levelno, much.levelno, warning.levelno) == (20, 20, 30)
    assert "85.0% of the tokens, though data.eval_fraction is 0.05: " in warning.getMessage()
    caplog.clear()
    log_held_out(replace(corpus, documents=long[:1]), long[:1], 0.05)
    assert caplog.messages == [
        "nothing is held out for evaluation: the corpus is a single document"
    ]


def test_it_is_said_of_each_phase_what_an_epoch_is_and_of_the_last_what_teaches_nothing(
    phases, recipe, corpus_path, caplog
):
    with caplog.at_level(logging.INFO, "bert_keras"):
        log_epochs(phases)
    first, second = (record.getMessage() for record in caplog.records)
    batches = phases[1].batches
    summary = coverage.summarize_epoch(batches.corpus, batches.config, batches.seed)
    assert first.startswith("to step 900 an epoch is about ")
    assert second == f"to step 1,000 {summary.describe()}"
    caplog.clear()
    data = replace(recipe.data, max_seq_length=8, max_predictions_per_seq=2, phases=())
    log_epochs(pretraining_phases(replace(recipe, data=data), Corpus.open(corpus_path)))
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "a single sentence often fills 8 tokens" in warnings[0]
    assert warnings[1].startswith("an epoch shows only")
