"""The clients of export/serving/ against a server that speaks TF Serving's protocol."""

import importlib.util
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from bert_keras.export.samples import SENTENCES
from bert_keras.tasks import predict

WORDS = ["the", "ferry", "was", "late", "so", "we", "这", "家", "½", "😀", "[MASK]", "naïve"]


def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


model_server = module(Path(__file__).parent / "model_server.py", "model_server")


@pytest.fixture(scope="module")
def scripts(repository):
    folder = repository / "export" / "serving"
    names = ("rest_client", "grpc_client", "load")
    return {name: module(folder / f"{name}.py", name) for name in names}


@pytest.fixture(scope="module")
def server(exported):
    with model_server.serving("classification", exported("classification")) as running:
        yield running


@pytest.fixture(scope="module")
def rest(scripts, server):
    url = f"http://127.0.0.1:{server.rest_port}"
    return scripts["rest_client"].RestClient("classification", url, timeout=60)


@pytest.fixture(scope="module")
def rpc(scripts, server):
    address = f"127.0.0.1:{server.grpc_port}"
    with scripts["grpc_client"].GrpcClient("classification", address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def expected(make_model):
    """What predict answers, by text."""

    def answer(texts):
        plain = [t.decode(errors="replace") if isinstance(t, bytes) else t for t in texts]
        rows = predict(make_model("classification"), plain)
        return np.array([list(row["scores"].values()) for row in rows])

    return answer


def test_both_clients_answer_as_predict_and_in_batches(rest, rpc, expected):
    texts = [*SENTENCES, b"not \xff UTF-8"] * 3  # more than one request takes
    for client in (rest, rpc):
        answers = client.predict({"text": texts})
        assert len(answers["labels"]) == len(texts)
        np.testing.assert_allclose(answers["probabilities"], expected(texts), atol=1e-5)
    assert [label.decode() for label in answers["labels"]] == rest.predict({"text": texts})[
        "labels"
    ]


def test_ids_and_single_outputs_can_be_asked_for(rpc, rest, expected):
    texts = SENTENCES[:4]
    ids = rpc.predict({"text": texts}, "tokenize")
    arrays = {name: np.array(rows) for name, rows in ids.items()}
    answers = rpc.predict(arrays, "tokens", outputs=["probabilities"])
    assert list(answers) == ["probabilities"]
    np.testing.assert_allclose(answers["probabilities"], expected(texts), atol=1e-5)


def test_what_cannot_be_answered_is_an_error_that_says_why(scripts, server, rest, rpc):
    refused = scripts["rest_client"].ServingError
    with pytest.raises(refused, match=r"400: .*signature name"):
        rest.predict({"text": ["a"]}, "no_such")
    with pytest.raises(refused, match=r"400: .*input names must be"):
        rest.predict({"txet": ["a"]})
    with pytest.raises(refused, match=r"400: .*must be of type string"):
        rest._post("serving_default", {"text": [1]})
    with pytest.raises(ValueError, match="as many texts"):
        rest.predict({"text_a": ["a"], "text_b": []})
    other = scripts["rest_client"].RestClient("other", f"http://127.0.0.1:{server.rest_port}")
    assert rest.is_ready()
    assert not other.is_ready()
    with pytest.raises(refused, match="404"):
        other.predict({"text": ["a"]})
    for inputs, signature in (
        ({"text": np.array([1, 2])}, "serving_default"),
        ({"text": np.array([[b"a"]], object)}, "serving_default"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            rpc.predict(inputs, signature)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_server_that_is_away_or_slow_is_given_up_in_time(scripts):
    refusing = scripts["rest_client"].RestClient("m", "http://127.0.0.1:9", timeout=0.2, retries=1)
    assert not refusing.is_ready()
    with (
        scripts["grpc_client"].GrpcClient("m", "127.0.0.1:9", timeout=0.3) as client,
        pytest.raises(grpc.RpcError) as error,
    ):
        client.predict({"text": ["a"]})
    assert error.value.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )


HOSTILE = ["", b"\xff\xfe\x00", "x" * 1_000_000, "\u0301" * 5000, " \n", "[CLS] [SEP]" * 300]


def test_of_64_at_a_time_every_answer_goes_to_its_question(server, rest, rpc, expected):
    """Mixed lengths, both protocols, hostile texts and wrong requests among them."""
    draw = random.Random(0)
    requests = []
    for number in range(64 * 3):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 70)))
                 for _ in range(draw.randint(1, 4))]  # fmt: skip
        if number % 6 == 0:
            texts[-1] = HOSTILE[number // 6 % len(HOSTILE)]
        requests.append(texts)
    wrong = [
        lambda: rpc.predict({"text": np.array([[b"a"], [b"b"]], object)}),
        lambda: rpc.predict({"text": np.zeros(3, np.float32)}),
        lambda: rest.predict({"text": ["a"]}, "tokens"),
        lambda: rpc.predict(
            {n: np.full((2, 3), 10**6, np.int32)
             for n in ("input_ids", "attention_mask", "token_type_ids")}, "tokens"),
    ]  # fmt: skip

    def ask(job):
        number, texts = job
        if texts is None:
            with pytest.raises((grpc.RpcError, RuntimeError)):
                wrong[number % len(wrong)]()
            return None
        client = rest if number % 2 else rpc
        return client.predict({"text": texts})["probabilities"]

    jobs = [*enumerate(requests), *((number, None) for number in range(32))]
    draw.shuffle(jobs)
    before = len(server.batchers["serving_default"].sizes)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(ask, jobs))
    together = server.batchers["serving_default"].sizes[before:]
    assert max(together) > 4, "no requests were put together: nothing was shown"
    right = expected([text for _, texts in jobs if texts for text in texts])
    given = np.concatenate([a for a in answers if a is not None])
    np.testing.assert_allclose(given, right, atol=1e-5)


def test_ids_of_other_lengths_are_put_together_and_parted_again(server, rpc, tokenizer, expected):
    texts = [" ".join(WORDS[:count]) for count in range(16)] * 2

    def ask(text):
        ids = np.array([tokenizer.encode(text).input_ids])
        batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        batch["token_type_ids"] = np.zeros_like(ids)
        batch = {name: array.astype(np.int32) for name, array in batch.items()}
        return rpc.predict(batch, "tokens")["probabilities"]

    with ThreadPoolExecutor(16) as pool:
        answers = np.concatenate(list(pool.map(ask, texts)))
    assert max(server.batchers["tokens"].sizes) > 1
    np.testing.assert_allclose(answers, expected(texts), atol=1e-5)


def test_the_load_script_counts_answers_and_refusals(scripts, rest):
    result = scripts["load"].run(
        lambda text: rest.predict({"text": [text]}), ["a fine film", "late"], 4, 0.5
    )
    assert result["requests"] > 4
    assert result["errors"] == {}
    assert result["median_ms"] <= result["p95_ms"] <= result["p99_ms"]
    refused = scripts["load"].run(lambda text: rest.predict({"x": [text]}), ["a"], 2, 0.2)
    assert refused["requests"] == 0
    assert refused["errors"]["ServingError"] > 0
