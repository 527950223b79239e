"""``bert-keras search --rerank``, as a user gives it."""

import json

import pytest

import bert_keras
from bert_keras import BertForSequenceClassification, BertTokenizer, rank, search
from bert_keras.retrieval.measures import measure_rankings
from tests.cli.test_embed import VOCAB, save_model
from tests.support.commands import output, refused
from tests.support.models import small_config

DOCUMENTS = {"d1": "a bad bee", "d2": "he had a cab", "d3": "feed the bag", "d4": "dead", "d5": "a"}
QUERIES = {"q1": "bad bees", "q2": "had a cab"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sentence encoder, a cross-encoder, and BEIR's files."""
    folder = tmp_path_factory.mktemp("made")
    save_model(folder / "encoder")
    config = small_config(len(VOCAB), initializer_range=0.3)
    model = BertForSequenceClassification(config, labels=["score"], problem_type="regression")
    bert_keras.save(model, folder / "ranker", BertTokenizer(VOCAB))
    for name, texts in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        rows = (json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
        (folder / f"{name}.jsonl").write_text("".join(rows))
    (folder / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td4\t1\nq2\td2\t1\n"
    )
    return folder


def arguments(folder, *more):
    files = ["--documents", folder / "corpus.jsonl", "--queries", folder / "queries.jsonl"]
    return ["search", folder / "encoder", *files, "--rerank", folder / "ranker", *more]


def both(folder, candidates):
    """By query, the documents as the encoder finds them, and the candidates as ``rank`` does."""
    encoder, ranker = bert_keras.load(folder / "encoder"), bert_keras.load(folder / "ranker")
    texts = list(DOCUMENTS.values())
    for key, query in QUERIES.items():
        found = [hit["document"] for hit in search(encoder, texts, query)]
        first = found[:candidates]
        ranked = rank(ranker, query, [texts[number] for number in first])
        yield key, found, [(first[hit["document"]], hit["score"]) for hit in ranked]


def test_the_candidates_are_in_the_order_of_the_cross_encoder(folder, capsys):
    more = ["--candidates", "4", "--top", "3", "--json"]
    results = json.loads(output(capsys, *arguments(folder, *more)))["results"]
    for result, (key, _, ranked) in zip(results, both(folder, 4), strict=True):
        assert result["id"] == key
        assert [hit["row"] - 1 for hit in result["found"]] == [number for number, _ in ranked[:3]]
        scores = [hit["score"] for hit in result["found"]]
        assert scores == pytest.approx([score for _, score in ranked[:3]], abs=1e-5)
        assert scores == sorted(scores, reverse=True)


def test_the_measures_are_those_before_and_after(folder, capsys):
    """Documents behind the candidates stay behind them."""
    judgements = {"q1": {"d1": 2, "d4": 1}, "q2": {"d2": 1}}
    before, after = {}, {}
    for key, found, ranked in both(folder, 3):
        before[key] = [f"d{number + 1}" for number in found]
        after[key] = [f"d{number + 1}" for number, _ in ranked] + before[key][3:]
    assert before != after
    more = ["--judgements", folder / "test.tsv", "--candidates", "3"]
    printed = json.loads(output(capsys, *arguments(folder, *more, "--json")))
    assert printed["before"] == measure_rankings(before, judgements)
    assert printed["measures"] == measure_rankings(after, judgements)
    lines = [line.split() for line in output(capsys, *arguments(folder, *more)).splitlines()]
    assert ["measure", "before", "after"] in lines
    values = [f"{printed[name]['ndcg@10']:.4f}" for name in ("before", "measures")]
    assert ["ndcg@10", *values] in lines


def test_what_cannot_be_reranked_is_one_line(folder, capsys):
    documents = ["--documents", folder / "corpus.jsonl", "--query", "a"]

    def line(*more):
        return refused(capsys, "search", folder / "encoder", *documents, *more)

    assert "give both" in line("--candidates", "3")
    assert "raise --candidates" in line("--rerank", folder / "ranker", "--candidates", "3")
    assert "no such model directory: nowhere" in line("--rerank", "nowhere")
    assert "BertForSentenceEmbedding gives no score" in line("--rerank", folder / "encoder")
