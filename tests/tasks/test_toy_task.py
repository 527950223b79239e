"""A task and a model with a head of its own, which the package has never heard of.

They go all the way a task goes: a recipe with a key of their own, training, evaluation, files,
answers, a file for phones.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.axes import Axes

import bert_keras
from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.config.checks import at_least
from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.export.outputs import Output
from bert_keras.export.sequences import NAMES
from bert_keras.export.tflite.answers import IdAnswers, on_phones
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.modeling.headed import HeadedModel
from bert_keras.modeling.heads import Classifier
from bert_keras.objectives import SupervisedObjective, WeightedMean
from bert_keras.saving.families import family, register_model
from bert_keras.tasks import AnsweringTask, Feature, Mistake, evaluate, finetune, predict, register
from bert_keras.tasks.reading import LabelRules, TextExample, read_text_examples
from bert_keras.tasks.registry import TASKS
from bert_keras.training import read_metrics
from bert_keras.training.curves import plot_curves

STARS = Output("stars", tf.float32, "B", "how many stars a review gives")


class StarsError(SupervisedObjective):
    """The mean distance of the stars."""

    names = ("stars_loss",)

    def weights(self, batch):
        return {"stars_loss": tf.cast(tf.size(batch["stars"]), tf.float32)}

    def measure(self, batch, outputs):
        errors = tf.abs(tf.cast(outputs["stars"], tf.float32) - tf.cast(batch["stars"], tf.float32))
        (name,) = self.names
        return {name: WeightedMean(tf.reduce_sum(errors), self.weights(batch)[name])}


@keras.saving.register_keras_serializable(package="toy")
class BertForStars(HeadedModel):
    """BERT that gives a review stars; returns ``stars`` [B]."""

    heads: ClassVar[dict[str, type]] = {"stars_head": Classifier}
    takes_pairs = False

    def head_arguments(self):
        return {"units": 1, "dropout_rate": 0.0}

    def call(self, inputs, training=False, dropout_seed=None):
        seed = self.dropout_counter().for_call(training, dropout_seed)
        tokens, layout, _ = self.encoder.encode(inputs, seed)
        return {"stars": self.stars_head(self.encoder.pool(tokens, layout), seed)[:, 0]}

    def supervised_objective(self):
        return StarsError()


def head_shapes(config):
    return {"stars_head/output/kernel": (config.hidden_size, 1), "stars_head/output/bias": (1,)}


@dataclass(frozen=True, kw_only=True)
class Stars(AnsweringTask):
    """Stars for a review; answers are ``{"stars"}``."""

    most_stars: int = 5

    name = "stars"
    title = "Stars"
    objective = "stars"
    unit = "stars"
    curves = ("exact",)
    model_class = BertForStars
    columns = ("text", "stars")
    best_metric = "exact"
    remembers = ("max_seq_length", "most_stars")

    def __post_init__(self):
        at_least("data.most_stars", self.most_stars, 2)

    def from_text(self, text, text_pair=None):
        return TextExample(text=text, text_pair=None, label=None, where="the text")

    def read(self, source):
        return read_text_examples(source, labels=LabelRules(kind="number"))

    def read_texts(self, source):
        return read_text_examples(source, labels=None, labeled=False)

    def key(self, example):
        return example.text

    def labels_of(self, examples):
        return ()

    def features(self, examples, tokenizer):
        encodings = tokenizer.encode_batch([e.text for e in examples], None, self.max_seq_length)
        return [
            Feature(
                number,
                encoding.input_ids,
                encoding.token_type_ids,
                targets={} if example.label is None else {"stars": float(example.label)},
            )
            for number, (example, encoding) in enumerate(zip(examples, encodings, strict=True))
        ]

    def decode(self, examples, features, outputs):
        values = np.array([output["stars"] for output in outputs])
        return [{"stars": int(n)} for n in np.clip(np.rint(values), 0, self.most_stars)]

    def score(self, examples, predictions):
        pairs = zip(examples, predictions, strict=True)
        right = [float(e.label) == p["stars"] for e, p in pairs]
        return {"exact": float(np.mean(right)) if right else 0.0}

    def is_labeled(self, example):
        return example.label is not None

    def decisions(self, prediction):
        return [prediction["stars"]]

    def texts_of(self, example):
        return {"text": example.text}

    def row(self, example, prediction):
        return [example.text, "*" * prediction["stars"]]

    def mistake(self, example, prediction):
        off = abs(prediction["stars"] - float(example.label))
        return Mistake(off, example.label, str(prediction["stars"]), example.text) if off else None


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The task, for as long as these tests run."""
    families = dict(family._families)
    register(Stars)
    register_model(BertForStars, "bert", {"stars_head/output": "stars"}, head_shapes)
    yield
    del TASKS[Stars.name]
    family._families.update(families)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """A table of reviews, with 4 stars for good ones and 1 for others."""
    path = tmp_path_factory.mktemp("stars") / "reviews.tsv"
    rows = [f"a {'fine' if n % 3 else 'dull'} film {n}\t{4 if n % 3 else 1}" for n in range(48)]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def run(reviews, encoder_path, tmp_path_factory):
    """A run of a recipe."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "stars.toml").write_text(
        '[data]\ntask = "stars"\nmost_stars = 4\nmax_seq_length = 16\ndev_fraction = 0.3\n'
        "[optimizer]\nlearning_rate = 3e-3\n[train]\nsteps = 30\nbatch_size = 8\n"
    )
    config = load_toml(FinetuneConfig, folder / "stars.toml")
    finetune(config, folder / "run", encoder_path, str(reviews))
    return folder / "run"


@pytest.mark.system
def test_a_recipe_with_a_key_of_its_own_is_trained_by_and_kept(run):
    lines = read_metrics(run)
    assert any("stars_loss" in line for line in lines if line["split"] == "train")
    assert any("exact" in line for line in lines if line["split"] == "eval")
    assert "most_stars = 4" in (run / "config.toml").read_text()


def test_another_value_is_another_run(run, reviews, encoder_path):
    config = load_toml(FinetuneConfig, run / "config.toml", ["data.most_stars=3"])
    with pytest.raises(InputError, match=r"data\.most_stars = 4 there, 3 here"):
        finetune(config, run, encoder_path, str(reviews))


def test_a_key_of_it_is_refused_with_another_task_by_its_name(run, reviews, encoder_path, tmp_path):
    settings = ["data.task=span"]
    config = load_toml(FinetuneConfig, run / "config.toml", settings)
    with pytest.raises(InputError, match=r"data\.most_stars is for data\.task = 'stars'"):
        finetune(config, tmp_path / "run", encoder_path, str(reviews))


def test_its_model_is_saved_loaded_scored_and_asked(run, reviews, tmp_path):
    model = bert_keras.load(run)
    assert type(model) is BertForStars
    bert_keras.save(model, tmp_path / "model")
    again = bert_keras.load(tmp_path / "model")
    (answer,) = predict(again, "a fine film")
    assert answer.keys() == {"stars"}
    assert 0 <= answer["stars"] <= 4
    result = evaluate(again, str(reviews))
    assert result.metrics == evaluate(model, str(reviews)).metrics
    assert 0 < result.metrics["exact"] <= 1


def test_a_keras_file_which_has_no_name_for_its_head_is_refused_by_one_line(run, tmp_path):
    with pytest.raises(InputError, match=r"no name for stars_head/output/kernel of a BertForStars"):
        bert_keras.save(bert_keras.load(run), tmp_path / "m.keras", format="keras")
    assert not (tmp_path / "m.keras").exists()


def test_its_curves_have_its_title(run, monkeypatch):
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda axes, title: titles.append(title))
    plot_curves(run)
    assert "Stars: loss (stars)" in titles


def test_an_export_without_answers_of_its_own_is_refused_by_one_line(run, tmp_path):
    with pytest.raises(InputError, match=r"no answers are registered for Stars; it can"):
        export_saved_model(bert_keras.load(run), None, tmp_path / "served")
    assert not (tmp_path / "served").exists()


@on_phones.register(Stars)
class StarsAnswers(IdAnswers):
    outputs = (STARS,)

    def from_ids(self, model, batch):
        return {"stars": model(batch, training=False)["stars"]}

    def decisions(self, rows):
        return [np.rint(row["stars"]) for row in rows]


def test_one_with_answers_is_written_and_measured(run, reviews, tmp_path):
    report = export_tflite(
        bert_keras.load(run), None, tmp_path / "m.tflite", data=str(reviews), length=16
    )
    assert report["metric"] == "exact"
    file = TFLiteModel((tmp_path / "m.tflite").read_bytes())
    answers = file.run({name: np.ones((1, 16), np.int32) for name in NAMES})
    assert {name: array.shape for name, array in answers.items()} == {"stars": (1,)}
