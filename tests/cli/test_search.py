"""``bert-keras search``, as a user gives it."""

import json

import pytest

import bert_keras
from bert_keras import search
from bert_keras.errors import InputError
from bert_keras.retrieval.measures import measure_rankings
from tests.cli.test_embed import save_model
from tests.support.commands import output, refused, run

DOCUMENTS = {"d1": "a bad bee", "d2": "he had a cab", "d3": "feed the bag", "d4": "dead"}
QUERIES = {"q1": "bad bees", "q2": "had a cab", "q3": "who?"}
JUDGEMENTS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td4\t1\nq2\td2\t1\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("made") / "model")


@pytest.fixture
def beir(tmp_path):
    """A folder as BEIR has them."""
    for name, texts in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        rows = (json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    (tmp_path / "test.tsv").write_text(JUDGEMENTS)
    return tmp_path


def test_json_has_the_documents_by_row_and_id(model, beir, capsys):
    files = ["--documents", beir / "corpus.jsonl", "--queries", beir / "queries.jsonl"]
    results = json.loads(output(capsys, "search", model, *files, "--top", "2", "--json"))["results"]
    encoder = bert_keras.load(model)
    expected = search(encoder, list(DOCUMENTS.values()), list(QUERIES.values()), top=2)
    for result, (key, text), hits in zip(results, QUERIES.items(), expected, strict=True):
        assert (result["id"], result["query"]) == (key, text)
        found = result["found"]
        assert [hit["row"] - 1 for hit in found] == [hit["document"] for hit in hits]
        assert [hit["id"] for hit in found] == [f"d{hit['row']}" for hit in found]
        assert [hit["text"] for hit in found] == [hit["text"] for hit in hits]
        scores = [hit["score"] for hit in hits]
        assert [hit["score"] for hit in found] == pytest.approx(scores, abs=1e-5)


def test_a_table_for_each_query_without_ids_by_row(model, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in DOCUMENTS.values()))
    queries = ["--query", "he had a cab", "--query", "dead"]
    text = output(capsys, "search", model, "--documents", tmp_path / "texts.txt", *queries)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert lines[0] == ["he", "had", "a", "cab"]
    assert lines[1] == ["score", "document", "text"]
    assert lines[2] == ["1.0000", "2", "he", "had", "a", "cab"]
    assert lines[6:9] == [["dead"], lines[1], ["1.0000", "4", "dead"]]


def test_judgements_give_the_measures_of_the_judged_queries(model, beir, capsys):
    files = ["--documents", beir / "corpus.jsonl", "--queries", beir / "queries.jsonl"]
    files += ["--judgements", beir / "test.tsv"]
    printed = json.loads(output(capsys, "search", model, *files, "--json"))
    encoder = bert_keras.load(model)
    rankings = {
        key: [f"d{hit['document'] + 1}" for hit in search(encoder, list(DOCUMENTS.values()), text)]
        for key, text in QUERIES.items()
    }
    expected = measure_rankings(rankings, {"q1": {"d1": 2, "d4": 1}, "q2": {"d2": 1}})
    assert printed == {"measures": expected, "queries": 2, "documents": 4}
    text = output(capsys, "search", model, *files)
    assert "2 queries with judgements, 4 documents" in text
    assert ["ndcg@10", f"{expected['ndcg@10']:.4f}"] in [line.split() for line in text.splitlines()]


def test_prompts_are_used_and_named(tmp_path, capsys):
    model = save_model(tmp_path / "model", prompts={"query": "a a ", "passage": "b "})
    (tmp_path / "texts.txt").write_text("dead\nbee\n")
    capsys.readouterr()
    run("search", model, "--documents", tmp_path / "texts.txt", "--query", "bee", "--json")
    captured = capsys.readouterr()
    assert "the queries are read after the model's prompt 'a a '" in captured.err
    assert "the documents are read after the model's prompt 'b '" in captured.err
    hits = json.loads(captured.out)["results"][0]["found"]
    expected = search(bert_keras.load(model), ["dead", "bee"], "bee")
    assert [hit["text"] for hit in hits] == [hit["text"] for hit in expected]


def test_what_cannot_be_searched_is_one_line(model, beir, capsys):
    documents = ["--documents", beir / "corpus.jsonl"]
    queries = ["--queries", beir / "queries.jsonl"]
    judgements = ["--judgements", beir / "test.tsv"]

    def line(*arguments):
        return refused(capsys, "search", model, *arguments)

    assert "give one of the two" in line(*documents)
    assert "give one of the two" in line(*documents, *queries, "--query", "a")
    assert "leave out --query and --top" in line(*documents, "--query", "a", *judgements)
    assert "leave out --query and --top" in line(*documents, *queries, *judgements, "--top", "3")
    assert "nowhere.txt" in line("--documents", "nowhere.txt", "--query", "a")
    (beir / "test.tsv").write_text(JUDGEMENTS + "q9\td1\t1\n")
    assert "test.tsv, row 5 judges for a query" in line(*documents, *queries, *judgements)
    (beir / "empty.txt").write_text("")
    assert "holds no examples" in line("--documents", beir / "empty.txt", "--query", "a")
    (beir / "asked.txt").write_text("bees\n\n")
    message = "asked.txt, row 2: the text is empty, and nothing is like it: leave it out"
    assert message in line(*documents, "--queries", beir / "asked.txt")


def test_blank_documents_are_never_found(model, tmp_path, capsys):
    (tmp_path / "texts.csv").write_text('id,text\nd1,a bad bee\nd2," "\nd3,dead\n')
    files = ["--documents", tmp_path / "texts.csv", "--query", "bees", "--json"]
    capsys.readouterr()
    run("search", model, *files)
    captured = capsys.readouterr()
    (result,) = json.loads(captured.out)["results"]
    assert sorted((hit["id"], hit["row"]) for hit in result["found"]) == [("d1", 2), ("d3", 4)]
    assert "row 3: the text is empty; it is left out" in captured.err


def test_an_index_is_made_once_and_used_for_the_same_documents_alone(
    model, beir, capsys, monkeypatch
):
    pytest.importorskip("faiss")
    files = ["--documents", beir / "corpus.jsonl", "--queries", beir / "queries.jsonl"]
    expected = json.loads(output(capsys, "search", model, *files, "--json"))["results"]
    for _ in range(2):
        options = [*files, "--index", beir / "index", "--json"]
        for row, there in zip(
            json.loads(output(capsys, "search", model, *options))["results"], expected, strict=True
        ):
            assert [hit["id"] for hit in row["found"]] == [hit["id"] for hit in there["found"]]
            scores = [hit["score"] for hit in there["found"]]
            assert [hit["score"] for hit in row["found"]] == pytest.approx(scores, abs=1e-5)
    (beir / "other.txt").write_text("dead\nbee\n")
    monkeypatch.setattr("bert_keras.retrieval.search.embed_queries", None)  # it comes later
    line = refused(capsys, "search", model, "--documents", beir / "other.txt",
                   "--query", "bee", "--index", beir / "index")  # fmt: skip
    assert "is an index of other documents" in line


def test_the_documents_of_an_index_are_embedded_from_where_they_were_broken_off(
    model, beir, capsys, monkeypatch
):
    pytest.importorskip("faiss")
    monkeypatch.setattr("bert_keras.retrieval.unfinished.PIECE", 2)
    index = beir / "index"
    command = ["search", model, "--documents", beir / "corpus.jsonl", "--query", "bees", "--json"]
    expected = json.loads(output(capsys, *command))["results"]
    given = []
    embed = bert_keras.BertForSentenceEmbedding.embed

    def embed_once(self, texts, *arguments, **settings):
        if given:
            raise InputError("broken off")
        given.append(texts)
        return embed(self, texts, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(bert_keras.BertForSentenceEmbedding, "embed", embed_once)
        assert "broken off" in refused(capsys, *command, "--index", index)
    assert (beir / "index.unfinished").is_dir()
    assert not index.exists()
    capsys.readouterr()
    run(*command, "--index", index)
    captured = capsys.readouterr()
    assert "index.unfinished is continued at text 3" in captured.err
    (result,), (there,) = json.loads(captured.out)["results"], expected
    assert [hit["id"] for hit in result["found"]] == [hit["id"] for hit in there["found"]]
    assert not (beir / "index.unfinished").exists()


def test_an_index_that_cannot_be_written_is_refused_before_anything_is_embedded(
    model, beir, capsys, monkeypatch
):
    pytest.importorskip("faiss")
    monkeypatch.setattr("bert_keras.cli.search.open_encoder", None)
    files = ["--documents", beir / "corpus.jsonl", "--query", "bee", "--index"]
    line = refused(capsys, "search", model, *files, beir / "test.tsv" / "index")
    assert "test.tsv/index" in line
    assert "Not a directory" in line
    assert "is not UTF-8" in refused(capsys, "search", model, *files, beir / "caf\udce9")
    (beir / "closed").mkdir(mode=0o500)
    monkeypatch.setattr("os.access", lambda path, mode: path.name != "closed")  # root may write
    line = refused(capsys, "search", model, *files, beir / "closed" / "index")
    assert "Permission denied" in line
