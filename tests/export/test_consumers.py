"""The export in the hands of those who open it without bert_keras."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text

from bert_keras.export.samples import SENTENCES
from bert_keras.tasks import predict

TEXTS = [text for text in SENTENCES if text] + ["fine " * 100]

ONLY_TENSORFLOW = """
import json, sys
# What bert_keras needs beside TensorFlow, which itself brings Keras.
BLOCKED = ("bert_keras", "tokenizers", "safetensors", "sklearn", "seqeval")
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocked())
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
texts = json.loads(sys.stdin.read())
answers = loaded.signatures["serving_default"](text=tf.constant(texts))
print(json.dumps(answers["probabilities"].numpy().tolist()))
"""


@pytest.fixture(scope="module")
def expected(make_model):
    answers = predict(make_model("classification"), TEXTS)
    return np.array([list(answer["scores"].values()) for answer in answers])


@pytest.mark.system
def test_tensorflow_and_tensorflow_text_are_all_it_takes(exported, expected):
    run = subprocess.run(
        [sys.executable, "-c", ONLY_TENSORFLOW, exported("classification")],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(json.loads(run.stdout), expected, atol=1e-5)


def test_the_graph_loader_of_tf1_finds_every_signature_by_its_names(exported, expected, strings):
    """The C++ loader that TF Serving uses; it fails where Keras's variables are saved."""
    folder = str(exported("classification"))  # which may have to be made, outside of this graph
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signatures = loaded.signature_def
        assert set(signatures) - {"__saved_model_init_op"} == {
            "serving_default",
            "tokens",
            "tokenize",
        }
        signature = signatures["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        answers = session.run(
            signature.outputs["probabilities"].name,
            {signature.inputs["text"].name: strings(TEXTS)},
        )
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    """``serve.c`` built against the libraries of the TensorFlow wheel."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program = tmp_path_factory.mktemp("c") / "serve"
    libraries = Path(tf.sysconfig.get_lib())
    flags = [f"-I{tf.sysconfig.get_include()}", f"-L{libraries}", f"-Wl,-rpath,{libraries}"]
    linked = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    source = Path(__file__).parent / "serve.c"
    subprocess.run(
        ["gcc", "-O1", "-Wall", "-Werror", source, "-o", program, *flags, *linked], check=True
    )
    return program


@pytest.fixture(scope="module")
def ask_c(c_program, exported, session):
    """Sends requests to the program, one a line, and gives its answers."""
    folder = Path(tensorflow_text.__file__).parent / "python" / "ops"
    libraries = [
        folder / "_fast_bert_normalizer.so",
        folder / "_fast_wordpiece_tokenizer.so",
    ]

    def ask(*requests):
        signature = session("classification").signatures["serving_default"]
        tensors = [signature.inputs["text"].name.split(":")[0]]
        tensors.append(signature.outputs["probabilities"].name)
        run = subprocess.run(
            [c_program, exported("classification"), *tensors, *libraries],
            input="".join("\t".join(request) + "\n" for request in requests).encode(),
            capture_output=True,
            check=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        answers = run.stdout.decode().splitlines()
        assert len(answers) == len(requests)
        return answers

    return ask


@pytest.mark.system
def test_a_c_program_gets_the_answers_of_predict(ask_c, expected):
    whole, *single = ask_c(["texts", *TEXTS], *(["texts", text] for text in TEXTS))
    shape = (len(TEXTS), 3)
    np.testing.assert_allclose(np.reshape(whole.split(), shape).astype(float), expected, atol=1e-5)
    rows = np.array([answer.split() for answer in single], float)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


@pytest.mark.system
def test_a_wrong_rank_or_type_is_an_error_after_which_it_goes_on(ask_c, expected):
    """Session::Run checks no shapes: in C nothing stands between a client and the graph."""
    rank, dtype, empty, text = ask_c(
        ["rank2", *TEXTS[:3]], ["numbers", "a", "b"], ["texts"], ["texts", TEXTS[0]]
    )
    assert rank.startswith("error: ")
    assert "shape" in rank
    assert dtype.startswith("error: ")
    assert empty == ""
    np.testing.assert_allclose(np.array(text.split(), float), expected[0], atol=1e-5)
