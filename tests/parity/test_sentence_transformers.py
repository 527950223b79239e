"""Directories of sentence-transformers, there and back, against the library (`make parity`)."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras.__main__ import run as main
from bert_keras.tasks import finetune
from tests.support.torch_models import sentence_model, write_encoder
from tests.tasks.recipes import recipe

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers|sentence_transformers)"),
]

TEXTS = [
    "A cat sits on the mat.",
    "NBA Finals: who won?",
    "one two three four five six seven eight nine ten " * 8,
    "",
    "query: cats",
]


def _open(path: Path) -> Any:
    return sentence_transformers.SentenceTransformer(str(path), device="cpu")


def _assert_same_vectors(path: Path, other: Path, **options: Any) -> np.ndarray:
    """The library's vectors of both directories and ours of both are the same."""
    expected = _open(path).encode(TEXTS, **options)
    np.testing.assert_allclose(_open(other).encode(TEXTS, **options), expected, atol=1e-6)
    for place in (path, other):
        ours = bert_keras.load(place).embed(TEXTS, **options)
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    return expected


@pytest.mark.parametrize(("limit", "length"), [(24, 24), (10**30, 96), (400, 96)])
def test_length_is_that_of_the_tokenizer_where_no_other_is_said(
    limit: int, length: int, tmp_path: Path
) -> None:
    sentence_model(tmp_path, {}, model_max_length=limit).save(str(tmp_path / "theirs"))
    saved = json.loads((tmp_path / "theirs" / "sentence_bert_config.json").read_text())
    assert "max_seq_length" not in saved
    assert main(["convert", str(tmp_path / "theirs"), str(tmp_path / "ours")]) == 0
    _assert_same_vectors(tmp_path / "theirs", tmp_path / "ours")
    assert bert_keras.load(tmp_path / "theirs").default_length == length
    assert _open(tmp_path / "ours").max_seq_length == length


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling_mode", ["mean", "cls", "max"])
def test_prompts_are_applied_and_kept(
    pooling_mode: str, include_prompt: bool, tmp_path: Path
) -> None:
    pooling = {"pooling_mode": pooling_mode, "include_prompt": include_prompt}
    model = sentence_model(tmp_path, pooling)
    model.prompts = {"query": "Query: ", "passage": "Passage: "}
    model.default_prompt_name = "query"
    model.similarity_fn_name = "dot"
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    model.save(str(theirs))
    assert main(["convert", str(theirs), str(tmp_path / "between.keras"), "--to", "keras"]) == 0
    assert main(["convert", str(tmp_path / "between.keras"), str(ours)]) == 0
    vectors = [
        _assert_same_vectors(theirs, ours, **options)
        for options in ({}, {"prompt_name": "passage"}, {"prompt": ""}, {"prompt_name": "document"})
    ]
    assert not np.allclose(vectors[0], vectors[1], atol=0.05)
    assert not np.allclose(vectors[0], vectors[2], atol=0.05)
    np.testing.assert_array_equal(vectors[2], vectors[3])
    again = _open(ours)
    assert again.similarity_fn_name == "dot"
    assert again.default_prompt_name == "query"
    assert again.prompts == model.prompts | {"document": ""}


@pytest.mark.parametrize(
    ("activation", "bias", "dimensions"),
    [("Tanh", True, None), ("Identity", False, 5), ("ReLU", True, 40), ("Sigmoid", False, None)],
)
def test_dense_layer_and_number_of_dimensions_are_applied_and_kept(
    activation: str, bias: bool, dimensions: int | None, tmp_path: Path
) -> None:
    theirs, between, ours = tmp_path / "theirs", tmp_path / "between.keras", tmp_path / "ours"
    model = sentence_model(tmp_path, {"pooling_mode": "max"})
    *encoder, normalize = model._modules.values()
    function = getattr(torch.nn, activation)()
    dense = sentence_transformers.base.modules.Dense(32, 12, bias, activation_function=function)
    model = sentence_transformers.SentenceTransformer(
        modules=[*encoder, dense, *([normalize] if bias else [])],
        truncate_dim=dimensions,
        device="cpu",
    )
    model.save(str(theirs))
    assert main(["convert", str(theirs), str(between), "--to", "keras"]) == 0
    assert main(["convert", str(between), str(ours)]) == 0
    vectors = _assert_same_vectors(theirs, ours)
    assert vectors.shape[1] == bert_keras.load(ours).dimensions == min(dimensions or 12, 12)
    assert _open(ours).truncate_dim == dimensions
    fewer = bert_keras.load(ours).embed(TEXTS, dimensions=3)
    np.testing.assert_allclose(fewer, _open(theirs).encode(TEXTS, truncate_dim=3), atol=1e-5)
    written = json.loads((ours / "2_Dense" / "config.json").read_text())
    kept = json.loads((theirs / "2_Dense" / "config.json").read_text())
    assert written.items() <= kept.items()


def test_what_is_fine_tuned_here_opens_there_as_its_card_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = bert_keras.load(
        write_encoder(tmp_path / "encoder"), bert_keras.BertForSentenceEmbedding, dense_units=12
    )
    bert_keras.save(start, tmp_path / "start")
    rows = [f"{text} one\t{text} two\t{number}" for number, text in enumerate(TEXTS)]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    settings = recipe(data={"task": "similarity"}, train={"steps": 2, "batch_size": 4})
    path = finetune(settings, tmp_path / "run", tmp_path / "start", str(tmp_path / "train.tsv"))
    np.testing.assert_allclose(
        _open(path).encode(TEXTS), bert_keras.load(path).embed(TEXTS), atol=1e-5
    )
    _, theirs = re.findall(r"```python\n(.*?)```", (path / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path / "run")
    names: dict[str, Any] = {}
    exec(theirs, names)  # noqa: S102 - what the card shows
    assert names["vectors"].shape == (2, 12)


def test_lower_casing_of_a_cased_tokenizer_is_applied_and_kept(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    sentence_model(tmp_path, {}).save(str(theirs))
    plain = _open(theirs).encode(TEXTS)
    values = json.loads((theirs / "sentence_bert_config.json").read_text())
    text = json.dumps(values | {"do_lower_case": True})
    (theirs / "sentence_bert_config.json").write_text(text)
    assert main(["convert", str(theirs), str(tmp_path / "between.keras"), "--to", "keras"]) == 0
    assert main(["convert", str(tmp_path / "between.keras"), str(ours)]) == 0
    lowered = _assert_same_vectors(theirs, ours)
    assert not np.allclose(plain, lowered, atol=0.05)
    # The encoder alone is cased as before.
    ids = [transformers.AutoTokenizer.from_pretrained(path)(TEXTS) for path in (theirs, ours)]
    assert ids[0]["input_ids"] == ids[1]["input_ids"]


def test_directory_of_an_older_release_answers_as_before(tmp_path: Path) -> None:
    theirs, ours = write_encoder(tmp_path / "theirs", do_lower_case=True), tmp_path / "ours"
    kinds = ["Transformer", "Pooling"]
    modules = [
        {"idx": n, "name": str(n), "path": f"{n}_{kind}" if n else "", "type": f"{package}.{kind}"}
        for n, kind in enumerate(kinds)
        for package in ["sentence_transformers.models"]
    ]
    (theirs / "modules.json").write_text(json.dumps(modules))
    (theirs / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (theirs / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (theirs / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')
    assert main(["convert", str(theirs), str(ours)]) == 0
    _assert_same_vectors(theirs, ours)
    assert _open(ours).max_seq_length == 20
