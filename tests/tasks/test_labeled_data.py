import json

import pytest

import bert_keras
from bert_keras.config import FinetuneConfig, FinetuneTrainConfig, TaskDataConfig
from bert_keras.errors import InputError
from bert_keras.tasks import evaluate, finetune


def recipe(**data):
    return FinetuneConfig(
        data=TaskDataConfig(max_seq_length=40, **data), train=FinetuneTrainConfig(steps=1)
    )


@pytest.mark.system
def test_a_label_with_one_example_is_learned_from(tmp_path, encoder_path):
    rows = [f"text {n}\t{'ab'[n % 2]}\n" for n in range(20)]
    (tmp_path / "rare.tsv").write_text("text\tlabel\n" + "".join(rows) + "odd one\trare\n")
    config = recipe(dev_fraction=0.3)
    finetune(config, tmp_path / "rare", encoder_path, str(tmp_path / "rare.tsv"))
    model = bert_keras.load(tmp_path / "rare" / "model")
    assert model.labels == ("a", "b", "rare")


@pytest.mark.system
def test_lists_of_0_and_1_names_and_columns_score_alike(tmp_path, encoder_path):
    vectors = [{"text": f"text {n}", "labels": [float(n % 2), 1.0]} for n in range(8)]
    lines = "".join(json.dumps(row) + "\n" for row in vectors)
    (tmp_path / "vectors.jsonl").write_text(lines)
    config = recipe(task="multi_label", labels=("z", "y"))
    finetune(config, tmp_path / "run", encoder_path, str(tmp_path / "vectors.jsonl"))
    model = bert_keras.load(tmp_path / "run" / "model")
    assert model.labels == ("z", "y")
    scores = evaluate(model, str(tmp_path / "vectors.jsonl")).metrics
    (tmp_path / "named.tsv").write_text(
        "text\tlabels\n" + "".join(f"text {n}\t{'z|y' if n % 2 else 'y'}\n" for n in range(8))
    )
    (tmp_path / "columns.csv").write_text(
        "text,y,z\n" + "".join(f"text {n},1,{n % 2}\n" for n in range(8))
    )
    for name in ("named.tsv", "columns.csv"):
        assert evaluate(model, str(tmp_path / name)).metrics == scores


def test_a_dev_label_that_training_lacks_is_refused_before_the_run(tmp_path, encoder_path, reviews):
    (tmp_path / "dev.tsv").write_text("a fine film\tgood\nno fun\tawful\n")
    with pytest.raises(InputError, match=r"dev.tsv, row 2: no training example has .*'awful'"):
        finetune(
            recipe(), tmp_path / "run", encoder_path, str(reviews / "train.tsv"),
            str(tmp_path / "dev.tsv"),
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
