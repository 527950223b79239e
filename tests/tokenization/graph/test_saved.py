import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.tokenization.graph.pairs import pair_of

pytestmark = pytest.mark.system

TEXTS = ["The unaffable [MASK]", "é" * 101 + " 世界", "a\U0001d16d\U0001d165e", "", "\ufffd"]
# What is used of tensorflow-text: in its target ops_lib (tensorflow_text/BUILD), which TF Serving
# links (SUPPORTED_TENSORFLOW_OPS in tensorflow_serving/model_servers/BUILD).
TEXT_OPERATIONS = {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}


class _Module(tf.Module):
    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def tokenize(self, text):
        return self.graph.encode_with_offsets(text)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "text"),
            tf.TensorSpec([None], tf.string, "text_pair"),
        ]
    )
    def tokenize_pair(self, text, text_pair):
        return self.graph.encode(text, text_pair)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "1"
    module = _Module(pair_of().graph)
    signatures = {"tokenize": module.tokenize, "tokenize_pair": module.tokenize_pair}
    tf.saved_model.save(module, path, signatures=signatures)
    return path


def _assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values.numpy(), err_msg=name)


def test_a_saved_tokenizer_gives_the_same(saved):
    loaded = tf.saved_model.load(saved).signatures
    texts = tf.constant(TEXTS)
    _assert_equal(loaded["tokenize"](text=texts), pair_of().single_offsets(texts))
    swapped = texts[::-1]
    _assert_equal(
        loaded["tokenize_pair"](text=texts, text_pair=swapped), pair_of().pair(texts, swapped)
    )


def test_the_graph_loader_of_serving_gives_the_same(saved):
    columns = (TEXTS, [])
    expected = [pair_of().single_offsets(tf.constant(texts, tf.string)) for texts in columns]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(saved))
        signature = graph.signature_def["tokenize"]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        for texts, values in zip(columns, expected, strict=True):
            feed = {signature.inputs["text"].name: np.array(texts, object)}
            _assert_equal(session.run(outputs, feed), values)


def test_only_two_operations_are_not_tensorflows_own(saved):
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((saved / "saved_model.pb").read_bytes())
    [meta_graph] = model.meta_graphs
    functions = meta_graph.graph_def.library.function
    nodes = [*meta_graph.graph_def.node, *(node for f in functions for node in f.node_def)]
    names = {function.signature.name for function in functions}
    used = {node.op for node in nodes} - names
    assert {name for name in used if not hasattr(tf.raw_ops, name)} == TEXT_OPERATIONS


def test_the_tables_are_stored_once(saved):
    pieces = pair_of().graph._pieces
    tables = len(pieces._cut._wordpiece.numpy()) + len(pieces._normal._model.numpy())
    assert (saved / "saved_model.pb").stat().st_size < 2 * tables + 500_000
