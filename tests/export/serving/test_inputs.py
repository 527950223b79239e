"""What the clients of export/serving/ take for the inputs of a model."""

import ast
import io
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module", params=["rest_client", "grpc_client"])
def columns_of(request, scripts):
    return scripts[request.param].columns_of


ONE = ["a fine film"]


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ("a fine film", ONE),
        (b"a fine film", [b"a fine film"]),
        (ONE, ONE),
        (("a fine film", b"\xff"), ["a fine film", b"\xff"]),
        ("", [""]),
        ([""], [""]),
        (np.array(ONE), ONE),
        (np.array(ONE, object), ONE),
        (np.array([b"a fine film"]), [b"a fine film"]),
        (np.array("a fine film"), ONE),
        (np.str_("a fine film"), ONE),
        ([np.str_("a fine film")], ONE),
        (lambda: (text for text in ONE), ONE),
        (lambda: iter(ONE), ONE),
        (lambda: io.StringIO("a fine film"), ONE),
        (["電影很好", "ﬁne 😀"], ["電影很好", "ﬁne 😀"]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([(1, True)], [[1, 1]]),
        (np.array([[1, 2]], np.int64), [[1, 2]]),
        ([np.array([1, 2], np.int32)], [[1, 2]]),
    ],
)
def test_a_text_is_one_row_and_whatever_is_in_order_will_do(columns_of, given, rows):
    given = given() if callable(given) else given
    assert columns_of({"text": given}) == {"text": rows}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"text": None}, "text: must be a text or a list of texts. Received: None"),
        ({"text": 3}, "text: .* Received: 3"),
        ({"text": {"a": "b"}}, "text: must be a text or a list"),
        ({"text": {"a", "b"}}, "text: must be a text or a list"),
        ({"text": object()}, "text: must be a text or a list"),
        ({"text": ["a", None]}, r"text\[1\]: must be Unicode text or a list of ids.*None"),
        ({"text": ["a", float("nan")]}, r"text\[1\]: .*nan"),
        ({"text": [1, 2]}, r"text\[0\]: .*Received: 1"),
        ({"text": np.zeros(3, np.float32)}, r"text\[0\]: .*Received: 0.0"),
        ({"text": [["a"], ["b"]]}, r"text\[0\]: .*\['a'\]"),
        ({"text": np.array([["a"]])}, r"text\[0\]: .*\['a'\]"),
        ({"text": ["half \ud83d a pair"]}, r"text\[0\]: must be Unicode text"),
        ({"text": bytearray(b"ab")}, r"text\[0\]: "),
        ({"text": ["a", [1]]}, "text: must be texts, or ids that are padded to one length"),
        ({"input_ids": [[1, 2], [3]]}, "input_ids: .* padded to one length"),
        ({"input_ids": [[]]}, r"input_ids\[0\]: must be"),
        ({"input_ids": [1, 2]}, r"input_ids\[0\]: "),
        ({"input_ids": [[2**31]]}, r"input_ids\[0\]: "),
        ({"input_ids": [[1.0]]}, r"input_ids\[0\]: "),
        ({"input_ids": [[[1]]]}, r"input_ids\[0\]: "),
        ({"text_a": ["a"], "text_b": []}, r"as many texts.*'text_a': 1, 'text_b': 0"),
        ({"context": "Anna left.", "question": ["Who?", "When?"]}, "'context': 1, 'question': 2"),
        ({"text": []}, "text: must be one text at least"),
        ({"text": np.array([])}, "text: must be one text at least"),
        ({}, "inputs must have names"),
        (None, "inputs must have names"),
        ("a fine film", "inputs must have names"),
        (["a fine film"], "inputs must have names"),
    ],
)
def test_what_is_something_else_is_refused_by_its_name(columns_of, inputs, message):
    with pytest.raises(ValueError, match=message) as error:
        columns_of(inputs)
    assert "\n" not in str(error.value)


def test_nothing_is_sent_of_what_is_refused(scripts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        client = scripts["rest_client"].RestClient("m", f"http://{address}")
        with pytest.raises(ValueError, match="text"):
            client.predict({"text": None})
        with (
            scripts["grpc_client"].GrpcClient("m", address) as client,
            pytest.raises(ValueError, match="text"),
        ):
            client.predict({"text": None})
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_batch_of_nothing_is_refused(scripts):
    for client in (scripts["rest_client"].RestClient, scripts["grpc_client"].GrpcClient):
        with pytest.raises(ValueError, match=r"batch_size must be 1 or more\. Received: 0"):
            client("m", batch_size=0)


def test_what_the_clients_share_is_the_same_in_both(repository):
    """Each is one file, to be copied alone, so a part stands in both."""
    shared = []
    for name in ("rest_client.py", "grpc_client.py"):
        text = (repository / "export" / "serving" / name).read_text(encoding="utf-8")
        parts = re.split(r"^# From here on .*\n", text, flags=re.MULTILINE)
        assert len(parts) == 2
        shared.append(parts[1])
    assert shared[0] == shared[1]


@pytest.mark.parametrize(
    ("name", "packages"),
    [("rest_client", {"requests", "urllib3"}),
     ("grpc_client", {"grpc", "numpy", "tensorflow", "tensorflow_serving"})],
)  # fmt: skip
def test_a_client_is_one_file_that_needs_its_packages_alone(repository, name, packages):
    text = (repository / "export" / "serving" / f"{name}.py").read_text(encoding="utf-8")
    imported = set()
    for node in ast.parse(text).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        imported |= {name.partition(".")[0] for name in names}
    assert imported - sys.stdlib_module_names == packages


def test_as_a_command_it_says_what_must_lie_beside_it(repository, tmp_path):
    copied = shutil.copy(repository / "export" / "serving" / "rest_client.py", tmp_path)
    command = [sys.executable, copied, "a", "--model", "m"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{copied}: as a command it needs command_line.py beside it\n"
