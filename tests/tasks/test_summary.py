from dataclasses import replace

from bert_keras.tasks import Classification, Ranking, Tagging
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.summary import summarize, warn_of_unknown
from bert_keras.tokenization import BertTokenizer


def features(lengths, labels):
    return [
        Feature(row, range(length), [0] * length, {"labels": label} if label is not None else {})
        for row, (length, label) in enumerate(zip(lengths, labels, strict=True))
    ]


def test_it_counts_examples_tokens_and_labels():
    task = Classification(labels=("bad", "good"), max_seq_length=40)
    lines = summarize(task, [0, 1, 2], [3], features([4, 6, 8], [1, 0, 1])).splitlines()
    assert lines == [
        "3 examples to learn from, 1 to choose the best model by",
        "3 sequences of 6 tokens in the mean, 8 at most",
        "2 labels: good (2), bad (1)",
    ]


def test_pairs_to_rank_are_counted_with_their_queries():
    pairs = [TextExample(query, "a text", "1", "a row") for query in "aabbb"]
    first, *_ = summarize(Ranking(), pairs, pairs[:2], features([4], [None])).splitlines()
    assert first == "5 pairs of 2 queries to learn from, 2 to choose the best model by"


def test_it_tells_of_texts_that_are_spread_over_several_sequences():
    task = Tagging(labels=("O", "B-person", "I-person"), max_seq_length=8)
    spread = [replace(f, example=0) for f in features([8, 6], [None, None])]
    text = summarize(task, [0, 1], [], [*spread, replace(spread[0], example=1)])
    assert "1 of 2 texts have more than max_seq_length = 8 tokens: they are read in" in text


def test_windows_are_named_for_single_texts_that_are_cut_and_not_for_pairs():
    task = Classification(labels=("bad", "good"), max_seq_length=8)
    single = Feature(0, range(8), [0] * 8, {"labels": 1}, tokens=10, left_out=4)
    assert "data.windows = true" in summarize(task, [0], [], [single])
    text = summarize(task, [0], [], [replace(single, lengths=(2, 3))])
    assert "40.0% of all tokens are not read (max_seq_length = 8, truncation = 'head')" in text


def test_labels_of_words_are_named_without_a_count():
    task = Tagging(labels=("O", "B-person", "I-person"), max_seq_length=40)
    text = summarize(task, [0], [], features([4], [None]))
    assert text.endswith("3 labels: O, B-person, I-person")


def test_texts_that_the_model_cannot_read_are_told_by_their_characters(caplog):
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "film"]
    tokenizer, task = BertTokenizer(vocab), Classification(labels=("bad", "good"))
    known = [task.from_text("a fine film")] * 9
    for texts, message in (
        (known, None),
        ([*known, task.from_text("hm")], None),  # 2 of 83
        ([*known, task.from_text("ภาพยนตร์")], "9.0 % of the characters become [UNK]"),
    ):
        warn_of_unknown(task, texts, task.features(texts, tokenizer), tokenizer)
        assert [m.partition(",")[0] for m in caplog.messages] == ([message] if message else [])
