"""Sentence encoders from pairs with a score: what is read, trained on, measured and left."""

import random
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bert_keras.config import FinetuneModelConfig
from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.modeling.embedding import SETTINGS_FILE
from bert_keras.objectives import CosineSquaredError, Matryoshka
from bert_keras.saving import load, save
from bert_keras.tasks import Similarity, evaluate, finetune, predict
from bert_keras.tasks.reading import TextExample
from bert_keras.tasks.start import start_model
from tests.tasks.conftest import BAD, FILLERS, GOOD
from tests.tasks.recipes import recipe


def pair(first="a fine film", second="a joy to watch", label="4.5", where="train.tsv, row 1"):
    return TextExample(first, second, label, where)


def write_scores(path, count, seed):
    """Pairs of reviews: 5 where both are good or both bad, 0 where they differ."""
    draw, rows = random.Random(seed), []
    for _ in range(count):
        sides = draw.choice([GOOD, BAD]), draw.choice([GOOD, BAD])
        texts = (f"{draw.choice(side)} {draw.choice(FILLERS)}" for side in sides)
        rows.append("\t".join([*texts, "5.0" if sides[0] is sides[1] else "0.0"]))
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    return write_scores(folder / "train.tsv", 96, 0), write_scores(folder / "dev.tsv", 40, 1)


@pytest.fixture(scope="module")
def run(encoder_path, scores, tmp_path_factory):
    """The work directory of a run of similarity."""
    workdir = tmp_path_factory.mktemp("runs") / "similarity"
    finetune(recipe(data={"task": "similarity"}), workdir, encoder_path, *scores)
    return workdir


def test_both_texts_of_a_pair_are_sequences_of_their_own(tokenizer):
    (feature,) = Similarity().features([pair()], tokenizer)
    first, second = feature.windows()
    assert first.input_ids == list(tokenizer.encode("a fine film").input_ids)
    assert second.input_ids == list(tokenizer.encode("a joy to watch").input_ids)
    assert set(second.token_type_ids) == {0}
    assert feature.targets == {"labels": 4.5}


def test_a_long_text_is_cut_and_counted(tokenizer):
    (feature,) = Similarity(max_seq_length=6).features([pair("a b c d e f g h", "a")], tokenizer)
    assert [len(window.input_ids) for window in feature.windows()] == [6, 3]
    assert (feature.tokens, feature.left_out) == (9, 4)


def test_a_run_learns_the_order_of_the_scores(run, encoder_path, scores):
    before = evaluate(load(encoder_path, BertForSentenceEmbedding), scores[1]).metrics["spearman"]
    after = evaluate(load(run), scores[1]).metrics["spearman"]
    assert after > max(0.8, before + 0.3)


def assert_correlations_of_embed(model, file):
    rows = [line.split("\t") for line in Path(file).read_text().splitlines()]
    first, second = (model.embed([row[side] for row in rows]) for side in (0, 1))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines = (first * second).sum(axis=1) / lengths
    expected = [float(row[2]) for row in rows]
    metrics = evaluate(model, file).metrics
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(expected, cosines)[0], abs=1e-6)
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(expected, cosines)[0], abs=1e-6)


def test_the_measures_are_correlations_of_the_cosines_of_embed(run, scores):
    model = load(run)
    assert_correlations_of_embed(model, scores[1])


def test_what_a_run_leaves_reads_texts_as_they_were_read_in_training(run):
    model = load(run)
    assert isinstance(model, BertForSentenceEmbedding)
    assert (model.max_length, model.default_length) == (40, 40)
    assert (run / "model" / "modules.json").exists()  # of sentence-transformers


def test_a_sentence_encoder_gives_no_labels(run):
    with pytest.raises(InputError, match="use bert-keras embed or bert-keras search"):
        predict(load(run), ["a fine film"])


def test_the_cosine_is_to_be_the_score_scaled_by_the_range_of_the_data(tokenizer):
    examples = [pair(label=label) for label in ("1", "2", "5")]
    task = Similarity(loss="cosine").adapted_to(examples)
    assert isinstance(task.loss_of(None), CosineSquaredError)
    targets = [feature.targets["labels"] for feature in task.features(examples, tokenizer)]
    assert targets == [0.0, 0.25, 1.0]
    given = Similarity(loss="cosine", lowest=0.0, highest=5.0).adapted_to(examples)
    assert given.targets(examples[0]) == {"labels": 0.2}


@pytest.mark.parametrize(
    ("settings", "example", "message"),
    [
        ({}, pair(label="neutral"), r"one number. Received: 'neutral'; .* data.loss = 'softmax'"),
        ({}, pair(label="True"), "one number. Received: 'True'; write 1 for yes and 0 for no"),
        ({}, pair(label="nan"), "one number. Received: 'nan'; data.ignore_labels"),
        ({}, pair(label=None), "train.tsv, row 1 has no label"),
        ({}, pair(label="1|2"), "train.tsv, row 1: the label must be one number"),
        ({}, pair(second=None), "row 1 is a single text, and similarity is of two"),
    ],
)
def test_an_example_that_cannot_be_learned_from_names_its_row(settings, example, message):
    with pytest.raises(InputError, match=message):
        Similarity(**settings).labels_of([example])


@pytest.mark.parametrize("loss", ["cosent", "cosine"])
def test_scores_that_are_all_the_same_teach_and_measure_nothing(loss):
    with pytest.raises(InputError, match="all 2 scores are the same"):
        Similarity(loss=loss).adapted_to([pair(), pair()])
    with pytest.raises(InputError, match="all 2 dev scores are the same"):
        Similarity(loss=loss).metric("", [pair(), pair()])


def test_a_score_outside_the_range_that_was_given_names_its_row():
    task = Similarity(loss="cosine", lowest=0.0, highest=1.0)
    with pytest.raises(InputError, match=r"row 1: the score 4\.5 is not from 0 to 1"):
        task.adapted_to([pair(), pair(label="0.5")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "cosemt"}, r"data\.loss cannot be 'cosemt'; did you mean 'cosent'"),
        ({"pooling": "sum"}, r"data\.pooling cannot be 'sum'"),
        ({"temperature": 0.0}, r"data\.temperature must be a number above 0"),
        ({"temperature": float("inf")}, r"data\.temperature must be a number above 0"),
        ({"loss": "cosine", "temperature": 0.1}, r"data\.temperature is for data\.loss = 'cosent'"),
        ({"lowest": 0.0, "highest": 5.0}, r"data\.lowest is for data\.loss = 'cosine'"),
        ({"loss": "cosine", "lowest": 0.0}, r"data\.lowest and data\.highest go together"),
        ({"loss": "cosine", "lowest": 2.0, "highest": 1.0}, r"data\.lowest must be below"),
        ({"matryoshka": (8, 8)}, r"data\.matryoshka must be different numbers from 1 on"),
        ({"matryoshka": (0,)}, r"data\.matryoshka must be different numbers from 1 on"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Similarity(**settings)


def test_a_model_that_puts_a_prompt_before_texts_is_refused(tmp_path, tokenizer, encoder_path):
    config = load(encoder_path).config
    prompts = {"prompts": {"query": "a "}, "default_prompt_name": "query"}
    save(BertForSentenceEmbedding(config, **prompts), tmp_path / "model", tokenizer)
    with pytest.raises(InputError, match="puts the prompt 'a ' before every text"):
        Similarity().open_model(tmp_path / "model")


def test_a_model_that_compares_vectors_by_their_distance_is_refused(encoder_path, tmp_path):
    model = BertForSentenceEmbedding(load(encoder_path).config)
    model.other_files = {SETTINGS_FILE: {"similarity_fn_name": "euclidean"}}
    save(model, tmp_path / "model", load(encoder_path).tokenizer)
    with pytest.raises(InputError, match="'euclidean'; only cosine and dot are known"):
        Similarity().open_model(tmp_path / "model")


@pytest.mark.parametrize(("given", "expected"), [("", "max"), ("cls", "cls")])
def test_a_model_keeps_its_pooling_unless_the_recipe_names_one(
    given, expected, tmp_path, tokenizer, encoder_path
):
    config = load(encoder_path).config
    save(BertForSentenceEmbedding(config, pooling="max"), tmp_path / "model", tokenizer)
    settings = recipe(data={"task": "similarity"}).replace(
        model=FinetuneModelConfig(init=str(tmp_path / "model"))
    )
    assert start_model(settings, Similarity(pooling=given, max_seq_length=40)).pooling == expected


@pytest.mark.parametrize("change", [{"hidden_dropout_prob": 0.2}, {"random_weights": True}])
def test_a_model_with_the_changes_of_a_recipe_keeps_the_objective_of_the_task(change, encoder_path):
    task = Similarity(loss="cosine", max_seq_length=40)
    settings = recipe(data={"task": "similarity"})
    settings = settings.replace(model=FinetuneModelConfig(init=str(encoder_path), **change))
    model = start_model(settings, task)
    assert isinstance(model.objective, CosineSquaredError)


@pytest.mark.system
def test_fit_on_the_batches_of_a_task_trains_on_its_loss(encoder_path, tokenizer):
    task = Similarity(max_seq_length=16)
    model = task.open_model(encoder_path, packed=True)
    features = task.features([pair(label=label) for label in ("1", "2", "5", "3")], tokenizer)
    model.compile()
    batches = task.batches(features, tokenizer, batch_size=4)
    history = model.fit(batches, steps_per_epoch=1, verbose=0).history
    assert set(history) == {"loss", "similarity_loss"}


def test_shorter_vectors_are_trained_beside_the_whole_ones(encoder_path):
    model = load(encoder_path, BertForSentenceEmbedding)
    objective = Similarity(matryoshka=(8, 16)).objective_of(model)
    assert isinstance(objective, Matryoshka)
    with pytest.raises(InputError, match=r"data\.matryoshka must be numbers from 1 to 32"):
        Similarity(matryoshka=(64,)).objective_of(model)


@pytest.mark.system
def test_a_checkpoint_is_the_sentence_encoder_that_the_run_trains(encoder_path, scores, tmp_path):
    config = load(encoder_path).config
    dense = {"dense_units": 12, "dense_activation": "linear", "truncate_dim": 8}
    before = BertForSentenceEmbedding(config, pooling="max", **dense)
    save(before, tmp_path / "model", load(encoder_path).tokenizer)
    settings = recipe(data={"task": "similarity", "matryoshka": (4,)}, train={"steps": 8})
    path = finetune(settings, tmp_path / "run", tmp_path / "model", *scores)
    model, checkpoint = load(path), load(f"{tmp_path / 'run'}@8")
    assert checkpoint.get_config() | {"name": model.name} == model.get_config()
    assert (checkpoint.pooling, checkpoint.width, checkpoint.dimensions) == ("max", 12, 8)
    vectors = model.embed(["a fine film", "no fun"])
    np.testing.assert_allclose(checkpoint.embed(["a fine film", "no fun"]), vectors, atol=1e-6)
    kernels = (each.projection.output_dense.kernel.numpy() for each in (before, model))
    assert np.abs(np.subtract(*kernels)).max() > 1e-3  # it was trained
    assert_correlations_of_embed(model, scores[1])  # of the shorter vectors


def test_another_length_and_prompts_left_out_of_training_are_said(encoder_path, tmp_path, caplog):
    caplog.set_level("INFO", "bert_keras")
    encoder = load(encoder_path)
    prompts = {"query": "q: ", "document": ""}
    before = BertForSentenceEmbedding(encoder.config, max_length=60, prompts=prompts)
    save(before, tmp_path / "model", encoder.tokenizer)
    model = Similarity(max_seq_length=40).open_model(tmp_path / "model")
    assert (model.max_length, model.prompts) == (40, prompts)
    assert "cuts texts at 60 tokens; it is trained, and from then on cuts, at " in caplog.text
    assert "has the prompts query, which are kept; training puts none" in caplog.text
    (tmp_path / "model" / "sentence_bert_config.json").write_text("{}")  # as release 6 has it
    Similarity(max_seq_length=40).open_model(tmp_path / "model")
    assert "cuts texts at 64 tokens" in caplog.text  # the tokenizer's
    caplog.clear()
    Similarity(max_seq_length=40).open_model(encoder_path)
    assert "cuts texts" not in caplog.text
    assert "prompts" not in caplog.text
