"""What the clients of export/serving/ do when a server does not answer."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import requests
from tensorflow_serving.apis import prediction_service_pb2_grpc


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


def test_what_takes_too_long_is_not_asked_again(scripts, listening):
    with listening(lambda connection: None) as (address, had):
        client = scripts["rest_client"].RestClient("m", f"http://{address}", timeout=0.5)
        start = time.monotonic()
        with pytest.raises(requests.ReadTimeout):
            client.predict({"text": ["a"]})
        assert time.monotonic() - start < 1
        assert len(had) == 1


@pytest.mark.parametrize(
    ("status", "times"), [(503, 3), (502, 3), (504, 1), (429, 1), (500, 1), (None, 3)]
)
def test_only_what_the_server_did_not_take_on_is_asked_again(
    scripts, listening, replying, status, times
):
    """TF Serving says 503 when its queue is full, 504 and 429 when the time ran out."""

    def hang_up(connection):  # without a word, as one that is restarted
        connection.recv(1 << 16)
        connection.close()

    answer = replying(status, b'{"error": "no"}') if status else hang_up
    error = scripts["rest_client"].ServingError if status else requests.ConnectionError
    with listening(answer) as (address, had):
        client = scripts["rest_client"].RestClient("m", f"http://{address}", retries=2)
        with pytest.raises(error, match=str(status or "aborted")):
            client.predict({"text": ["a"]})
        assert len(had) == times


def test_over_grpc_a_deadline_is_the_end(scripts):
    class Slow(prediction_service_pb2_grpc.PredictionServiceServicer):
        calls = 0

        def Predict(self, request, context):  # noqa: N802
            Slow.calls += 1
            if request.model_spec.name == "deadline":
                context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "in the queue")
            time.sleep(0.6)

    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Slow(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        for name in ("deadline", "slow"):
            Slow.calls = 0
            with (
                scripts["grpc_client"].GrpcClient(name, f"127.0.0.1:{port}", 0.3) as client,
                pytest.raises(grpc.RpcError) as error,
            ):
                client.predict({"text": ["a"]})
            time.sleep(0.5)  # another try would come by then
            assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert Slow.calls == 1
        server.stop(None).wait()
