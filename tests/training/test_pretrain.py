"""Pre-training from a corpus to a model."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import bert_keras
from bert_keras.arithmetic import for_training
from bert_keras.corpus import Corpus, prepare_corpus
from bert_keras.errors import InputError
from bert_keras.modeling import BertForPreTraining
from bert_keras.modeling.layers import BertEmbeddings
from bert_keras.tokenization import WordPieceTokenizer
from bert_keras.training import measure_seconds_per_step, pretrain
from bert_keras.training.metrics import read_metrics
from bert_keras.training.phases import pretraining_phases
from bert_keras.training.run import make_optimizer


def test_work_directory_holds_what_it_should(finished):
    names = {path.name for path in finished.iterdir()}
    assert names >= {
        "config.toml",
        "run.json",
        "checkpoints",
        "metrics.jsonl",
        "logs",
        "curves.png",
        "model",
    }
    assert [p.name for p in sorted((finished / "checkpoints").iterdir())] == [
        "config.json",
        "step-000000008.safetensors",
        "step-000000012.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert {path.name for path in (finished / "model").iterdir()} == {
        ".bert_keras.json",
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer_config.json",
    }


def test_metrics_have_the_contracts_keys_at_the_right_steps(finished):
    lines = read_metrics(finished)
    train = [line for line in lines if line["split"] == "train"]
    held_out = [line for line in lines if line["split"] == "eval"]
    assert [line["step"] for line in train] == [3, 6, 9, 12]
    assert [line["step"] for line in held_out] == [6, 12]
    tasks = {"mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy"}
    for line in train:
        assert line.keys() >= tasks | {"learning_rate", "max_seq_length"}
    for line in held_out:
        assert line.keys() >= tasks | {"mlm_baseline_accuracy", "nsp_baseline_accuracy"}
        assert line["mlm_perplexity"] == pytest.approx(np.exp(line["mlm_loss"]))
    assert [line["max_seq_length"] for line in train] == [16, 16, 32, 32]


@pytest.mark.system
def test_first_ten_steps_equal_fits(finished, recipe, corpus_path):
    """The loop and ``model.fit`` on the same batches, dropout on: the same losses, equal weights.

    Both in the loop's arithmetic, ``FewPasses``: the layers' own rounds otherwise, by 1e-7 in ten
    steps.
    """
    config = replace(
        recipe,
        data=replace(recipe.data, phases=()),
        train=replace(recipe.train, steps=10, log_every_steps=1),
    )
    corpus = Corpus.open(corpus_path)
    loop_dir = finished.parent / "as-fit"
    pretrain(config, loop_dir, corpus_path)
    by_loop = [line for line in read_metrics(loop_dir) if line["split"] == "train"]

    model = BertForPreTraining(
        config.model.bert_config(corpus.vocab_size), seed=0, arithmetic=for_training(False)
    )
    model.compile(make_optimizer(config.optimizer, config.train.steps))
    (phase,) = pretraining_phases(config, corpus)
    losses = []
    one_by_one = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: losses.append(logs))
    model.fit(
        phase.batches_from(0),
        epochs=10,
        steps_per_epoch=1,
        verbose=0,
        shuffle=False,
        callbacks=[one_by_one],
    )
    for name in ("mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"):
        np.testing.assert_allclose(
            [logs[name] for logs in losses], [line[name] for line in by_loop], rtol=1e-6
        )
    saved = bert_keras.load(loop_dir / "model")
    for ours, theirs in zip(saved.trainable_weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.system
def test_training_learns_more_than_the_most_frequent_word(tmp_path, recipe, corpus_path):
    config = replace(
        recipe,
        model=replace(
            recipe.model,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        ),
        data=replace(recipe.data, phases=()),
        optimizer=replace(recipe.optimizer, learning_rate=5e-3, bias_correction=True),
        train=replace(
            recipe.train, steps=120, log_every_steps=60, eval_every_steps=120, batch_size=32
        ),
        checkpoint=replace(recipe.checkpoint, every_steps=120),
    )
    pretrain(config, tmp_path / "run", corpus_path)
    last = [line for line in read_metrics(tmp_path / "run") if line["split"] == "eval"][-1]
    assert last["mlm_accuracy"] > 1.5 * last["mlm_baseline_accuracy"]


@pytest.mark.system
def test_init_starts_from_the_saved_weights(tmp_path, finished, recipe, corpus_path):
    still = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=0.0))
    pretrain(still, tmp_path / "run", corpus_path, init=finished / "model")
    file = "model/model.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (finished / file).read_bytes()


@pytest.mark.system
@pytest.mark.parametrize("rows", [0, 7])  # spare ones in the model's table
def test_init_with_another_vocabulary_carries_the_rows_of_shared_tokens_over(
    rows, tmp_path, finished, recipe, corpus_path, caplog
):
    base = bert_keras.load(finished / "model")
    if rows:
        spare = base.like(config=replace(base.config, vocab_size=base.config.vocab_size + rows))
        for new, old in zip(spare.weights, base.weights, strict=True):
            grows = new.shape != old.shape  # in its first axis
            new.assign(np.concatenate([old, new.numpy()[-rows:]]) if grows else old)
        base = spare
    bert_keras.save(base, tmp_path / "base")
    old = Corpus.open(corpus_path).tokenizer
    tokenizer = WordPieceTokenizer([*old.vocab[:5], *old.vocab[:10:-1], "catdog"])
    prepare_corpus([corpus_path.parent / "texts"], tokenizer, tmp_path / "corpus")
    still = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=0.0))
    pretrain(still, tmp_path / "run", tmp_path / "corpus", init=tmp_path / "base")
    model = bert_keras.load(tmp_path / "run" / "model")
    kept = [old.vocab.index(piece) for piece in tokenizer.vocab[:-1]]
    ours, theirs = (each.encoder.embeddings.word_embeddings.numpy() for each in (model, base))
    np.testing.assert_array_equal(ours[:-1], theirs[kept])
    pieces = [old.vocab.index(piece) for piece in old.tokenize("catdog")]
    np.testing.assert_allclose(ours[-1], theirs[pieces].mean(axis=0), rtol=1e-5)
    ours, theirs = (each.masked_lm_head.output_bias.numpy() for each in (model, base))
    np.testing.assert_array_equal(ours, [*theirs[kept], 0])
    assert f"the rows of {len(kept)} tokens are carried over, those of 1 new ones" in caplog.text


@pytest.mark.system
def test_sinusoidal_positions_stay_and_are_saved_as_an_ordinary_table(
    tmp_path, recipe, corpus_path
):
    fixed = replace(recipe, model=replace(recipe.model, positions="sinusoidal"))
    model = bert_keras.load(pretrain(fixed, tmp_path / "run", corpus_path))
    layer = BertEmbeddings(model.config)
    layer.build()
    layer.fix_positions()
    found = model.encoder.embeddings.position_embeddings
    np.testing.assert_array_equal(found, layer.position_embeddings)
    assert found.trainable  # in fine-tuning
    again = pretrain(fixed, tmp_path / "again", corpus_path, init=tmp_path / "run/model")
    found = bert_keras.load(again).encoder.embeddings.position_embeddings
    np.testing.assert_array_equal(found, layer.position_embeddings)


def test_learned_positions_are_not_replaced(tmp_path, finished, recipe, corpus_path):
    fixed = replace(recipe, model=replace(recipe.model, positions="sinusoidal"))
    with pytest.raises(InputError, match=r"were trained so, and .* has learned positions"):
        pretrain(fixed, tmp_path / "other", corpus_path, init=finished / "model")


def test_init_of_another_architecture_is_refused(tmp_path, finished, recipe, corpus_path):
    wider = replace(recipe, model=replace(recipe.model, intermediate_size=96))
    with pytest.raises(InputError, match="cannot start this run"):
        pretrain(wider, tmp_path / "run", corpus_path, init=finished / "model")


def test_no_corpus_says_how_to_give_one(tmp_path, recipe):
    with pytest.raises(InputError, match="--corpus"):
        pretrain(recipe, tmp_path / "run")


def test_held_out_documents_are_never_trained_on(recipe, corpus_path):
    train, held_out = Corpus.open(corpus_path).split(recipe.data.eval_fraction)
    first = {tuple(document) for document in train.documents.tolist()}
    second = {tuple(document) for document in held_out.documents.tolist()}
    assert first.isdisjoint(second)
    assert len(first) + len(second) == 40
    assert second


@pytest.mark.system
def test_seconds_per_step_weighs_the_phases(recipe, corpus_path):
    seconds = measure_seconds_per_step(recipe, Corpus.open(corpus_path), seconds=0.2)
    assert 0 < seconds < 10


def test_metrics_are_json_without_nan(finished):
    for line in (finished / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
