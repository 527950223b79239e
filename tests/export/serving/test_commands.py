"""The clients of export/serving/ as commands."""

import json
import os

import grpc
import numpy as np
import pytest

pytestmark = pytest.mark.system

TEXTS = ["the ferry was late", "电影很好 😀", ""]
CLIENTS = ["rest_client", "grpc_client"]


@pytest.fixture(scope="module")
def server(model_server, exported):
    folders = {"sst2": exported("classification"), "mrpc": exported("pairs")}
    with model_server.serving(folders) as running:
        yield running


@pytest.fixture
def ask(run, server):
    """The same, of a command for the server."""

    def main(client, *arguments):
        places = {"rest_client": ("--url", f"http://127.0.0.1:{server.rest_port}"),
                  "grpc_client": ("--address", f"127.0.0.1:{server.grpc_port}")}  # fmt: skip
        return run(client, *arguments, "--timeout", 60, *places[client])

    return main


def pairs(server, model):
    """What the session answers, as rows."""
    session = server.models[model].session
    encoded = np.array([text.encode() for text in TEXTS], object)
    names = session.signatures["serving_default"].inputs
    answers = session.run("serving_default", dict.fromkeys(names, encoded))
    return [
        {name: values[row].tolist() if isinstance(values[row], np.generic | np.ndarray)
         else values[row] for name, values in answers.items()}
        for row in range(len(TEXTS))
    ]  # fmt: skip


def check(lines, rows):
    """Lines of JSON are these rows, text as text, their names in order."""
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        given = json.loads(line)
        assert list(given) == sorted(row)
        for name, value in row.items():
            if name in ("labels", "classes"):
                text = value.decode() if isinstance(value, bytes) else [v.decode() for v in value]
                assert given[name] == text
                assert json.dumps(text, ensure_ascii=False) in line
            else:
                assert given[name] == pytest.approx(value, abs=1e-5)


def test_every_row_is_a_line_of_json_in_order(ask, server, client):
    code, lines, errors = ask(client, *TEXTS, "--model", "sst2", "--batch", 2)
    assert (code, errors) == (0, [])
    check(lines, pairs(server, "sst2"))


def test_inputs_with_names_are_rows_too(ask, server, client):
    named = [part for text in TEXTS for name in ("text_b", "text_a")
             for part in ("--input", f"{name}={text}")]  # fmt: skip
    code, lines, errors = ask(client, "--model", "mrpc", *named)
    assert (code, errors) == (0, [])
    check(lines, pairs(server, "mrpc"))


def test_a_text_may_hold_the_sign_that_ends_its_name(ask, client):
    texts = ask(client, "x=y=z", "", "--model", "sst2")
    named = ask(client, "--input", "text=x=y=z", "--input", "text=", "--model", "sst2")
    assert texts == named
    assert texts[0] == 0


def test_rows_come_from_a_file_or_standard_input(ask, server, client, tmp_path, monkeypatch):
    rows = [json.dumps({"text_a": text, "text_b": text}) for text in TEXTS]
    file = tmp_path / "rows of mine.jsonl"
    file.write_text("\ufeff" + "\r\n".join(rows[:2]) + "\n\n" + rows[2], encoding="utf-8")
    code, lines, errors = ask(client, "--model", "mrpc", "--rows", file)
    assert (code, errors) == (0, [])
    check(lines, pairs(server, "mrpc"))
    with file.open(encoding="utf-8") as opened:
        monkeypatch.setattr("sys.stdin", opened)
        assert ask(client, "--model", "mrpc", "--rows", "-") == (0, lines, [])


def test_ids_come_as_rows_as_well(ask, client, tmp_path, server):
    file = tmp_path / "ids.jsonl"
    code, lines, _ = ask(client, TEXTS[0], "--model", "sst2", "--signature", "tokenize")
    assert code == 0
    file.write_text(lines[0])
    code, lines, errors = ask(client, "--rows", file, "--model", "sst2", "--signature", "tokens")
    assert (code, errors) == (0, [])
    check(lines, pairs(server, "sst2")[:1])


def test_over_grpc_outputs_are_chosen(ask, server):
    wanted = ["--output", "labels", "--output", "scores"]
    code, lines, _ = ask("grpc_client", *TEXTS, "--model", "sst2", *wanted)
    assert code == 0
    rows = [{name: row[name] for name in ("labels", "scores")} for row in pairs(server, "sst2")]
    check(lines, rows)


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["a", "--model", "other"], ["404: Servable not found for request: Latest(other)",
                                     "NOT_FOUND: Servable not found for request: Latest(other)"]),
        (["a", "--model", "sst2", "--signature", "no"],
         ['400: Serving signature name: "no" not found in signature def',
          'FAILED_PRECONDITION: Serving signature key "no" not found.']),
        (["a", "--model", "mrpc"], ["does not have named input: text", "Sent extra: {text}"]),
        (["--input", "text=a", "--input", "text_b=b", "--model", "sst2"],
         ["does not have named input: text_b", "Sent extra: {text_b}"]),
        (["--input", "text_a=a", "--model", "mrpc"], ["keys must be equal to: text_a,text_b",
                                                      "Missing but required: {text_b}"]),
        (["--input", "text_a=a", "--input", "text_a=b", "--input", "text_b=c", "--model", "mrpc"],
         ["'text_a': 2, 'text_b': 1"] * 2),
    ],
)  # fmt: skip
def test_what_the_server_refuses_is_its_own_words_in_one_line(ask, client, arguments, messages):
    code, lines, errors = ask(client, *arguments)
    assert (code, lines, len(errors)) == (1, [], 1)
    assert messages[CLIENTS.index(client)] in errors[0]


def test_an_output_that_there_is_not_is_one_line(ask):
    code, lines, errors = ask("grpc_client", "a", "--model", "sst2", "--output", "label")
    assert (code, lines, len(errors)) == (1, [], 1)
    assert "output tensor alias not found in signature: label" in errors[0]


def test_the_other_protocols_port_is_one_line(run, server):
    rest, rpc = f"127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}"
    for client, place in (("rest_client", f"--url=http://{rpc}"),
                          ("grpc_client", f"--address={rest}")):  # fmt: skip
        code, lines, errors = run(client, "a", "--model", "sst2", "--timeout", 2, place)
        assert (code, lines, len(errors)) == (1, [], 1)
        assert errors[0].count(": ") >= 1
        assert errors[0].isprintable()
        if client == "rest_client":
            assert "no HTTP/1 server answers" in errors[0]
            assert "REST is 8501" in errors[0]


def test_an_address_may_end_in_a_slash(run, server):
    url = f"http://127.0.0.1:{server.rest_port}/"
    assert run("rest_client", "a", "--model", "sst2", "--url", url)[0] == 0


def test_the_answers_before_an_error_are_printed(ask, server, client, monkeypatch, protocol):
    model, rest = server.models["sst2"], iter([True, False])
    predict = model.predict

    def once(*arguments):
        if next(rest):
            return predict(*arguments)
        raise protocol.RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory")

    monkeypatch.setattr(model, "predict", once)
    code, lines, errors = ask(client, *TEXTS, "--model", "sst2", "--batch", 2)
    assert (code, len(lines), len(errors)) == (1, 2, 1)
    assert errors[0].endswith("(after 2 answers)")


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    "client", ["rest_client", pytest.param("grpc_client", marks=pytest.mark.slow)]
)
def test_as_a_process_it_prints_utf_8_and_nothing_but_answers(server, run_script, client):
    place = {"rest_client": f"--url=http://127.0.0.1:{server.rest_port}",
             "grpc_client": f"--address=127.0.0.1:{server.grpc_port}"}[client]  # fmt: skip
    command = [f"{client}.py", "the ferry", "--model=sst2", "--timeout=60", place]
    ended = run_script(command, env=os.environ | ASCII)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "“多彩”" in json.loads(ended.stdout)["classes"][2]
    assert "“多彩”" in ended.stdout
    refused = run_script([f"{client}.py", "a", "--model", "other", place])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"{client}.py: ")
    assert refused.stderr.count("\n") == 1


def test_a_reader_that_has_gone_is_one_line(server, run_script):
    reading, writing = os.pipe()
    os.close(reading)
    place = f"--url=http://127.0.0.1:{server.rest_port}"
    ended = run_script(
        ["rest_client.py", "a", "--model=sst2", place],
        capture_output=False, stdout=writing, stderr=-1,
    )  # fmt: skip
    os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == "rest_client.py: [Errno 32] Broken pipe\n"
