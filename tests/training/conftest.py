"""A small corpus that something can be learned from, and a recipe for it."""

import random

import pytest

from bert_keras.config import (
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    PhaseConfig,
    PretrainConfig,
    TrainConfig,
)
from bert_keras.corpus import prepare_corpus
from bert_keras.tokenization import Casing, learn_vocabulary, write_vocabulary
from bert_keras.training import pretrain

SUBJECTS = ["the cat", "a dog", "my sister", "the old man", "our teacher", "the queen"]
VERBS = ["sees", "likes", "follows", "hears", "remembers", "paints"]
OBJECTS = ["the river", "a small house", "the moon", "green apples", "an open door", "the sea"]


def write_texts(folder, documents=40, seed=0):
    """Documents of generated sentences, a file each."""
    draw = random.Random(seed)
    folder.mkdir(exist_ok=True)
    for number in range(documents):
        sentences = [
            f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(OBJECTS)}.".capitalize()
            for _ in range(draw.randint(5, 30))
        ]
        (folder / f"{number:03d}.txt").write_text("\n".join(sentences))
    return folder


def make_corpus(folder, seed=0):
    texts = write_texts(folder / "texts", seed=seed)
    lines = [file.read_text() for file in sorted(texts.iterdir())]
    write_vocabulary(folder / "vocab.txt", learn_vocabulary(lines, 200, Casing()))
    prepare_corpus([str(texts)], vocab=folder / "vocab.txt", out=folder / "corpus")
    return folder / "corpus"


@pytest.fixture(scope="session")
def corpus_path(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def other_corpus_path(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def recipe():
    """Two phases, dropout on, a checkpoint every four of twelve steps."""
    return PretrainConfig(
        model=ModelConfig(
            preset="tiny", hidden_size=32, num_attention_heads=2, intermediate_size=64
        ),
        data=DataConfig(
            max_seq_length=32,
            max_predictions_per_seq=5,
            eval_fraction=0.1,
            phases=(
                PhaseConfig(until=0.5, max_seq_length=16, max_predictions_per_seq=3, batch_size=12),
            ),
        ),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_ratio=0.1),
        train=TrainConfig(
            steps=12, batch_size=8, log_every_steps=3, eval_every_steps=6, eval_batches=2
        ),
        checkpoint=CheckpointConfig(every_steps=4, keep=2),
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory, corpus_path, recipe):
    """The work directory of a run that nobody disturbed."""
    workdir = tmp_path_factory.mktemp("run") / "undisturbed"
    pretrain(recipe, workdir, corpus_path)
    return workdir
