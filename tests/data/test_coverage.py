import subprocess
import sys

import pytest

from bert_keras.config import DataConfig
from bert_keras.data import coverage
from bert_keras.data.coverage import plan_epoch, summarize_epoch
from tests.data.corpora import corpus_of


def summary_of(corpus, **settings):
    return summarize_epoch(corpus, DataConfig(**settings))


def test_full_sentences_show_every_token_of_however_long_sentences():
    corpus = corpus_of([[3000], [5, 7, 900], [1]])
    summary = summary_of(corpus, next_sentence="none")
    assert summary.token_share == 1
    assert summary.describe().endswith("texts of up to 128 tokens and shows 100.0% of the corpus's "
                                       "tokens")  # fmt: skip
    assert summary.warnings() == []


def test_a_corpus_of_good_size_is_summed_up_exactly(monkeypatch):
    monkeypatch.setattr(coverage, "_LEAST_SENTENCES", 1)
    corpus = corpus_of([[20] * 50] * 40)
    config = DataConfig()
    plan = plan_epoch(corpus, config, 7, 0)
    summary = summarize_epoch(corpus, config, 7)
    assert summary.examples == len(plan)
    assert summary.random_share == plan.label.mean()
    assert summary.describe() == (
        f"an epoch is {len(plan):,} pairs of up to 128 tokens, {plan.label.mean():.0%} with a "
        f"random next text, and shows {summary.token_share:.1%} of the corpus's tokens"
    )


def test_of_a_large_one_a_sample_is_and_says_about_the_same(monkeypatch):
    corpus = corpus_of([[20] * 40] * 300)
    exact = summary_of(corpus)
    monkeypatch.setattr(coverage, "_MOST_SENTENCES", 4000)
    sample = summary_of(corpus)
    assert "about" in sample.describe()
    assert sample.token_share == pytest.approx(exact.token_share, abs=0.02)
    assert sample.examples == pytest.approx(exact.examples, rel=0.05)


def test_documents_of_one_sentence_are_named_with_the_setting_that_helps():
    corpus = corpus_of([[10]] * 50 + [[10, 10]] * 3)
    (line,) = summary_of(corpus).warnings()
    assert (
        "of the pairs have a random next text, as 50 of 53 documents are a single sentence" in line
    )
    assert 'data.next_sentence = "none"' in line
    assert summary_of(corpus, next_sentence="none").warnings() == []


def test_a_single_document_is_named():
    (line,) = summary_of(corpus_of([[10] * 30])).warnings()
    assert line.startswith("the corpus is one document")
    assert "--split blank-line" in line


def test_a_length_that_a_sentence_fills_is_named_and_so_is_what_is_not_shown():
    corpus = corpus_of([[40] * 30] * 5)
    random, unseen = summary_of(corpus, max_seq_length=32, max_predictions_per_seq=4).warnings()
    assert "100% of the pairs" in random
    assert "a single sentence often fills 32 tokens" in random
    assert unseen.startswith("an epoch shows only")


def test_ordinary_documents_are_not_warned_of():
    corpus = corpus_of([[20] * 30] * 5)
    assert summary_of(corpus).warnings() == summary_of(corpus, next_sentence="sop").warnings() == []


def test_it_needs_no_tensorflow():
    script = "import sys, bert_keras.data.coverage; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False\n"
