"""What the clients of export/serving/ say as commands where there is no server of models."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "text"], "argument --input: invalid NAME=TEXT value: 'text'"),
        (["--input", "=text"], "argument --input: invalid NAME=TEXT value: '=text'"),
        ([], "give texts, or --input NAME=TEXT for each input, or --rows FILE"),
        (["a", "--input", "text=b"], "give texts, or --input"),
        (["a", "--rows", "b"], "give texts, or --input"),
        (["a", "--batch", "0"], "argument --batch: invalid whole number from 1 on value: '0'"),
        *(
            (
                ["a", "--timeout", time],
                "argument --timeout: must be a number of seconds above 0, 1000000 at most. "
                f"Received: '{time}'",
            )
            for time in ("0", "-1", "nan", "soon", "1e7")
        ),
    ],
)
def test_a_wrong_command_is_argparses_error(run, client, arguments, message):
    code, lines, errors = run(client, *arguments, "--model", "sst2")
    assert (code, lines) == (2, [])
    assert message in errors[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"", "rows.jsonl: there is no row in it"),
        (b"\n \n", "rows.jsonl: there is no row in it"),
        (b"a fine film\n", "rows.jsonl, line 1: is no JSON in UTF-8"),
        (b'{"text": "caf\xe9"}\n', "rows.jsonl, line 1: is no JSON in UTF-8: 'utf-8' codec"),
        (
            b'"a fine film"\n',
            'line 1: must be {"NAME": "TEXT", ...}, or of ids {"NAME": [2, 60, 3]',
        ),
        (b'"a fine film"\n', "Received: 'a fine film'"),
        (b'{"text": null}\n', "line 1: must be"),
        (b'{"text": "a"}\n{"text": []}\n', "rows.jsonl, line 2: must be"),
        (b'{"input_ids": [2, "60"]}\n', "rows.jsonl, line 1: must be"),
        (b'{"input_ids": [[2, 60]]}\n', "rows.jsonl, line 1: must be"),
        (b"{}\n", "rows.jsonl, line 1: must be"),
        (b'{"text": "a"}\n{}\n', "rows.jsonl, line 2: must be"),
        (b'{"text": "a"}\n{"txet": "b"}\n', "line 2: must have text as the first row. "),
        (b'{"text": "a"}\n{"text": "b", "c": "d"}\n', "line 2: must have text as the first row"),
        (b'{"text": "half \\ud83d a pair"}\n', "text[0]: must be Unicode text"),
        (b"[" * 100_000, "line 1: is no JSON in UTF-8"),
    ],
)
def test_a_file_that_is_not_rows_is_one_line(run, client, tmp_path, content, message):
    file = tmp_path / "rows.jsonl"
    if content is not None:
        file.write_bytes(content)
    code, lines, errors = run(client, "--model", "sst2", "--rows", file)
    assert (code, lines, len(errors)) == (1, [], 1)
    assert message in errors[0]


def test_no_server_is_one_line(run, client):
    place = {"rest_client": "--url=http://127.0.0.1:9", "grpc_client": "--address=127.0.0.1:9"}
    code, lines, errors = run(client, "a", "--model", "sst2", place[client])
    assert (code, lines, len(errors)) == (1, [], 1)
    assert "127.0.0.1:9" in errors[0]
    assert "onnection refused" in errors[0]


def test_a_server_that_is_too_slow_is_one_line(run, client, listening):
    with listening(lambda connection: None) as (address, _):
        place = {"rest_client": f"--url=http://{address}", "grpc_client": f"--address={address}"}
        code, lines, errors = run(client, "a", "--model", "m", "--timeout", 0.3, place[client])
    assert (code, lines, len(errors)) == (1, [], 1)
    assert "in time" in errors[0] or "DEADLINE_EXCEEDED" in errors[0] or "timed out" in errors[0]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>\nHello</html>", "200: no answer of TF Serving: <html> Hello</html>"),
        (404, b"<H1>Not\nFound</H1>", "404: no answer of TF Serving: <H1>Not Found</H1>"),
        (200, b"", "200: no answer of TF Serving:"),
        (200, b"\xff\xfe\x00", "200: no answer of TF Serving:"),
        (200, b"[1, 2]", "200: no answer of TF Serving: [1, 2]"),
        (200, b"{}", "no answer of TF Serving: {}"),
        (200, b'{"predictions": 3}', "no answer of TF Serving"),
        (200, b'{"predictions": []}', "no answer of TF Serving"),
        (200, b'{"predictions": [{}, {}]}', "2 rows were sent"),
        (200, b'{"predictions": [{"a": 1}]}', "2 rows were sent"),
        (200, b'{"predictions": [{"a": 1}, {"b": 1}]}', "no answer of TF Serving"),
        (200, b'{"error": "out of\\nmemory"}', "200: out of memory"),
        (500, b'{"error": "out of\\nmemory"}', "500: out of memory"),
        (500, b"a\x00\x1b[31mred\x7f", "500: no answer of TF Serving: a [31mred"),
        (200, b"[" * 100_000, "200: no answer of TF Serving"),
    ],
)
def test_a_server_that_is_another_is_one_line(run, listening, replying, status, body, message):
    with listening(replying(status, body)) as (address, _):
        code, lines, errors = run("rest_client", "a", "b", "--model=m", f"--url=http://{address}")
    assert (code, lines, len(errors)) == (1, [], 1)
    assert message in errors[0]


@pytest.mark.parametrize(
    "url", ["localhost:8501", "127.0.0.1:8501", "http://", "http:///v1", "ftp://localhost", ""]
)
def test_an_address_without_http_is_one_line_that_says_to_give_it(run, url):
    code, lines, errors = run("rest_client", "a", "--model", "m", "--url", url)
    assert (code, lines, len(errors)) == (1, [], 1)
    assert errors[0].endswith(f"give http://HOST:PORT. Received: {url!r}")


@pytest.mark.parametrize("url", ["http://no such host/", "http://localhost:port", "http://[::1"])
def test_an_address_that_is_none_is_one_line(run, url):
    code, lines, errors = run("rest_client", "a", "--model", "m", "--url", url)
    assert (code, lines, len(errors)) == (1, [], 1)


@pytest.mark.parametrize("scheme", ["http", "https", "grpc"])
def test_an_address_for_grpc_with_http_is_one_line_that_says_to_leave_it_out(run, scheme):
    address = f"{scheme}://127.0.0.1:8500"
    code, lines, errors = run("grpc_client", "a", "--model", "m", "--address", address)
    assert (code, lines, len(errors)) == (1, [], 1)
    assert errors[0].endswith(f"HOST:PORT: leave out {scheme}://. Received: {address!r}")


@pytest.mark.parametrize("address", ["dns:///127.0.0.1:9", "ipv4:127.0.0.1:9"])
def test_an_address_by_a_scheme_of_grpc_is_taken(run, address):
    code, lines, errors = run("grpc_client", "a", "--model", "m", "--address", address)
    assert (code, lines, len(errors)) == (1, [], 1)
    assert "onnection refused" in errors[0]


@pytest.mark.parametrize("greeting", [b"\x00\x00\x18\x04\x00\x00", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_port_of_another_protocol_is_one_line_that_says_which_is_right(run, listening, greeting):
    def greet(connection):
        connection.recv(1 << 16)
        connection.sendall(greeting + b"\r\n")

    with listening(greet) as (address, _):
        code, lines, errors = run("rest_client", "a", "--model=m", f"--url=http://{address}")
    assert (code, lines, len(errors)) == (1, [], 1)
    assert f"no HTTP/1 server answers at http://{address}/" in errors[0]
    assert errors[0].endswith("port for REST is 8501")
