"""Every task as a TPU asks for it: static shapes, no call of the host, all compiled by XLA."""

import json

import pytest

from bert_keras.config import (
    CheckpointConfig,
    FinetuneConfig,
    FinetuneTrainConfig,
    TaskDataConfig,
)
from bert_keras.modeling import BertEncoder, BertForSequenceClassification
from bert_keras.saving import load, save
from bert_keras.tasks import evaluate, finetune, predict
from bert_keras.training import read_metrics
from tests.golden import inputs, task_data
from tests.support.tpu import assert_for_a_tpu, believed_tpu

# The dev examples are two batches and a part of one.
EXAMPLES, BATCH, LENGTH = 24, 10, 40


def write_long(path):
    """Texts of one to four windows."""
    path = path.with_suffix(".tsv")
    rows = [
        f"{' '.join(inputs.sentence(n + k) for k in range(1 + n % 4))}\t{('no', 'yes')[n % 2]}"
        for n in range(EXAMPLES)
    ]
    path.write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    return path


def write_choices(path):
    """Two to four choices."""
    path = path.with_suffix(".jsonl")
    rows = [
        {
            "context": inputs.sentence(number),
            "choices": [inputs.sentence(number + k) for k in range(1, 3 + number % 3)],
            "label": number % 2,
        }
        for number in range(EXAMPLES)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


# Each task: its own keys of [data], what writes its data, and the sequences of an example.
CASES = {
    "classification": ({}, task_data.TASKS["classification"][1], []),
    "multi_label": ({}, task_data.TASKS["multi_label"][1], []),
    "regression": ({}, task_data.TASKS["regression"][1], []),
    "tagging": ({}, task_data.TASKS["tagging"][1], []),
    "span": ({"doc_stride": 8}, task_data.TASKS["span"][1], []),
    "masked_lm": ({}, task_data.TASKS["masked_lm"][1], []),
    "multiple_choice": ({}, write_choices, [4]),
    "classification in windows": ({"windows": True}, write_long, [4]),
}


@pytest.fixture
def chip(monkeypatch):
    return believed_tpu(monkeypatch)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The model that runs start from."""
    path = tmp_path_factory.mktemp("start") / "model"
    save(inputs.model(BertEncoder, layers=1), path)
    return path


@pytest.mark.system
@pytest.mark.parametrize("kind", CASES)
def test_a_run_is_a_program_of_training_and_one_of_evaluation(kind, chip, start, tmp_path):
    """Read anew on a CPU, the model scores as the TPU's run says."""
    keys, write, several = CASES[kind]
    data = str(write(tmp_path / "data"))
    config = FinetuneConfig(
        data=TaskDataConfig(task=kind.split()[0], max_seq_length=LENGTH, **keys),
        train=FinetuneTrainConfig(
            steps=3, batch_size=BATCH, eval_every_steps=3, steps_per_call=3, log_every_steps=3
        ),
        checkpoint=CheckpointConfig(every_steps=0),
    )
    finetune(config, tmp_path / "run", start, data, data)
    # A program for every batch of all evaluations, whose length is all that the model reads.
    rows = BATCH // several[0] if several else BATCH
    length = LENGTH if kind == "masked_lm" else inputs.config().max_position_embeddings
    shapes = [program.shapes["input_ids"] for program in chip.programs]
    assert shapes == [[BATCH, *several, LENGTH], [rows, *several, length]]
    for program in chip.lowered():
        assert_for_a_tpu(program)
    (logged,) = (line for line in read_metrics(tmp_path / "run") if line["split"] == "eval")
    scores = evaluate(load(tmp_path / "run"), data, batch_size=BATCH).metrics
    assert scores == pytest.approx({name: logged[name] for name in scores}, rel=1e-4)


@pytest.mark.system
def test_texts_of_all_lengths_are_answered_by_a_few_programs(chip, start):
    """A program for 64 tokens, one for 128 and one for the 150 that the model reads."""
    config = inputs.config(num_hidden_layers=1, max_position_embeddings=150)
    model = BertForSequenceClassification(config, labels=("no", "yes"))
    model.tokenizer = inputs.tokenizer()
    with chip.scope():
        on_chip = model.copy()
    words = inputs.sentence(4).split()
    texts = [" ".join((words * 20)[:count]) for count in (1, 9, 16, 20, 26, 32, 40, 100)]
    for number in range(len(texts)):
        some = texts[: number + 1]
        ours, theirs = (predict(each, some, batch_size=4) for each in (on_chip, model))
        for one, other in zip(ours, theirs, strict=True):
            assert one["scores"] == pytest.approx(other["scores"], rel=1e-5)
    shapes = sorted(program.shapes["input_ids"] for program in chip.programs)
    assert shapes == [[4, 64], [4, 128], [4, 150]]
