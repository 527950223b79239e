import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bert_keras.errors import InputError
from bert_keras.tasks import Classification, MultiLabel, Regression
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TextExample


def example(text="a fine film", label=None, pair=None, where="train.tsv, row 1"):
    return TextExample(text, pair, label, where)


def feature(number):
    return Feature(number, [1], [0])


class TestClassification:
    task = Classification(labels=("bad", "good"), max_seq_length=12)

    def test_a_separator_of_labels_that_nothing_would_read_is_refused(self):
        assert MultiLabel(label_separator=";").label_separator == ";"
        for one_label in (Classification, Regression):
            with pytest.raises(InputError, match=r"for multi_label alone\. Received: ';'"):
                one_label(label_separator=";")

    def test_labels_that_are_numbers_come_by_value_others_by_the_alphabet(self):
        numbers = [example(label=label) for label in ("10", "2", "1", "2")]
        names = [example(label=label) for label in ("b", "a", "10")]
        assert Classification().labels_of(numbers) == ("1", "2", "10")
        assert Classification().labels_of(names) == ("10", "a", "b")
        same_value = [example(label=label) for label in ("001", "1", "2", "01")]
        assert Classification().labels_of(same_value) == ("001", "01", "1", "2")

    def test_a_pair_is_cut_to_the_length_the_longer_side_first(self, tokenizer):
        long = example("no fun " * 20, "bad", pair="a joy")
        (feature,) = self.task.features([long], tokenizer)
        ids = feature.input_ids
        assert len(ids) == len(feature.token_type_ids) == 12
        kept = tokenizer.encode("a joy").input_ids[1:]
        assert ids[-len(kept) :] == kept
        assert feature.token_type_ids[-len(kept) :] == [1] * len(kept)
        assert feature.targets == {"labels": 0}

    def test_an_example_without_label_has_no_targets(self, tokenizer):
        (feature,) = self.task.features([self.task.from_text("a fine film")], tokenizer)
        assert feature.targets == {}

    def test_an_unknown_label_names_its_row(self, tokenizer):
        with pytest.raises(InputError, match=r"train.tsv, row 1: the label 'odd'.*bad, good"):
            self.task.features([example(label="odd")], tokenizer)

    def test_an_empty_label_names_its_row(self):
        with pytest.raises(InputError, match=r"train.tsv, row 1: the label is empty"):
            Classification().labels_of([example(label="")])

    def test_the_answer_is_the_softmax(self):
        outputs = [{"logits": np.array([0.0, math.log(3)])}, {"logits": np.array([2.0, 2.0])}]
        first, second = self.task.decode([example(), example()], [feature(0), feature(1)], outputs)
        assert first["label"] == "good"
        assert first["score"] == pytest.approx(0.75)
        assert first["scores"] == pytest.approx({"bad": 0.25, "good": 0.75})
        assert second["score"] == pytest.approx(0.5)

    def test_metrics_confusion_and_mistakes_of_answers_worked_by_hand(self):
        right = ["good", "good", "good", "bad", "bad"]
        given = ["good", "good", "bad", "good", "bad"]
        examples = [example(f"text {n}", label) for n, label in enumerate(right)]
        answers = [{"label": label, "score": 0.9} for label in given]
        scores = self.task.score(examples, answers)
        assert scores["accuracy"] == pytest.approx(3 / 5)
        assert scores["f1_good"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
        assert scores["f1_bad"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
        assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
        assert "f1" not in scores
        # (TP TN - FP FN) / sqrt(...) with good as positive
        assert scores["matthews_correlation"] == pytest.approx((2 * 1 - 1 * 1) / 6)
        labels, counts = self.task.confusion(examples, answers)
        assert labels == ("bad", "good")
        assert counts.tolist() == [[1, 1], [1, 2]]
        mistakes = [self.task.mistake(*pair) for pair in zip(examples, answers, strict=True)]
        assert [m and (m.expected, m.predicted, m.text) for m in mistakes] == [
            None,
            None,
            ("good", "bad", "text 2"),
            ("bad", "good", "text 3"),
            None,
        ]

    def test_f1_names_its_label_as_sklearn_measures_it(self):
        right = ["fraud" if n % 10 == 0 else "normal" for n in range(50)]
        examples = [example(label=label) for label in right]
        for given in (["normal"] * 50, right[5:] + right[:5], right):
            answers = [{"label": label} for label in given]
            expected = {
                f"f1_{label}": f1_score(right, given, pos_label=label, zero_division=0)
                for label in ("fraud", "normal")
            }
            macro = {"macro_f1": f1_score(right, given, average="macro")}
            task = Classification(labels=("fraud", "normal"))
            scores = task.score(examples, answers)
            assert {n: scores[n] for n in scores if "f1" in n} == pytest.approx(expected | macro)
            task = Classification(labels=("fraud", "normal"), positive_label="fraud")
            scores = task.score(examples, answers)
            fraud = {"f1_fraud": expected["f1_fraud"]} | macro
            assert {n: scores[n] for n in scores if "f1" in n} == pytest.approx(fraud)

    def test_of_more_labels_the_positive_ones_f1_alone_is_measured(self):
        right, given = ["a b", "c", "d", "c"], ["a b", "a b", "d", "c"]
        examples = [example(label=label) for label in right]
        answers = [{"label": label} for label in given]
        scores = Classification(labels=("a b", "c", "d")).score(examples, answers)
        assert [name for name in scores if "f1" in name] == ["macro_f1"]
        assert scores["macro_f1"] == pytest.approx(f1_score(right, given, average="macro"))
        task = Classification(labels=("a b", "c", "d"), positive_label="a b")
        assert task.score(examples, answers)["f1_a_b"] == pytest.approx(2 / 3)

    def test_a_positive_label_that_the_data_lack_is_refused(self):
        with pytest.raises(InputError, match="'spam', which is none of the labels: bad, good"):
            Classification(positive_label="spam").with_labels(("bad", "good"))


class TestMultiLabel:
    task = MultiLabel(labels=("blue", "green", "red"))

    def test_labels_are_those_found_in_the_lists(self):
        rows = [example(label="red|blue"), example(label=""), example(label="green")]
        assert MultiLabel().labels_of(rows) == ("blue", "green", "red")
        assert [self.task.target(row) for row in rows] == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]

    def test_spaces_around_a_label_are_none_of_its_own(self):
        rows = [example(label="red | blue"), example(label=" | ")]
        assert MultiLabel().labels_of(rows) == ("blue", "red")
        assert [self.task.target(row) for row in rows] == [[1, 0, 1], [0, 0, 0]]

    def test_an_answer_is_every_label_likelier_than_not(self):
        (answer,) = self.task.decode(
            [example()], [feature(0)], [{"logits": np.array([math.log(3), -math.log(3), 0.0])}]
        )
        assert answer["labels"] == ["blue", "red"]
        assert answer["scores"] == pytest.approx({"blue": 0.75, "green": 0.25, "red": 0.5})

    def test_metrics_worked_by_hand(self):
        rows = [example(label="red|blue"), example(label="green")]
        answers = [
            {"labels": ["red"], "scores": {"red": 0.8, "blue": 0.4, "green": 0.1}},
            {"labels": ["green"], "scores": {"red": 0.1, "blue": 0.1, "green": 0.9}},
        ]
        scores = self.task.score(rows, answers)
        assert scores["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
        assert scores["macro_f1"] == pytest.approx((0 + 1 + 1) / 3)
        assert scores["subset_accuracy"] == 0.5
        assert self.task.mistake(rows[1], answers[1]) is None
        mistake = self.task.mistake(rows[0], answers[0])
        assert mistake.confidence == pytest.approx(0.6)  # sure by that much that blue is not there
