"""The load script of export/serving/."""

import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

TEXTS = ["a fine film", "late"]


@pytest.fixture(scope="module")
def server(model_server, exported):
    folders = {"sst2": exported("classification"), "mrpc": exported("pairs")}
    with model_server.serving(folders) as running:
        yield running


@pytest.fixture
def run(scripts, server, capsys):
    """The exit code, what was measured and the lines of errors."""

    def main(*arguments, grpc=False):
        place = ["--grpc", f"127.0.0.1:{server.grpc_port}"] if grpc else [
            "--url", f"http://127.0.0.1:{server.rest_port}"]  # fmt: skip
        given = [*place, "--clients", "4", "--seconds", "0.5", *map(str, arguments)]
        try:
            code = scripts["load"].main(given)
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        pairs = (line.split(": ") for line in printed.out.splitlines())
        return code, dict(pairs), printed.err.splitlines()

    return main


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "reviews.txt"
    path.write_text("\ufeffa fine film\n\nlate\u2028again\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("grpc", [False, True])
def test_what_was_answered_is_measured(run, file, grpc):
    code, measured, errors = run(file, "--model", "sst2", grpc=grpc)
    assert (code, errors) == (0, [])
    assert int(measured["requests"]) >= 4
    assert measured["failed"] == "0"
    times = [float(measured[name]) for name in ("median_ms", "p95_ms", "p99_ms")]
    assert times == sorted(times)


def test_a_line_is_a_text_whatever_other_signs_of_a_line_it_holds(scripts, file):
    given = scripts["load"]._texts(str(file), "text")
    assert given == [{"text": "a fine film"}, {"text": "late\u2028again"}]


@pytest.mark.system
def test_models_of_several_inputs_are_asked_for_rows(run, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text_a": "a", "text_b": "b"}))
    code, measured, errors = run("--rows", path, "--model", "mrpc")
    assert (code, errors) == (0, [])
    assert int(measured["requests"]) >= 4


@pytest.mark.parametrize("grpc", [False, True])
def test_ids_are_asked_for_as_one_row(run, server, tmp_path, monkeypatch, grpc):
    """As of an export that takes ids by default."""
    model, path = server.models["sst2"], tmp_path / "ids.jsonl"
    sizes = model.batchers["tokens"].sizes
    monkeypatch.setitem(
        model.session.signatures, "serving_default", model.session.signatures["tokens"]
    )
    monkeypatch.setitem(model.batchers, "serving_default", model.batchers["tokens"])
    row = {"input_ids": [2, 5, 3], "attention_mask": [1] * 3, "token_type_ids": [0] * 3}
    path.write_text(json.dumps(row))
    before = len(sizes)
    code, measured, errors = run("--rows", path, "--model", "sst2", grpc=grpc)
    assert (code, errors) == (0, [])
    assert int(measured["requests"]) == sum(sizes[before:]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "127.0.0.1:8501"], "give http://HOST:PORT. Received: '127.0.0.1:8501'"),
        (["--grpc", "http://127.0.0.1:8500"], "leave out http://. Received: "),
    ],
)
def test_an_address_that_is_none_is_one_line_and_nothing_is_measured(run, file, arguments, message):
    code, measured, errors = run(file, "--model", "sst2", *arguments)
    assert (code, measured, len(errors)) == (1, {}, 1)
    assert message in errors[0]


@pytest.mark.parametrize(
    ("arguments", "beside", "message"),
    [
        ([], [], "load.py: it needs command_line.py beside it\n"),
        ([], ["command_line"], "load.py: it needs rest_client.py beside it, and what that imports"),
        (["--grpc", "localhost:8500"], ["command_line"], "load.py: it needs grpc_client.py beside"),
    ],
)
def test_it_says_what_must_lie_beside_it(repository, tmp_path, file, arguments, beside, message):
    for name in ("load", *beside):
        shutil.copy(repository / "export" / "serving" / f"{name}.py", tmp_path)
    command = [sys.executable, str(tmp_path / "load.py"), str(file), "--model", "m", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--model", "other"], "ServingError 404", "404: Servable not found for request"),
        (["--model", "sst2", "--input", "txet"], "ServingError 400", "named input: txet"),
        (["--model", "sst2", "--url", "http://127.0.0.1:9"], "ConnectionError", "refused"),
        (["--model", "other", "--grpc"], "InactiveRpcError NOT_FOUND", "NOT_FOUND: Servable"),
    ],
)
def test_where_nothing_is_answered_the_first_message_is_said_and_the_end_comes_soon(
    run, file, arguments, kind, message
):
    over_grpc = arguments[-1] == "--grpc"
    code, measured, errors = run(
        file, *arguments[: -1 if over_grpc else None], "--seconds", 60, grpc=over_grpc
    )
    assert code == 1
    assert measured["requests"] == "0"
    assert 10 <= int(measured["failed"]) < 20
    (line,) = errors
    assert f"{kind}, {measured['failed']} times; first: " in line
    assert message in line


def test_some_failures_are_counted_by_kind_and_are_an_exit_code(scripts):
    script = scripts["load"]
    refused = scripts["rest_client"].ServingError

    def ask(text):
        if text in ("full", "bad"):
            raise refused(f"{text}", {"full": 503, "bad": 400}[text])
        if text == "broken":
            raise ValueError("it is\nbroken")

    result = script.run(ask, ["good", "full", "bad", "broken"], 2, 0.05)
    assert result["requests"] > 0
    assert set(result["errors"]) == {"ServingError 503", "ServingError 400", "ValueError"}
    assert result["failed"] == sum(result["errors"].values())
    assert result["first_errors"] == {
        "ServingError 503": "full",
        "ServingError 400": "bad",
        "ValueError": "it is\nbroken",
    }


def test_some_failures_are_said_and_the_exit_code_is_1(run, server, file, monkeypatch, protocol):
    import grpc

    model = server.models["sst2"]
    predict = model.predict

    def sometimes(name, inputs, wanted):
        if inputs["text"][0] != b"a fine film":
            raise protocol.RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory")
        return predict(name, inputs, wanted)

    monkeypatch.setattr(model, "predict", sometimes)
    code, measured, errors = run(file, "--model", "sst2")
    assert code == 1
    assert int(measured["requests"]) > 0
    assert errors == [
        f"{errors[0].split(': ')[0]}: ServingError 429, {measured['failed']} times; "
        "first: 429: out of memory"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no text in it"),
        (b"\n\n\r\n", "there is no text in it"),
        (b"caf\xe9", "is not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_without_texts_is_one_line(run, tmp_path, content, message):
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    code, measured, errors = run(path, "--model", "sst2")
    assert (code, measured, len(errors)) == (1, {}, 1)
    assert message in errors[0]
    assert "texts.txt" in errors[0]


def test_no_texts_are_no_reason_to_divide_by_zero(scripts):
    with pytest.raises(ValueError, match="no text"):
        scripts["load"].run(print, [], 1, 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a file of texts, or --rows FILE"),
        (["a", "--rows", "b"], "give a file of texts, or --rows FILE"),
        (["a", "--clients", "0"], "argument --clients: invalid whole number from 1 on value"),
        (["a", "--seconds", "0"], "argument --seconds: must be a number of seconds above 0"),
    ],
)
def test_a_wrong_command_is_argparses_error(run, arguments, message):
    code, measured, errors = run(*arguments, "--model", "sst2")
    assert (code, measured) == (2, {})
    assert message in errors[-1]
