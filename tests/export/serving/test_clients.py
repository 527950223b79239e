"""The clients of export/serving/ against a server that speaks TF Serving's protocol."""

import random
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from bert_keras.export.samples import SENTENCES
from bert_keras.tasks import predict

WORDS = ["the", "ferry", "was", "late", "so", "we", "这", "家", "½", "😀", "[MASK]", "naïve"]


@pytest.fixture(scope="module")
def server(model_server, exported):
    with model_server.serving({"classification": exported("classification")}) as running:
        yield running


@pytest.fixture(scope="module")
def batchers(server):
    return server.models["classification"].batchers


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
    with pytest.raises(refused, match=r"400: .*does not have named input: txet"):
        rest.predict({"txet": ["a"]})
    with pytest.raises(refused, match=r"400: .*not of expected type: string"):
        rest.predict({"text": [[1]]})
    other = scripts["rest_client"].RestClient("other", f"http://127.0.0.1:{server.rest_port}")
    assert rest.is_ready()
    assert not other.is_ready()
    with pytest.raises(refused, match=r"404: Servable not found for request: Latest\(other\)"):
        other.predict({"text": ["a"]})
    for inputs, signature, code in (
        ({"text": [[1], [2]]}, "serving_default", grpc.StatusCode.INVALID_ARGUMENT),
        ({"txet": ["a"]}, "serving_default", grpc.StatusCode.INVALID_ARGUMENT),
        ({"text": ["a"]}, "no_such", grpc.StatusCode.FAILED_PRECONDITION),
    ):
        with pytest.raises(grpc.RpcError) as error:
            rpc.predict(inputs, signature)
        assert error.value.code() == code


HOSTILE = ["", b"\xff\xfe\x00", "x" * 1_000_000, "\u0301" * 5000, " \n", "[CLS] [SEP]" * 300]


@pytest.mark.system
def test_of_64_at_a_time_every_answer_goes_to_its_question(batchers, rest, rpc, expected):
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
        lambda: rpc.predict({"text": np.zeros((3, 2), np.int32)}),
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
    before = len(batchers["serving_default"].sizes)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(ask, jobs))
    together = batchers["serving_default"].sizes[before:]
    assert max(together) > 4, "no requests were put together: nothing was shown"
    right = expected([text for _, texts in jobs if texts for text in texts])
    given = np.concatenate([a for a in answers if a is not None])
    np.testing.assert_allclose(given, right, atol=1e-5)


@pytest.fixture
def patient(batchers, monkeypatch):
    """The server waits so long for company that all who ask now are put together."""
    for batcher in batchers.values():
        monkeypatch.setattr(batcher, "wait", 1.0)
    return batchers


def batch_of(tokenizer, text, length=0):
    """What ``tokens`` takes for one text, padded to a length."""
    ids = tokenizer.encode(text).input_ids
    padding = max(0, length - len(ids))
    columns = {
        "input_ids": [*ids, *[tokenizer.pad_id] * padding],
        "attention_mask": [1] * len(ids) + [0] * padding,
        "token_type_ids": [0] * (len(ids) + padding),
    }
    return {name: np.array([column], np.int32) for name, column in columns.items()}


def test_ids_padded_to_one_length_are_put_together_and_parted_again(
    patient, rpc, tokenizer, expected
):
    texts = [" ".join(WORDS[:count]) for count in range(8)] * 2
    batches = [batch_of(tokenizer, text, 24) for text in texts]
    before = len(patient["tokens"].sizes)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda b: rpc.predict(b, "tokens")["probabilities"], batches))
    assert max(patient["tokens"].sizes[before:]) > 1
    np.testing.assert_allclose(np.concatenate(answers), expected(texts), atol=1e-5)


@pytest.mark.system
def test_ids_of_other_lengths_are_refused_and_never_answered_wrongly(
    patient, rpc, tokenizer, expected
):
    texts = ["the ferry", "the ferry was late so we"]
    batches = [batch_of(tokenizer, text) for text in texts]
    assert refusals(rpc, [(batch, "tokens") for batch in batches]) == {
        grpc.StatusCode.FAILED_PRECONDITION
    }
    alone = [rpc.predict(batch, "tokens")["probabilities"] for batch in batches]
    np.testing.assert_allclose(np.concatenate(alone), expected(texts), atol=1e-5)


@pytest.mark.system
def test_texts_of_a_wrong_shape_are_refused_with_their_company_and_the_next_are_answered(
    patient, rpc, expected
):
    """Which the clients never send: here the requests are made by hand."""
    codes = []

    def ask(texts):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "classification"
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(np.array(texts, object)))
        with pytest.raises(grpc.RpcError) as error:
            rpc.stub.Predict(request, timeout=60)
        codes.append(error.value.code())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, [[[b"a"], [b"b"]], [b"late"]]))
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION] * 2
    answers = rpc.predict({"text": ["late"]})["probabilities"]
    np.testing.assert_allclose(answers, expected(["late"]), atol=1e-5)


def refusals(client, jobs):
    """The codes with which a server refuses what it is asked at the same time."""

    def ask(job):
        with pytest.raises(grpc.RpcError) as error:
            client.predict(*job)
        return error.value.code()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return set(pool.map(ask, jobs))
