"""Directories of cross-encoders and classifiers against sentence-transformers and transformers.

And the command that makes safetensors of a pickle (`make parity`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bert_keras
from bert_keras.__main__ import run as main
from tests.support.torch_models import VOCAB, sentence_model, write_encoder

safetensors = pytest.importorskip("safetensors.torch")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers|sentence_transformers)"),
]

PAIRS = [("How many?", "Forty two."), ("Who?", "Nobody, " * 40), ("", "x")]
TEXTS = ["A cat sits on the mat.", "NBA Finals: who won?", "query: cats"]


def _scores(path: Path) -> list[float]:
    model = sentence_transformers.CrossEncoder(str(path), device="cpu")
    return list(map(float, model.predict(PAIRS)))


def _pipeline(path: Path) -> list[float]:
    pipeline = transformers.pipeline("text-classification", model=str(path), device="cpu")
    pairs = [{"text": a, "text_pair": b} for a, b in PAIRS]
    return [answer["score"] for answer in pipeline(pairs, truncation=True)]


def _ours(path: Path) -> list[float]:
    answers = bert_keras.predict(bert_keras.load(path), *map(list, zip(*PAIRS, strict=True)))
    return [answer["score"] for answer in answers]


@pytest.mark.parametrize("activation", [None, "Sigmoid", "Identity"])
@pytest.mark.parametrize("release", ["config.json", "old", "modules.json"])
def test_cross_encoder_scores_as_its_files_ask_and_keeps_asking(
    activation: str | None, release: str, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    write_encoder(theirs, num_labels=1, model_max_length=64)
    home = {"Sigmoid": "torch.nn.modules.activation.Sigmoid"}
    name = home.get(str(activation), "torch.nn.modules.linear.Identity")
    if activation and release == "modules.json":
        function = getattr(torch.nn, activation)()
        model = sentence_transformers.CrossEncoder(str(theirs), activation_fn=function)
        theirs = tmp_path / "saved"
        model.save(str(theirs))
    elif activation:
        key = "sbert_ce_default_activation_function"
        values = {key: name} if release == "old" else {}
        values |= {} if values else {"sentence_transformers": {"activation_fn": name}}
        config = json.loads((theirs / "config.json").read_text())
        (theirs / "config.json").write_text(json.dumps(config | values))
    before, of_pipeline = _scores(theirs), _pipeline(theirs)
    steps = [theirs, tmp_path / "between.keras", ours]
    assert main(["convert", str(steps[0]), str(steps[1]), "--to", "keras"]) == 0
    assert main(["convert", str(steps[1]), str(steps[2])]) == 0
    np.testing.assert_allclose(_scores(ours), before, atol=1e-5)
    np.testing.assert_allclose(_pipeline(ours), of_pipeline, atol=1e-5)
    for path in steps:
        np.testing.assert_allclose(_ours(path), before, atol=1e-5)
    is_probability = all(0 <= score <= 1 for score in before)
    assert is_probability == (activation != "Identity")


@pytest.mark.parametrize(
    ("labels", "problem_type"),
    [
        (1, None),
        (1, "regression"),
        (1, "multi_label_classification"),
        (3, None),
        (3, "single_label_classification"),
        (3, "multi_label_classification"),
    ],
)
def test_pipeline_gives_the_same_scores_after_conversion_and_so_do_we(
    labels: int, problem_type: str | None, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    write_encoder(theirs, num_labels=labels, problem_type=problem_type, model_max_length=64)
    assert main(["convert", str(theirs), str(ours)]) == 0
    written = json.loads((ours / "config.json").read_text())
    assert written.get("problem_type") == problem_type
    texts = ["A cat.", "who"]
    every = [
        transformers.pipeline("text-classification", model=str(path), device="cpu")(
            texts, top_k=None, truncation=True
        )
        for path in (theirs, ours)
    ]
    for before, after, mine in zip(
        *every, bert_keras.predict(bert_keras.load(theirs), texts), strict=True
    ):
        expected = {row["label"]: row["score"] for row in before}
        assert {row["label"]: row["score"] for row in after} == pytest.approx(expected, abs=1e-5)
        given = mine["scores"] if "scores" in mine else {"LABEL_0": mine["score"]}
        assert given == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["BertModel", "BertForMaskedLM", "BertForTokenClassification"])
def test_truncation_works_on_a_long_text_after_saving(name: str, tmp_path: Path) -> None:
    """Without model_max_length transformers cuts nothing, and the model fails."""
    config = bert_keras.BertConfig.from_preset(
        "tiny", vocab_size=len(VOCAB), max_position_embeddings=48
    )
    model = getattr(bert_keras, "BertEncoder" if name == "BertModel" else name)(config)
    bert_keras.save(model, tmp_path / "ours", bert_keras.BertTokenizer(VOCAB))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    fed = tokenizer("a long text " * 100, truncation=True, return_tensors="pt")
    assert fed["input_ids"].shape == (1, 48)
    with torch.no_grad():
        getattr(transformers, name).from_pretrained(tmp_path / "ours")(**fed)


@pytest.mark.parametrize("kind", ["sentence-transformers", "cross-encoder", "encoder"])
def test_command_against_a_pickle_works_when_pasted_and_leaves_nothing_behind(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "it's a model"
    if kind == "sentence-transformers":
        model = sentence_model(tmp_path, {"pooling_mode": "max"}, model_max_length=24)
        model.prompts = {"query": "Query: "}
        model.save(str(path), safe_serialization=False)
    else:
        options = {"num_labels": 1} if kind == "cross-encoder" else {}
        write_encoder(path, **options, model_max_length=64)
        (path / "README.md").write_text("A model.")
    weights = path / "model.safetensors"
    if weights.exists():  # the newest transformers writes no pickles
        torch.save(safetensors.load_file(weights), path / "pytorch_model.bin")
        weights.unlink()
    with pytest.raises(bert_keras.errors.InputError) as caught:
        bert_keras.load(path)
    message = str(caught.value)
    command = message[message.index("python -c ") :]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", command], check=True, env=environment, cwd=tmp_path)

    made = tmp_path / "it's a model-safetensors"
    assert f"open {made}:" in message
    files = [{file.name for file in place.rglob("*") if file.is_file()} for place in (path, made)]
    assert files[1] - files[0] == {"model.safetensors"}
    assert files[0] - files[1] == {"pytorch_model.bin"}
    if kind == "sentence-transformers":
        theirs = sentence_transformers.SentenceTransformer(str(path), device="cpu")
        np.testing.assert_allclose(
            bert_keras.load(made).embed(TEXTS, prompt_name="query"),
            theirs.encode(TEXTS, prompt_name="query"),
            atol=1e-5,
        )
    elif kind == "cross-encoder":
        np.testing.assert_allclose(_ours(made), _scores(path), atol=1e-5)
    else:
        assert bert_keras.load(made).tokenizer.vocab == VOCAB
