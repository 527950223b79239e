"""Sentence encoders that were fine-tuned, on a server and on a phone, by real sentences."""

import random

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.export import export_saved_model, export_tflite
from bert_keras.modeling import BertEncoder, BertForSentenceEmbedding
from bert_keras.saving import load, save
from bert_keras.tasks import finetune
from tests.export.tflite.test_metadata import EMBED, ask_mediapipe
from tests.tasks.recipes import recipe


@pytest.fixture(scope="module")
def sentences(shared_data):
    """Sentences of STS-B that MediaPipe reads as we do: ASCII."""
    lines = (shared_data / "stsb" / "sts-dev.csv").read_text(encoding="utf-8").splitlines()
    found = [cell for line in lines[:200] for cell in line.split("\t")[5:7] if cell.isascii()]
    return list(dict.fromkeys(found))


@pytest.mark.system
@pytest.mark.parametrize("task", ["similarity", "contrastive"])
def test_what_was_fine_tuned_embeds_real_sentences_everywhere_alike(
    task, config, tokenizer, sentences, tmp_path
):
    draw, rows = random.Random(0), {"similarity": [], "contrastive": ["anchor\tpositive"]}
    for first, second in zip(sentences[:64:2], sentences[1:64:2], strict=True):
        rows["similarity"].append(f"{first}\t{second}\t{draw.randint(0, 5)}")
        rows["contrastive"].append(f"{first}\t{second}")
    (tmp_path / "train.tsv").write_text("\n".join(rows[task]) + "\n")
    dense = {"dense_units": 12, "truncate_dim": 8} if task == "similarity" else {}
    start = BertForSentenceEmbedding(config, **dense) if dense else BertEncoder(config)
    save(start, tmp_path / "start", tokenizer)
    settings = recipe(data={"task": task}, train={"steps": 4, "batch_size": 8})
    run = tmp_path / "run"
    finetune(settings, run, tmp_path / "start", str(tmp_path / "train.tsv"))
    model = load(run)
    expected = model.embed(sentences)
    assert expected.shape[1] == (8 if dense else config.hidden_size)

    export_saved_model(model, None, tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["serving_default"]
    given = served(text=tf.constant(sentences))["sentence_embedding"]
    np.testing.assert_allclose(given, expected, atol=1e-5)

    export_tflite(model, None, tmp_path / "m.tflite", length=40)
    given = ask_mediapipe(EMBED, tmp_path / "m.tflite", sentences)
    np.testing.assert_allclose(given, expected, atol=1e-4)
