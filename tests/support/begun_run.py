"""A run that has not finished, on disk, without the training."""

from dataclasses import replace

import numpy as np
from safetensors.numpy import load_file

import bert_keras
from bert_keras.config import PretrainConfig, TrainConfig, to_tables
from bert_keras.optimizers import AdamW
from bert_keras.saving.mark import RunMark
from bert_keras.saving.run import write_description
from bert_keras.tokenization import BertTokenizer
from bert_keras.training.checkpoint import Checkpoints
from bert_keras.training.state import RunState
from tests.support.models import pieces_of, small_config

VOCABULARY = pieces_of("abcdefghijklmnopqrstuvwxyz.")
KINDS = {
    "BertForPreTraining": {},
    "BertForMaskedLM": {},
    "BertForSequenceClassification": {
        "labels": ["calm", "loud", "old"],
        "problem_type": "multi_label_classification",
        "classifier_dropout": 0.3,
    },
    "BertForTokenClassification": {"labels": ["O", "B-PER", "I-PER"]},
    "BertForQuestionAnswering": {},
}


def make_model(kind="BertForPreTraining", seed=0, **arguments):
    config = small_config(
        len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.2,
    )
    model = getattr(bert_keras, kind)(config, seed=seed, **(KINDS[kind] | arguments))
    model.tokenizer = BertTokenizer(VOCABULARY)
    return model


class Run:
    """A work directory with checkpoints that hold other weights at every step, and no model/."""

    def __init__(self, path, kind="BertForPreTraining", steps=(2, 4), total=10, keep=3, **more):
        self.path, self.model = path, make_model(kind, **more)
        config = to_tables(PretrainConfig(train=TrainConfig(steps=total)))
        path.mkdir()
        mark = RunMark(command="pretrain", config=config, data={})
        self.run_id = mark.content_id()
        replace(mark, run_id=self.run_id).write(path)
        self.optimizer = AdamW(1e-3)
        self.optimizer.build(self.model.trainable_variables)
        self.checkpoints = Checkpoints(path / "checkpoints", keep)
        write_description(self.model, path)
        for step in steps:
            self.save(step)

    def save(self, step):
        """The weights of this step, which follow from it."""
        for number, variable in enumerate(self.model.trainable_variables):
            draws = np.random.default_rng([step, number]).normal(size=variable.shape)
            variable.assign(draws.astype(np.float32))
        state = RunState(step=step, run_id=self.run_id)
        self.checkpoints.save(state, self.model, self.optimizer)
        self.checkpoints.wait()

    def file(self, step):
        return self.path / "checkpoints" / f"step-{step:09d}.safetensors"

    def weights(self, step):
        """The arrays in a checkpoint's file, by the variables' paths."""
        arrays = load_file(self.file(step))
        paths = (variable.path for variable in self.model.trainable_variables)
        return {path: arrays[f"model/{path}"] for path in paths}


def assert_weights(model, expected):
    found = {variable.path: variable.numpy() for variable in model.trainable_variables}
    assert found.keys() == expected.keys()
    for path, array in found.items():
        np.testing.assert_array_equal(array, expected[path], path)
