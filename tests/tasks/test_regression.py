import numpy as np
import pytest
from scipy import stats

from bert_keras import load, predict, save
from bert_keras.config import FinetuneConfig, FinetuneTrainConfig, TaskDataConfig
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.tasks import Regression, evaluate, finetune, task_of
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.reading import TextExample

NAMES = ("valence", "arousal", "dominance")


def example(label=None, where="train.tsv, row 1"):
    return TextExample("a fine film", None, label, where)


class TestRegression:
    task = Regression()

    @pytest.mark.parametrize("label", ["high", "nan", "inf", "", "4,5"])
    def test_a_label_that_is_no_number_names_its_row(self, label, tokenizer):
        with pytest.raises(InputError, match=r"train.tsv, row 1: a regression's label must be a"):
            self.task.features([example(label=label)], tokenizer)

    def test_metrics_of_answers_worked_by_hand(self):
        rows = [example(label=label) for label in ("1", "2.5", "4")]
        answers = [{"score": score} for score in (1.0, 2.0, 6.0)]
        scores = self.task.score(rows, answers)
        assert scores["spearman"] == pytest.approx(1.0)
        assert scores["pearson"] == pytest.approx(np.corrcoef([1, 2.5, 4], [1, 2, 6])[0, 1])
        assert scores["mean_squared_error"] == pytest.approx((0.25 + 4) / 3)


class TestSeveralNumbers:
    task = Regression(labels=NAMES)

    def test_each_answer_stands_under_its_name(self):
        (answer,) = self.task.decode(
            [], [Feature(0, [1], [0])], [{"logits": np.float32([0.25, -1, 2])}]
        )
        assert answer == {"scores": {"valence": 0.25, "arousal": -1.0, "dominance": 2.0}}
        line = self.task.row(example(), answer)[1]
        assert line == "valence 0.250, arousal -1.000, dominance 2.000"

    def test_metrics_are_those_of_each_number_and_their_mean(self):
        expected, given = np.random.default_rng(0).normal(size=(2, 12, 3))
        rows = [example(label="|".join(map(str, row))) for row in expected]
        answers = [{"scores": dict(zip(NAMES, row, strict=True))} for row in given]
        scores = self.task.score(rows, answers)
        each = [stats.spearmanr(expected[:, n], given[:, n])[0] for n in range(3)]
        assert [scores[f"spearman_{name}"] for name in NAMES] == pytest.approx(each)
        assert scores["spearman"] == pytest.approx(np.mean(each))
        assert scores["pearson_arousal"] == pytest.approx(
            stats.pearsonr(expected[:, 1], given[:, 1])[0]
        )
        assert scores["mean_squared_error"] == pytest.approx(((expected - given) ** 2).mean())

    def test_a_mistake_is_as_large_as_the_furthest_number(self):
        answer = {"scores": dict(zip(NAMES, (1.0, 2.0, 6.0), strict=True))}
        mistake = self.task.mistake(example(label="1|2.5|4"), answer)
        assert mistake.confidence == 2.0
        assert mistake.expected == "valence 1, arousal 2.5, dominance 4"

    def test_another_count_of_numbers_names_its_row(self, tokenizer):
        message = r"row 1: a label must have 3 numbers \(valence, arousal, dominance\)"
        with pytest.raises(InputError, match=message):
            self.task.features([example(label="1|2")], tokenizer)
        with pytest.raises(InputError, match=r"row 2: a label must have 2 numbers"):
            Regression().labels_of([example("1|2"), example("1", "dev.tsv, row 2")])

    def test_a_list_in_json_lines_is_learned_from(self, tmp_path):
        (tmp_path / "a.jsonl").write_text('{"text": "a", "label": [0.5, 2]}\n')
        examples = Regression().read(str(tmp_path / "a.jsonl"))
        task = Regression().with_labels(Regression().labels_of(examples))
        assert task.labels == ("LABEL_0", "LABEL_1")
        assert task.target(examples[0]) == [0.5, 2.0]

    @pytest.mark.parametrize("names", [NAMES, 3])
    def test_a_model_answers_with_all_its_numbers(self, names, encoder_path, tokenizer, tmp_path):
        model = load(
            encoder_path, BertForSequenceClassification, labels=names, problem_type="regression"
        )
        save(model, tmp_path / "model", tokenizer)
        model = load(tmp_path / "model")
        texts = ["a fine film", "no fun at all", "lovely"]
        answers = [list(a["scores"].items()) for a in predict(model, texts)]
        assert [name for name, _ in answers[0]] == list(
            NAMES if names == NAMES else ("LABEL_0", "LABEL_1", "LABEL_2")
        )
        for text, answer in zip(texts, answers, strict=True):
            encoding = tokenizer.encode(text)
            ids = np.int32([encoding.input_ids])
            batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            batch["token_type_ids"] = np.zeros_like(ids)
            logits = model(batch)["logits"][0].numpy()
            assert [value for _, value in answer] == pytest.approx(logits, abs=1e-5)
        rows = [
            f"{t}\t{'|'.join(str(v) for _, v in a)}" for t, a in zip(texts, answers, strict=True)
        ]
        (tmp_path / "dev.tsv").write_text("\n".join(rows) + "\n")
        metrics = evaluate(model, str(tmp_path / "dev.tsv")).metrics
        assert metrics[f"spearman_{task_of(model).labels[2]}"] == pytest.approx(1.0)

    @pytest.mark.system
    def test_a_run_learns_as_many_numbers_as_its_data_have(self, encoder_path, tmp_path):
        train, dev = tmp_path / "train.csv", tmp_path / "dev.jsonl"
        train.write_text("text,label\na fine film,0.5|2\na dull film,1|-1\n")
        dev.write_text('{"text": "a film", "label": [0.25, 1]}\n' * 2)
        recipe = FinetuneConfig(
            data=TaskDataConfig(task="regression", max_seq_length=16),
            train=FinetuneTrainConfig(steps=1, batch_size=2),
        )
        folder = finetune(recipe, tmp_path / "run", encoder_path, str(train), str(dev))
        assert list(predict(load(folder), ["a film"])[0]["scores"]) == ["LABEL_0", "LABEL_1"]
        assert evaluate(load(folder), str(dev)).metrics.keys() >= {"mean_squared_error_LABEL_1"}


def test_a_recipe_may_choose_the_best_model_by_a_correlation_alone():
    assert Regression().metric("pearson", []) == "pearson"
    several = Regression(labels=("valence", "arousal"))
    assert several.metric("spearman_arousal", []) == "spearman_arousal"
    with pytest.raises(InputError, match=r"its metrics: spearman, pearson$"):
        Regression().metric("mean_squared_error", [])
