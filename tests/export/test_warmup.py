import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from bert_keras.export.warmup import WARMUP_FILE


def test_the_records_are_requests_that_the_model_answers(exported, session):
    """Read with tensorflow-serving-api, as TF Serving reads them."""
    folder = exported("classification")
    sizes, signatures = set(), set()
    for record in tf.data.TFRecordDataset(str(folder / WARMUP_FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "classification"
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        answers = session("classification").run(name, inputs)
        (rows,) = {len(array) for array in inputs.values()}
        assert all(len(array) == rows for array in answers.values())
        signatures.add(name)
        if name == "serving_default":
            lengths = session("classification").run("tokenize", inputs)["input_ids"].shape
            sizes.add(lengths)
    assert signatures == {"serving_default", "tokens", "tokenize"}
    assert {size[0] for size in sizes} == {1, 4, 32}
    assert {size[1] for size in sizes} == {8, 32, 64}
    assert max(np.prod(size) for size in sizes) <= 4096
