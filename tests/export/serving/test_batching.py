"""The limits that an export writes for a server that batches, and what keeps to them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from bert_keras.config.export import SavedModelConfig
from bert_keras.export import export_saved_model
from bert_keras.export.answers import answers_of
from bert_keras.export.session import ServingSession
from bert_keras.export.tf_serving import (
    BATCHING_FILE,
    WARMUP_FILE,
    write_batching_parameters,
    write_warmup,
)

# The settings, and the rows that fit: of a text's windows, or of 64 tokens in the signature tokens.
CASES = [
    ("classification", {}, 32),
    ("classification", {"max_request_tokens": 512}, 8),
    ("classification", {"max_request_tokens": 512, "max_length": 16}, 8),
    ("classification", {"max_request_tokens": 40, "max_length": 16}, 1),
    ("pairs", {"max_request_tokens": 192, "max_length": 24, "pair": True}, 3),
    ("tagging", {"max_request_tokens": 1024, "max_length": 16, "max_windows": 16}, 4),
    ("tagging", {"max_request_tokens": 256, "max_length": 16, "max_windows": 2}, 4),
    ("tagging", {"max_request_tokens": 300, "max_length": 16, "max_windows": 16}, 1),
    ("span", {"max_request_tokens": 4096, "max_windows": 16}, 4),
    ("encoder", {"max_request_tokens": 1024, "max_length": 32}, 16),
]


@pytest.fixture
def written(make_model, tokenizer, tmp_path, protocol):
    """The limits and the warm-up requests of an export, as TF Serving reads them."""

    def write(kind, settings):
        model = make_model(kind)
        answers_class, config = answers_of(model, SavedModelConfig(**settings))
        answers = answers_class(model, tokenizer, None, config)
        write_batching_parameters(answers, tmp_path)
        write_warmup(answers, kind, tmp_path)
        records = tf.data.TFRecordDataset(str(tmp_path / WARMUP_FILE)).as_numpy_iterator()
        logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
        parameters = protocol.parse("BatchingParameters", tmp_path / BATCHING_FILE)
        return parameters, [log.predict_log.request for log in logs]

    return write


@pytest.mark.parametrize(("kind", "settings", "rows"), CASES)
def test_every_warm_up_request_is_within_the_limit_that_stands_beside_it(
    written, kind, settings, rows
):
    """Else TF Serving does not take the version up."""
    parameters, requests = written(kind, settings)
    assert parameters.max_batch_size.value == rows
    assert not parameters.pad_variable_length_inputs  # it pads with the request's first number
    sizes = [t.tensor_shape.dim[0].size for r in requests for t in r.inputs.values()]
    assert max(sizes) == rows
    distinct = {request.SerializeToString(deterministic=True) for request in requests}
    assert len(distinct) == len(requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("tagging", {"max_length": 16, "max_request_tokens": 1024}),
        ("span", {"max_request_tokens": 4096}),
    ],
)
def test_taggers_and_span_models_load_and_answer_where_few_rows_fit(
    make_model, model_server, scripts, tmp_path, kind, settings
):
    export_saved_model(make_model(kind), None, tmp_path / kind, **settings)
    with model_server.serving({kind: tmp_path / kind / "1"}) as server:
        address = f"127.0.0.1:{server.grpc_port}"
        with scripts["grpc_client"].GrpcClient(kind, address, 60, batch_size=2) as client:
            names = server.models[kind].session.signatures["serving_default"].inputs
            answers = client.predict({name: ["Anna left Rome."] * 3 for name in names})
    assert {len(values) for values in answers.values()} == {3}


@pytest.mark.slow
def test_batches_of_tokens_are_within_the_models_limit(make_model, tmp_path, protocol):
    """``tokens`` takes longer rows than a text becomes."""
    settings = {"max_length": 16, "max_request_tokens": 512}
    export_saved_model(make_model("classification"), None, tmp_path / "served", **settings)
    folder = tmp_path / "served" / "1"
    rows = protocol.parse("BatchingParameters", folder / BATCHING_FILE).max_batch_size.value
    batch = {name: np.ones((rows, 64), np.int32) for name in ("input_ids", "attention_mask")}
    batch["token_type_ids"] = np.zeros((rows, 64), np.int32)
    answers = ServingSession(folder).run("tokens", batch)
    assert len(answers["probabilities"]) == rows
