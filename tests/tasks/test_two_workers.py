"""Two processes that fine-tune a sentence encoder as one does."""

import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from bert_keras.config import FinetuneConfig, load_toml
from bert_keras.tasks import finetune
from bert_keras.training import read_metrics
from tests.support.processes import cluster
from tests.tasks.conftest import BAD, FILLERS, GOOD

RECIPE = """
[data]
task = "{task}"
loss = "{loss}"
max_seq_length = 16
[optimizer]
learning_rate = 2e-3
[train]
steps = 3
batch_size = 8
accumulation_steps = 2
log_every_steps = 1
"""
LABEL = {"in_batch": "", "cosent": "\t{}", "softmax": "\tclass {}"}


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        pytest.param("contrastive", "in_batch", marks=pytest.mark.system),
        pytest.param("similarity", "cosent", marks=pytest.mark.slow),
        pytest.param("similarity", "softmax", marks=pytest.mark.slow),
    ],
)
def test_the_texts_of_both_workers_train_as_those_of_one(task, loss, encoder_path, tmp_path):
    names = ["anchor\tpositive"] if task == "contrastive" else []
    rows = [
        f"{text}\t{filler} {text}" + LABEL[loss].format(number % 3)
        for number, (text, filler) in enumerate(zip([*GOOD, *BAD] * 2, FILLERS * 4, strict=False))
    ]
    data, recipe = tmp_path / "train.tsv", tmp_path / "recipe.toml"
    data.write_text("\n".join([*names, *rows]) + "\n")
    recipe.write_text(RECIPE.format(task=task, loss=loss))
    finetune(load_toml(FinetuneConfig, recipe), tmp_path / "one", encoder_path, str(data))
    command = [
        sys.executable, "-m", "bert_keras", "finetune", str(recipe), "--model", str(encoder_path),
        "--train", str(data), "--workdir", str(tmp_path / "two"),
        "--set", "distribution.strategy=multi_worker",
    ]  # fmt: skip
    workers = [
        subprocess.Popen(command, env=os.environ | own, stderr=subprocess.PIPE, text=True)
        for own in cluster(2)
    ]
    for worker in workers:
        _, messages = worker.communicate(timeout=300)
        assert worker.returncode == 0, messages
    one, two = (read_metrics(tmp_path / name) for name in ("one", "two"))
    for name in [name for name in one[0] if name.endswith(("_loss", "_accuracy"))]:
        of_one, of_two = ([line[name] for line in lines] for lines in (one, two))
        np.testing.assert_allclose(of_one, of_two, rtol=1e-4)
    weights = [load_file(tmp_path / name / "model/model.safetensors") for name in ("one", "two")]
    for name, values in weights[0].items():
        np.testing.assert_allclose(values, weights[1][name], atol=2e-5)
