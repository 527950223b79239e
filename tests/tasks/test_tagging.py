import json

import keras
import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import BertForTokenClassification
from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.reading import TaggedExample
from bert_keras.tasks.reading.words import parts_of
from bert_keras.tasks.tagging import Tagging
from bert_keras.tokenization import BertTokenizer, Casing
from tests.support.models import NO_DROPOUT, pieces_of, small_config

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789,.'@#:/-中国"]
VOCABULARY = [*pieces_of(LETTERS), "new", "york", "##ork"]
LABELS = ("O", "B-loc", "I-loc", "B-per", "I-per")


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(request):
    return BertTokenizer(VOCABULARY, Casing(do_lower_case=request.param))


def _example(words, tags=None):
    return TaggedExample(tuple(words), None if tags is None else tuple(tags), "a.conll, row 1")


def _answered(task, examples, features, wanted):
    """The predictions of a model that is sure of the wanted labels, a number for each word."""
    outputs = []
    parts_of_words = [
        [
            task.labels.index(tag)
            for number, parts in zip(numbers, example.parts, strict=True)
            for tag in task.scheme.spread(task.labels[number], len(parts))
        ]
        for numbers, example in zip(wanted, examples, strict=True)
    ]
    wanted = [np.array(numbers, int) for numbers in parts_of_words]
    for feature in features:
        logits = np.zeros((len(feature.input_ids), len(task.labels)), np.float32)
        logits[:, -1] = 9  # at all places that nobody should look at
        parts, positions = feature.origin
        logits[positions] = 0
        logits[positions, wanted[feature.example][parts]] = 5
        outputs.append({"logits": logits})
    return task.decode(examples, features, outputs)


WILD = [
    "new", "York", "don't", "http://a.b/c-d", "...", "中国", "中a国", "Éa", "e\u0301", "😀", "a😀b",
    "\u200b", "\u200bx", "a\u200b", "\u0301", "x" * 100, "y" * 101, "\ufffd", "a\xa0b", "@#:",
    "[SEP]", "[MASK]a", "\U00020000b", "ﬁ", "\x00", "\U0001f468\u200d\U0001f469", "İ", "c",
]  # fmt: skip


def test_the_first_piece_of_each_part_of_a_word_is_labeled_and_no_other(tokenizer):
    words = WILD * 3
    task = Tagging(labels=tuple(map(str, range(len(words)))), max_seq_length=10_000)
    example = _example(words, map(str, range(len(words))))
    (feature,) = task.features([example], tokenizer)
    labels = np.array(feature.token_targets["labels"])
    parts = [[word[start:end] for start, end in parts_of(word)] for word in words]
    alone = [[tokenizer.encode(part).input_ids[1:-1] for part in word] for word in parts]
    whole = [piece for word in words for piece in tokenizer.encode(word).input_ids[1:-1]]
    assert feature.input_ids[1:-1] == whole
    expected = [IGNORED_LABEL]
    for number, word in enumerate(alone):
        for pieces in word:
            expected += [number, *[IGNORED_LABEL] * (len(pieces) - 1)] if pieces else []
    assert labels.tolist() == [*expected, IGNORED_LABEL]
    without = [word for word, pieces in zip(words, alone, strict=True) if not any(pieces)]
    assert "\u200b" in without  # words that the tokenizer deletes are among them


def test_words_without_a_piece_go_on_with_the_entity_around_them(tokenizer):
    task = Tagging(labels=LABELS)
    example = _example(["\u200b", "new", "\u200b", "york", "\u200b", "a", "\u200b", "b", "\u200b"])
    features = task.features([example], tokenizer)
    wanted = [[0, 1, 0, 2, 0, 3, 0, 1, 0]]
    (prediction,) = _answered(task, [example], features, wanted)
    tags = ["O", "B-loc", "I-loc", "I-loc", "O", "B-per", "O", "B-loc", "O"]
    assert prediction["tags"] == tags
    (whole, *_) = prediction["entities"]
    assert whole["text"] == "new \u200b york"
    assert whole["score"] == pytest.approx(np.exp(5) / (np.exp(5) + 4))


@pytest.mark.parametrize("max_seq_length", [3, 5, 16, 128])
def test_long_sentences_are_answered_word_for_word(tokenizer, max_seq_length):
    random = np.random.default_rng(1)
    words = [WILD[n] for n in random.integers(len(WILD), size=400)]
    tags = [LABELS[n] for n in random.integers(len(LABELS), size=400)]
    task = Tagging(labels=LABELS, max_seq_length=max_seq_length)
    examples = [_example(["a"], ["O"]), _example(words, tags)]
    features = task.features(examples, tokenizer)
    assert all(len(feature.input_ids) <= max_seq_length for feature in features)
    seen = np.concatenate([f.origin.parts for f in features if f.example == 1])
    parts = [word[start:end] for word in words for start, end in parts_of(word)]
    part_has_piece = [len(tokenizer.encode(part).input_ids) > 2 for part in parts]
    assert sorted(seen) == np.flatnonzero(part_has_piece).tolist()  # each exactly once
    has_piece = [len(tokenizer.encode(word).input_ids) > 2 for word in words]
    numbers = [[0], [LABELS.index(tag) for tag in tags]]
    _, prediction = _answered(task, examples, features, numbers)
    given = zip(tags, prediction["tags"], has_piece, strict=True)
    assert all(tag == other for tag, other, has in given if has)
    labeled = [sum(n >= 0 for n in f.token_targets["labels"]) for f in features]
    assert sum(labeled) == sum(part_has_piece) + 1


def test_a_word_is_answered_where_it_has_the_most_context():
    tokenizer = BertTokenizer(VOCABULARY)
    task = Tagging(labels=LABELS, max_seq_length=18)
    features = task.features([_example(["a"] * 28)], tokenizer)  # windows [0, 16) and [12, 28)
    assert [feature.origin.parts.tolist() for feature in features] == [
        list(range(14)),
        list(range(14, 28)),
    ]
    assert features[1].origin.positions.tolist() == list(range(3, 17))


@pytest.mark.system
def test_a_text_of_100_000_words_is_answered_whole():
    tokenizer = BertTokenizer(VOCABULARY)
    text = "new York, a b " * 20_000
    task = Tagging(labels=LABELS)
    example = task.from_text(text)
    assert len(example.words) == 100_000  # the commas are words, too
    features = task.features([example], tokenizer)
    (prediction,) = _answered(task, [example], features, [[1, 2, 0, 0, 0] * 20_000])
    entities = prediction["entities"]
    assert len(entities) == 20_000
    assert {entity["text"] for entity in entities} == {"new York"}
    assert [entity["start"] for entity in entities] == list(range(0, len(text), 14))


def test_entities_of_raw_text_stand_where_their_offsets_say(tokenizer):
    text = "  “New  York's” new\tmayor:\nÉa (of 中国)…"
    task = Tagging(labels=LABELS)
    example = task.from_text(text)
    assert example.words == (
        "“", "New", "York", "'s", "”", "new", "mayor", ":", "Éa", "(", "of", "中", "国", ")", "…",
    )  # fmt: skip
    features = task.features([example], tokenizer)
    wanted = [[0, 1, 2, 0, 0, 0, 0, 0, 4, 0, 0, 1, 2, 0, 0]]
    (prediction,) = _answered(task, [example], features, wanted)
    for entity in prediction["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    found = [(entity["label"], entity["text"]) for entity in prediction["entities"]]
    assert found == [("loc", "New  York"), ("per", "Éa"), ("loc", "中国")]
    json.dumps(prediction)  # plain Python values


def test_published_models_without_beginnings_are_read_too():
    tokenizer = BertTokenizer(VOCABULARY)
    task = Tagging(labels=("O", "PER", "LOC"))
    example = task.from_text("a b c d")
    features = task.features([example], tokenizer)
    (prediction,) = _answered(task, [example], features, [[1, 1, 2, 0]])
    assert [(e["label"], e["text"]) for e in prediction["entities"]] == [
        ("PER", "a b"),
        ("LOC", "c"),
    ]


def test_nothing_gives_no_entities(tokenizer):
    task = Tagging(labels=LABELS)
    examples = [task.from_text(""), task.from_text(" \u200b ")]
    features = task.features(examples, tokenizer)
    empty, invisible = _answered(task, examples, features, [[], [0]])
    assert empty == {name: [] for name in empty}
    assert (invisible["entities"], invisible["tags"]) == ([], ["O"])


def test_labels_are_both_tags_of_every_type():
    task = Tagging(tag_scheme="IOB2")
    examples = [_example(["a", "b"], ["B-per", "O"]), _example(["a"], ["I-geo-loc"])]
    assert task.labels_of(examples) == ("O", "B-geo-loc", "I-geo-loc", "B-per", "I-per")
    examples = [_example(["a", "b"], ["B-per", "E-per"]), _example("a", ["S-x"])]
    letters = ("B-per", "I-per", "E-per", "S-per", "B-x", "I-x", "E-x", "S-x")
    assert Tagging().adapted_to(examples).labels_of(examples) == letters
    assert Tagging().labels_of([_example("ab", ["NOUN", "DET"])]) == ("DET", "NOUN")


def test_a_tag_that_the_model_does_not_have_is_named():
    task = Tagging(labels=LABELS)
    message = r"a.conll, row 1: the tag 'B-org' of 'b' is none of the model's: O, B-loc"
    with pytest.raises(InputError, match=message):
        task.features([_example("ab", ["O", "B-org"])], BertTokenizer(VOCABULARY))
    with pytest.raises(InputError, match=r"a.conll, row 1 has no tags"):
        task.score([_example("a")], [{"tags": ["O"]}])
    with pytest.raises(InputError, match="single texts, no pairs"):
        task.from_text("a", "b")


def test_scores_confusion_and_mistakes_by_hand():
    task = Tagging(labels=LABELS)
    examples = [
        _example("abcdefghijklm", ["B-loc", "I-loc", "O", "B-per"] + ["O"] * 9),
        _example("ab", ["O", "O"]),
    ]
    predictions = [
        {"tags": ["B-loc", "I-per", "O", "B-per"] + ["O"] * 9, "scores": [0.9] * 13},
        {"tags": ["O", "O"], "scores": [0.9] * 2},
    ]
    # Given: loc [0, 1), per [1, 2), per [3, 4); right: loc [0, 2), per [3, 4).
    assert task.score(examples, predictions) == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5, "accuracy": 14 / 15}
    )
    confusion = task.confusion(examples, predictions)
    assert confusion.labels == ("O", "loc", "per")
    assert confusion.counts.tolist() == [[12, 0, 0], [0, 1, 1], [0, 0, 1]]
    mistake = task.mistake(examples[0], predictions[0])
    assert mistake == (0.9, "I-loc", "I-per", "a [b] c d e f g")
    assert task.mistake(examples[1], predictions[1]) is None


@pytest.mark.system
def test_sixteen_sentences_are_learned_by_heart():
    tokenizer = BertTokenizer(VOCABULARY)
    random = np.random.default_rng(0)
    examples = []
    for _ in range(16):
        tags = [LABELS[n] for n in random.integers(len(LABELS), size=12)]
        words = ["".join(word) for word in random.choice(LETTERS[:26], (12, 2))]
        examples.append(_example(words, tags))
    task = Tagging(labels=LABELS, max_seq_length=20)  # two windows each
    features = task.features(examples, tokenizer)
    assert len(features) == 32
    config = small_config(
        len(VOCABULARY), max_position_embeddings=20, initializer_range=0.1, **NO_DROPOUT
    )
    model = BertForTokenClassification(config, labels=LABELS)
    model.tokenizer = tokenizer
    model.compile(keras.optimizers.Adam(1e-2))
    batches = task.batches(features, tokenizer, 32, length=20)
    model.fit(batches, steps_per_epoch=80, verbose=0)
    metrics, _ = task.measure(model, examples, features)
    assert metrics["tagging_loss"] < 0.01
    assert metrics["f1"] == metrics["accuracy"] == 1.0
