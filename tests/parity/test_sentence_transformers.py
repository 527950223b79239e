"""Directories of sentence-transformers, there and back, against the library (`make parity`)."""

import json
import os
import re
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras.__main__ import run as main
from bert_keras.tasks import finetune
from tests.tasks.recipes import recipe

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

LETTERS = [*string.ascii_letters, *string.digits, *".,:?!"]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS)]
TEXTS = [
    "A cat sits on the mat.",
    "NBA Finals: who won?",
    "one two three four five six seven eight nine ten " * 8,
    "",
    "query: cats",
]
PAIRS = [("How many?", "Forty two."), ("Who?", "Nobody, " * 40), ("", "x")]


def _encoder(path: Path, do_lower_case: bool = False, **options: Any) -> Path:
    """An encoder with random weights and its tokenizer, as transformers writes them."""
    torch.manual_seed(0)
    settings = {"model_max_length": options.pop("model_max_length", 1_000_000)}
    config = transformers.BertConfig(
        vocab_size=len(VOCAB),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=96,
        initializer_range=0.3,
        **options,
    )
    name = "BertForSequenceClassification" if "num_labels" in options else "BertModel"
    getattr(transformers, name)(config).save_pretrained(path)
    ids = {piece: number for number, piece in enumerate(VOCAB)}
    tokenizer = transformers.BertTokenizer(vocab=ids, do_lower_case=do_lower_case, **settings)
    tokenizer.save_pretrained(path)
    return path


def _sentence_model(tmp_path: Path, pooling: dict[str, Any], **options: Any) -> Any:
    modules = sentence_transformers.sentence_transformer.modules
    base = sentence_transformers.base.modules
    encoder = base.Transformer(str(_encoder(tmp_path / "encoder", **options)))
    return sentence_transformers.SentenceTransformer(
        modules=[encoder, modules.Pooling(32, **pooling), base.Normalize()], device="cpu"
    )


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
    _sentence_model(tmp_path, {}, model_max_length=limit).save(str(tmp_path / "theirs"))
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
    model = _sentence_model(tmp_path, pooling)
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
    model = _sentence_model(tmp_path, {"pooling_mode": "max"})
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
        _encoder(tmp_path / "encoder"), bert_keras.BertForSentenceEmbedding, dense_units=12
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
    _sentence_model(tmp_path, {}).save(str(theirs))
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
    theirs, ours = _encoder(tmp_path / "theirs", do_lower_case=True), tmp_path / "ours"
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
    _encoder(theirs, num_labels=1, model_max_length=64)
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
    _encoder(theirs, num_labels=labels, problem_type=problem_type, model_max_length=64)
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
        model = _sentence_model(tmp_path, {"pooling_mode": "max"}, model_max_length=24)
        model.prompts = {"query": "Query: "}
        model.save(str(path), safe_serialization=False)
    else:
        options = {"num_labels": 1} if kind == "cross-encoder" else {}
        _encoder(path, **options, model_max_length=64)
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
        np.testing.assert_allclose(
            bert_keras.load(made).embed(TEXTS, prompt_name="query"),
            _open(path).encode(TEXTS, prompt_name="query"),
            atol=1e-5,
        )
    elif kind == "cross-encoder":
        np.testing.assert_allclose(_ours(made), _scores(path), atol=1e-5)
    else:
        assert bert_keras.load(made).tokenizer.vocab == VOCAB
