"""Tagging by scheme: entities, labels without letters, word segmentation, words in parts."""

from dataclasses import replace

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TaggedExample
from bert_keras.tasks.schemes import SCHEMES, Span
from bert_keras.tasks.tagging import Tagging
from bert_keras.tokenization import BertTokenizer
from tests.support.models import pieces_of

VOCABULARY = pieces_of("abcdefghijklmnopqrstuvwxyz王小明住在北京")


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(VOCABULARY)


def _example(words, tags=None):
    return TaggedExample(tuple(words), None if tags is None else tuple(tags), "a.conll, row 1")


def _answered(task, example, tokenizer):
    """The answer of a model that knows the tags of an example's words, a part each, by heart."""
    (feature,) = task.features([example], tokenizer)
    logits = np.zeros((len(feature.input_ids), len(task.labels)), np.float32)
    numbers = [task.labels.index(tag) for tag in example.tags]
    logits[feature.origin.positions, numbers] = 5
    return task.decode([example], [feature], [{"logits": logits}])[0]


SENTENCE = ["王小明", "住", "在", "北京"]


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.letters])
def test_chinese_words_and_raw_text_have_the_same_entities(name, tokenizer):
    spans = [("PER", 0, 1), ("LOC", 3, 4)]
    tags = SCHEMES[name].write([Span(*span) for span in spans], 4)
    task = Tagging(tag_scheme=name)
    words = _example(SENTENCE, tags)
    task = task.with_labels(task.labels_of([words]))
    raw = task.from_text("王小明住在北京")
    learned = task.features([words], tokenizer)
    assert learned[0].input_ids == task.features([raw], tokenizer)[0].input_ids
    # A model that has learned them by heart.
    outputs = [
        {"logits": np.eye(len(task.labels))[np.maximum(learned[0].token_targets["labels"], 0)]}
    ]
    (from_words,) = task.decode([words], learned, outputs)
    (from_raw,) = task.decode([raw], task.features([raw], tokenizer), outputs)
    assert from_words["entities"] == from_raw["entities"]
    found = [(e["label"], e["text"], e["start"], e["end"]) for e in from_raw["entities"]]
    assert found == [("PER", "王小明", 0, 3), ("LOC", "北京", 5, 7)]
    assert from_words["tags"] == tags  # of the data's own words
    assert task.score([words], [from_words])["f1"] == 1.0


def test_an_entity_that_ends_within_a_word_is_the_words(tokenizer):
    task = Tagging(labels=("O", "B-PER", "E-PER", "I-PER", "S-PER"), tag_scheme="BIOES")
    words = _example(SENTENCE)
    features = task.features([words], tokenizer)
    logits = np.eye(5)[[0, 1, 2, 0, 0, 0, 0, 1, 0]]  # 王小, 京
    (prediction,) = task.decode([words], features, [{"logits": logits}])
    assert [e["text"] for e in prediction["entities"]] == ["王小", "京"]
    assert prediction["tags"] == ["S-PER", "O", "O", "O"]


def test_labels_without_letters_are_a_label_a_word(tokenizer):
    examples = [_example(["the", "york's"], ["DET", "NOUN"]), _example(["a"], ["DET"])]
    task = Tagging().adapted_to(examples)
    task = task.with_labels(task.labels_of(examples))
    assert (task.scheme.name, task.labels, task.best_metric) == (
        "plain",
        ("DET", "NOUN"),
        "accuracy",
    )
    given = [examples[0], _example(["a"], ["NOUN"])]
    answers = [_answered(task, example, tokenizer) for example in given]
    assert answers[0] == {
        "words": ["the", "york's"],
        "tags": ["DET", "NOUN"],
        "starts": [0, 4],
        "ends": [3, 10],
        "scores": pytest.approx([np.exp(5) / (np.exp(5) + 1)] * 2),
    }
    assert task.score(examples, answers) == pytest.approx(
        {"accuracy": 2 / 3, "macro_f1": (2 / 3 + 2 / 3) / 2}
    )
    assert task.row(examples[0], answers[0]) == ["the york's", "the/DET york's/NOUN"]
    assert task.confusion(examples, answers).labels == ("DET", "NOUN")
    assert task.columns == ("text", "labels")


def test_words_are_segmented_by_letters_alone(tokenizer):
    example = _example("王小明住在北京", ["B", "M", "E", "S", "S", "B", "E"])
    task = Tagging().adapted_to([example])
    task = task.with_labels(task.labels_of([example]))
    assert (task.scheme.name, task.labels) == ("BMES", ("B", "M", "E", "S"))
    answer = _answered(task, example, tokenizer)
    assert [(e["label"], e["text"]) for e in answer["entities"]] == [
        ("_", "王小明"), ("_", "住"), ("_", "在"), ("_", "北京"),
    ]  # fmt: skip
    assert task.score([example], [answer])["f1"] == 1.0
    assert task.row(example, answer)[1] == "王小明, 住, 在, 北京"
    assert task.confusion([example], [answer]).labels == task.labels


def test_dev_data_in_another_scheme_are_scored_in_the_models(tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    (tmp_path / "train.conll").write_text("a S-x\nb B-x\nc E-x\n")
    (tmp_path / "dev.conll").write_text("a B-x\nb B-x\nc I-x\n")
    (tmp_path / "pos.conll").write_text("a DET\nb NOUN\n")
    train = Tagging().read(str(tmp_path / "train.conll"))
    task = Tagging().adapted_to(train)
    (dev,) = task.read(str(tmp_path / "dev.conll"))
    assert dev.tags == train[0].tags
    assert "dev.conll: the tags are IOB2; converted to BIOES" in caplog.text
    assert "the tags are BIOES; types of entities: x" in caplog.text
    with pytest.raises(InputError, match=r"pos.conll: the tags are plain, .*they must be BIOES"):
        task.read(str(tmp_path / "pos.conll"))


def test_a_recipe_may_choose_the_scheme_that_is_learned(tmp_path):
    (tmp_path / "iob2.conll").write_text("a B-x\nb B-x\nc I-x\n")
    (tmp_path / "io.conll").write_text("a O\nb PER\nc PER\n")
    task = Tagging(tag_scheme="BIOES")
    examples = task.read(str(tmp_path / "iob2.conll"))
    assert examples[0].tags == ("S-x", "B-x", "E-x")
    assert task.adapted_to(examples).labels_of(examples) == ("B-x", "I-x", "E-x", "S-x")
    task = Tagging(tag_scheme="IO")
    examples = task.read(str(tmp_path / "io.conll"))
    assert task.labels_of(examples) == ("O", "PER")
    assert task.scheme.spans(examples[0].tags) == [("PER", 1, 3)]
    plain = Tagging(tag_scheme="plain")
    assert plain.labels_of(plain.read(str(tmp_path / "iob2.conll"))) == ("B-x", "I-x")


def test_tags_that_are_all_outside_are_asked_about():
    with pytest.raises(InputError, match=r"row 1: there is nothing to learn.*data.tag_column"):
        Tagging().adapted_to([_example("ab", ["O", "O"])])


def test_strict_scores_need_a_scheme_that_seqeval_knows():
    examples = [_example("abc", ["B-x", "I-x", "S-x"])]
    with pytest.raises(InputError, match=r"strict_entities .*does not have for the scheme BIOS"):
        Tagging(strict_entities=True).adapted_to(examples)
    with pytest.raises(InputError, match=r"tag_scheme cannot be 'IOBES'"):
        Tagging(tag_scheme="IOBES")
    task = Tagging(labels=("O", "B-x", "I-x"), tag_scheme="IOB2", strict_entities=True)
    answers = [{"tags": ["I-x", "I-x", "B-x"]}]
    right = [_example("abc", ["B-x", "I-x", "B-x"])]
    assert task.score(right, answers)["f1"] == pytest.approx(2 / 3)  # one of one, one of two
    lenient = replace(task, strict_entities=False)
    assert lenient.score(right, answers)["f1"] == 1.0


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ("王小明 住 在 北京", None),
        ("Anna 's here .", None),
        ("ฉัน ไป", "100.0 %"),
        ("do n't", "100.0 %"),
    ],
)
def test_words_that_raw_text_would_not_have_are_said(words, share, caplog):
    words = words.split()
    Tagging().adapted_to([_example(words, ["x"] * len(words))])
    found = [record for record in caplog.records if record.levelname == "WARNING"]
    assert bool(found) == bool(share)
    if share:
        assert f"in {share} of the sentences raw text has other words" in found[0].getMessage()
