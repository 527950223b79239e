import json
import math

import keras
import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.modeling import BertForQuestionAnswering
from bert_keras.tasks.reading import QuestionExample
from bert_keras.tasks.span import Span
from bert_keras.tokenization import BertTokenizer
from tests.support.models import NO_DROPOUT, pieces_of, small_config

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789,.'中国"]
VOCABULARY = pieces_of(LETTERS)
CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(VOCABULARY)


def _example(context, answer=None, start=None, question="q", is_impossible=False):
    answers = ()
    if answer is not None:
        answers = ((answer, context.index(answer) if start is None else start),)
    return QuestionExample("1", question, context, answers, is_impossible, "a.json, question 1")


def _places(features):
    return [(f.targets["start_positions"], f.targets["end_positions"]) for f in features]


def _answered(task, examples, features):
    """The predictions of a model that is sure of the targets."""
    outputs = []
    for feature, places in zip(features, _places(features), strict=True):
        logits = np.zeros((2, len(feature.input_ids)), np.float32)
        for row, place in zip(logits, places, strict=True):
            row[place] = 9.0
        outputs.append({"start_logits": logits[0], "end_logits": logits[1]})
    return task.decode(examples, features, outputs)


def test_a_sequence_is_question_and_text_between_special_tokens(tokenizer):
    (feature,) = Span().features([_example("a b", "b", question="c d")], tokenizer)
    pieces = [VOCABULARY[number] for number in feature.input_ids]
    assert pieces == ["[CLS]", "c", "d", "[SEP]", "a", "b", "[SEP]"]
    assert feature.token_type_ids == [0, 0, 0, 0, 1, 1, 1]
    assert _places([feature]) == [(5, 5)]


def test_long_texts_are_cut_into_windows_and_answers_outside_go_to_cls(tokenizer):
    context = " ".join("abcdefghij")
    task = Span(max_seq_length=9, doc_stride=2)  # five tokens of the text in each window
    features = task.features([_example(context, "d e f")], tokenizer)
    windows = [
        "".join(VOCABULARY[number] for number in feature.input_ids[3:-1]) for feature in features
    ]
    assert windows == ["abcde", "cdefg", "efghi", "ghij"]
    assert _places(features) == [(0, 0), (4, 6), (0, 0), (0, 0)]
    assert [feature.origin.is_best.tolist() for feature in features] == [
        [True, True, True, True, False],
        [False, False, True, True, False],
        [False, False, True, True, False],
        [False, False, True, True],
    ]


@pytest.mark.parametrize("threshold", [math.nan, -math.inf, "0"])
def test_a_threshold_that_compares_with_nothing_is_refused(threshold):
    with pytest.raises(InputError, match=r"data\.no_answer_threshold must be a number, or inf"):
        Span(no_answer_threshold=threshold)


def test_long_questions_are_cut(tokenizer):
    question = "a " * 100
    (feature,) = Span().features([_example("b", "b", question=question)], tokenizer)
    assert len(feature.input_ids) == 1 + 64 + 1 + 1 + 1
    assert _places([feature]) == [(66, 66)]
    features = Span(max_seq_length=5).features([_example("b c", question=question)], tokenizer)
    assert [len(feature.input_ids) for feature in features] == [5, 5]


WILD = "  “Éa”  x\u200by, 中a国 e\u0301f 😀 (3,14)  " + "z" * 101 + " İb\tend."


@pytest.mark.parametrize(
    ("answer", "cut"),
    [
        ("Éa", "Éa"),
        ("x\u200by", "x\u200by"),
        ("a", "a"),
        ("中a国", "中a国"),
        ("e\u0301f", "e\u0301f"),
        ("😀", "😀"),
        ("3,14", "3,14"),
        ("z" * 101, "z" * 101),
        ("İb\tend", "İb\tend"),
        ("(3,14)  zz", "(3,14)  " + "z" * 101),  # half of what is one token
    ],
)
def test_answers_are_cut_from_the_text_as_it_stands_there(tokenizer, answer, cut):
    task = Span()
    examples = [_example(WILD, answer)]
    features = task.features(examples, tokenizer)
    (prediction,) = _answered(task, examples, features)
    assert prediction["answer"] == cut
    assert WILD[prediction["start"] : prediction["end"]] == cut
    json.dumps(prediction)  # plain Python values


def test_a_wrong_offset_is_mended_and_an_answer_that_is_nowhere_passed_over(tokenizer, caplog):
    context = "ab ab ab cd"
    right = {0: 0, 1: 0, 2: 3, 3: 3, 5: 6, 8: 6, 99: 6, -5: 0}
    for start, place in right.items():
        (feature,) = Span().features([_example(context, "ab", start)], tokenizer)
        first = feature.origin.offsets[_places([feature])[0][0] - 3][0]
        assert first == place, start
    assert not caplog.records
    features = Span().features(
        [_example(context, "xy", 0), _example(context, "ab", 0), _example(context, "zz", 0)],
        tokenizer,
    )
    assert _places(features) == [(-1, -1), (3, 4), (-1, -1)]
    (record,) = caplog.records
    assert record.getMessage() == (
        "a.json, question 1: the answer 'xy' is not in the text; it is not trained on, "
        "nor 1 more like it"
    )


def test_questions_without_an_answer_go_to_cls_and_unlabeled_ones_have_no_targets(tokenizer):
    examples = [_example("a b", is_impossible=True), _example("a b", "b")]
    task = Span(no_answer_threshold=0.0)
    features = task.features(examples, tokenizer)
    assert _places(features) == [(0, 0), (4, 4)]
    assert [p["answer"] for p in _answered(task, examples, features)] == ["", "b"]
    features = task.features([_example("a b"), _example("a b", "b")], tokenizer)
    assert [feature.targets for feature in features] == [{}, {}]


def test_a_text_of_100_000_words_is_answered(tokenizer):
    context = "a b c d " * 25_000 + "zz"
    task = Span()
    examples = [_example(context, "zz")]
    features = task.features(examples, tokenizer)
    assert len(features) > 700
    (prediction,) = _answered(task, examples, features)
    assert (prediction["answer"], prediction["start"]) == ("zz", len(context) - 2)


def test_scores_by_hand_where_every_question_has_an_answer():
    task = Span()
    examples = [_example("the cat sat", "the cat"), _example("a dog ran off", "dog ran")]
    predictions = [{"answer": "Cat."}, {"answer": "ran off"}]
    assert task.score(examples, predictions) == pytest.approx({"exact_match": 1 / 2, "f1": 3 / 4})
    assert task.score([], []) == {"exact_match": 0.0, "f1": 0.0}


def _prediction(answer, no_answer_score, best):
    nbest = [{"answer": ""}, {"answer": best}]
    return {"answer": answer, "no_answer_score": no_answer_score, "nbest": nbest, "score": 0.5}


def test_where_no_question_has_an_answer_there_is_no_mean_over_those_that_have():
    none = _example("x y", is_impossible=True)
    scores = Span().score([none], [_prediction("", 2.0, "y")])
    assert scores["no_answer_accuracy"] == 1.0
    assert not any(name.startswith("has_answer") for name in scores)


def test_scores_by_hand_where_some_have_none():
    task = Span(no_answer_threshold=0.0)
    none = _example("x y", is_impossible=True)
    examples = [_example("x y", "x"), _example("x y", "x y"), none, none]
    predictions = [
        _prediction("x", -5.0, "x"),
        _prediction("", 1.0, "x"),
        _prediction("", 2.0, "y"),
        _prediction("y", -1.0, "y"),
    ]
    assert task.score(examples, predictions) == pytest.approx(
        {
            "exact_match": 2 / 4,
            "f1": 2 / 4,
            "has_answer_exact_match": 1 / 2,
            "has_answer_f1": 1 / 2,
            "no_answer_accuracy": 1 / 2,
            "best_exact_match": 3 / 4,  # only the first is answered
            "best_exact_match_threshold": -5.0,
            "best_f1": 3 / 4,
            "best_f1_threshold": -5.0,
        }
    )


def test_mistakes_say_what_was_right():
    task = Span()
    example = _example("a b", "b", question="which?")
    assert task.mistake(example, {"answer": "B", "score": 0.9}) is None
    assert task.mistake(example, {"answer": "a b", "score": 0.9}) is None  # "a" is an article
    mistake = task.mistake(example, {"answer": "", "score": 0.9})
    assert mistake == (0.9, "b", "(no answer)", "which?")
    none = _example("a b", is_impossible=True)
    assert task.mistake(none, {"answer": "b", "score": 0.9})[1] == "(no answer)"


def test_what_is_missing_is_said():
    with pytest.raises(InputError, match="the question needs a text"):
        Span().from_text("who?")
    with pytest.raises(InputError, match=r"a\.json, question 1 has no answers"):
        Span().score([_example("a")], [{"answer": "a"}])


def test_targets_and_answers_of_xquad_are_consistent(shared_data):
    task = Span(max_seq_length=128, doc_stride=48)
    examples = task.read(str(shared_data / "xquad" / "xquad.en.json"))[:60]
    letters = sorted({letter for example in examples for letter in example.context.lower()})
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    tokenizer = BertTokenizer([*VOCABULARY[:5], *(p for p in pieces if not p.isspace())])
    features = task.features(examples, tokenizer)
    predictions = _answered(task, examples, features)
    # A model that is right about its targets is right, where a window holds the whole answer
    # and has most context for its start.
    assert task.score(examples, predictions)["exact_match"] > 0.9


@pytest.mark.system
def test_sixteen_questions_are_learned_by_heart(tokenizer):
    random = np.random.default_rng(0)
    examples = []
    for number in range(16):
        words = random.permutation(LETTERS[:26])[:20]
        start = int(random.integers(0, 18))
        context, answer = " ".join(words), " ".join(words[start : start + 2])
        question = LETTERS[number]
        # One in four has no answer.
        answer, is_none = (answer, False) if number % 4 else (None, True)
        examples.append(_example(context, answer, question=question, is_impossible=is_none))
    task = Span(max_seq_length=16, doc_stride=6, no_answer_threshold=0.0)
    features = task.features(examples, tokenizer)
    assert len(features) == 48
    config = small_config(
        len(VOCABULARY), max_position_embeddings=16, initializer_range=0.1, **NO_DROPOUT
    )
    model = BertForQuestionAnswering(config)
    model.tokenizer = tokenizer
    model.compile(keras.optimizers.Adam(1e-2))
    batches = task.batches(features, tokenizer, 48, length=16)
    model.fit(batches, steps_per_epoch=80, verbose=0)
    metrics, _ = task.measure(model, examples, features)
    assert metrics["span_loss"] < 0.01
    assert metrics["exact_match"] == metrics["no_answer_accuracy"] == 1.0
