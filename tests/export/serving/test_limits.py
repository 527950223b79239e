"""What the clients of export/serving/ do when a request is too much for the server."""

from contextlib import contextmanager

import grpc
import numpy as np
import pytest

TEXTS = [f"Anna left Rome {number} times." for number in range(10)]


@contextmanager
def clients(scripts, server, name, **settings):
    rest = scripts["rest_client"].RestClient(
        name, f"http://127.0.0.1:{server.rest_port}", timeout=60, **settings
    )
    address = f"127.0.0.1:{server.grpc_port}"
    with scripts["grpc_client"].GrpcClient(name, address, timeout=60, **settings) as rpc:
        yield rest, rpc


@pytest.fixture
def served(model_server, exported):
    with model_server.serving({"classification": exported("classification")}) as server:
        for batcher in server.models["classification"].batchers.values():
            batcher.most = 4
        yield server


@pytest.fixture
def expected(served):
    model = served.models["classification"].session
    return model.run("serving_default", {"text": np.array([t.encode() for t in TEXTS], object)})


@pytest.mark.system
def test_the_limit_is_read_from_the_refusal_and_kept(scripts, served, expected):
    batchers = served.models["classification"].batchers
    with clients(scripts, served, "classification") as both:
        for client in both:
            for _ in range(2):
                before = len(batchers["serving_default"].sizes)
                answers = client.predict({"text": TEXTS})
                np.testing.assert_allclose(
                    answers["probabilities"], expected["probabilities"], atol=1e-5
                )
                assert batchers["serving_default"].sizes[before:] == [4, 4, 2]
            assert client.batch_size == 4


@pytest.mark.system
def test_a_batch_size_that_is_given_is_kept_to(scripts, served):
    sizes = served.models["classification"].batchers["serving_default"].sizes
    with clients(scripts, served, "classification", batch_size=3) as both:
        for client in both:
            before = len(sizes)
            assert len(client.predict({"text": TEXTS})["labels"]) == 10
            assert sizes[before:] == [3, 3, 3, 1]
            assert client.batch_size == 3


@pytest.mark.system
def test_answers_come_a_request_at_a_time(scripts, served):
    sizes = served.models["classification"].batchers["serving_default"].sizes
    with clients(scripts, served, "classification", batch_size=4) as both:
        for client in both:
            before = len(sizes)
            first = next(client.batches({"text": TEXTS}))
            assert len(first["labels"]) == 4
            assert sizes[before:] == [4]


@pytest.mark.parametrize("name", ["rest_client", "grpc_client"])
@pytest.mark.parametrize(
    ("refusal", "sizes"),
    [
        ("Task size 10 is larger than maximum input batch size 4", [10, 4, 4, 2]),
        ("Task size 10 is larger than maximum batch size 4", [10, 4, 4, 2]),  # before 2.4
        ("assertion failed: [too much for one request: ...] [10 512]", [10, 5, 2, 2, 2, 2, 2]),
        ("CLIENT: Received message larger than max (70000000 vs. 67108864)", [10, 5] + [2] * 5),
        ("CLIENT: Sent message larger than max (70000000 vs. 67108864)", [10, 5] + [2] * 5),
        ("SERVER: Received message larger than max (5000000 vs. 4194304)", [10, 5] + [2] * 5),
        ("413: no answer of TF Serving: <html>", [10, 5] + [2] * 5),
    ],
)
def test_the_rows_are_asked_for_in_order_in_parts_that_the_server_takes(
    scripts, name, refusal, sizes
):
    script = scripts[name]
    client = type("Client", (), {"batch_size": 32})()
    asked = []

    def ask(batch):
        asked.append(len(batch["text"]))
        if asked[-1] > 4:
            raise script.ServingError(refusal)
        return {"labels": [text.upper() for text in batch["text"]]}

    answers = script.joined(script.in_batches(client, {"text": TEXTS}, ask))
    assert answers["labels"] == [text.upper() for text in TEXTS]
    assert asked == (sizes if "Task" in refusal else [10, 5, 2, 2, 2, 2, 2])
    assert client.batch_size == (4 if "Task" in refusal else 32)


@pytest.mark.parametrize("name", ["rest_client", "grpc_client"])
@pytest.mark.parametrize(
    "refusal",
    [
        "Task size 10 is larger than maximum input batch size 10",
        "Task size 10 is larger than maximum input batch size 0",
        "Servable not found for request: Latest(other)",
    ],
)
def test_a_refusal_that_fewer_rows_do_not_help_is_the_end(scripts, name, refusal):
    script = scripts[name]
    client = type("Client", (), {"batch_size": 32})()
    asked = []

    def ask(batch):
        asked.append(len(batch["text"]))
        raise script.ServingError(refusal)

    with pytest.raises(script.ServingError, match=refusal[:20]):
        script.joined(script.in_batches(client, {"text": TEXTS}, ask))
    assert asked == [10]


def test_one_row_that_is_too_much_is_an_error_after_the_others(scripts):
    script = scripts["rest_client"]
    client = type("Client", (), {"batch_size": 4})()
    given = []

    def ask(batch):
        if TEXTS[9] in batch["text"]:
            raise script.ServingError("too much for one request")
        return {"labels": batch["text"]}

    batches = script.in_batches(client, {"text": TEXTS}, ask)
    with pytest.raises(script.ServingError, match="too much"):
        given.extend(label for answers in batches for label in answers["labels"])
    assert given == TEXTS[:9]


def test_answers_to_another_number_of_rows_are_refused(scripts):
    for name in ("rest_client", "grpc_client"):
        script = scripts[name]
        client = type("Client", (), {"batch_size": 4})()
        for answers in ({"labels": ["a"]}, {}):
            with pytest.raises(script.ServingError, match="2 rows were sent"):
                script.joined(
                    script.in_batches(client, {"text": ["a", "b"]}, lambda _, a=answers: a)
                )


@pytest.mark.system
def test_messages_too_large_for_grpc_are_sent_in_parts(scripts, served, monkeypatch, expected):
    """gRPC's own refusal, on the way there and on the way back."""
    script = scripts["grpc_client"]
    address = f"127.0.0.1:{served.grpc_port}"
    for batcher in served.models["classification"].batchers.values():
        batcher.most = 32
    sizes = served.models["classification"].batchers["serving_default"].sizes
    monkeypatch.setattr(script, "_MAX_MESSAGE", 800)  # bytes; too few for ten rows
    with script.GrpcClient("classification", address, 60) as client:
        before = len(sizes)
        answers = client.predict({"text": TEXTS})
        assert sizes[before:][-1] < 10
        np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], atol=1e-5)
        long = ["a very long text " * 30] * 2
        assert len(client.predict({"text": long})["labels"]) == 2
        with pytest.raises(grpc.RpcError) as error:
            client.predict({"text": "a very long text " * 60})
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.slow
def test_what_is_too_much_for_a_model_without_batching_is_sent_in_parts(
    model_server, make_model, scripts, tmp_path
):
    """The graph's own limit, of a server that was started without --enable_batching."""
    from bert_keras.export import export_saved_model

    settings = {"max_length": 32, "max_request_tokens": 64}
    export_saved_model(make_model("classification"), None, tmp_path / "small", **settings)
    folder = tmp_path / "small" / "1"
    texts = ["the ferry was late " * 20] * 5
    with (
        model_server.serving({"small": folder}, batching=False) as server,
        clients(scripts, server, "small") as both,
    ):
        for client in both:
            assert len(client.predict({"text": texts})["labels"]) == 5
            assert client.batch_size == 32


@pytest.mark.slow
def test_a_taggers_export_is_asked_for_as_many_texts_as_it_takes(
    model_server, make_model, scripts, tmp_path
):
    from bert_keras.export import export_saved_model

    settings = {"max_length": 16, "max_request_tokens": 1024}
    export_saved_model(make_model("tagging"), None, tmp_path / "ner", **settings)
    with (
        model_server.serving({"ner": tmp_path / "ner" / "1"}) as server,
        clients(scripts, server, "ner") as both,
    ):
        assert server.models["ner"].batchers["serving_default"].most == 4
        given = [client.predict({"text": TEXTS}) for client in both]
        assert given[0]["counts"] == [int(count) for count in given[1]["counts"]]
        assert len(given[0]["counts"]) == 10
        assert [client.batch_size for client in both] == [4, 4]
