"""A client of TF Serving over REST; needs ``requests`` alone.

    python rest_client.py "a fine film" "a waste of time" --model sst2
    python rest_client.py --model squad --input context="Anna left." --input question="Who left?"
    python rest_client.py --model squad --rows questions.jsonl

What it prints is JSON lines: the answers to each row.
"""

import base64
import http.client
import json
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util.retry import Retry

Columns = dict[str, list[Any]]  # by name, a value for each row


class _Retry(Retry):
    """Retries where a connection broke, none where an answer did not come in time."""

    def increment(self, method: Any = None, url: Any = None, *rest: Any, **named: Any) -> Retry:
        if isinstance(named.get("error"), ReadTimeoutError):
            raise named["error"]
        return super().increment(method, url, *rest, **named)


class RestClient:
    """A client of one model; may be used by several threads.

    Args:
        model: The model's name.
        url: Where the server is: http://HOST:PORT.
        timeout: Seconds to wait for an answer, and to reach the server each time.
        batch_size: Rows of a request at most. Where the server takes fewer the client learns it
            from the first refusal, and sends so many from then on.
        retries: How often a request is sent again that the server had no room for, or that did
            not reach it. One whose time ran out is not: the server may be at it still.

    Raises:
        ValueError: When ``url`` names no host after http:// or https://.
    """

    def __init__(
        self,
        model: str,
        url: str = "http://localhost:8501",
        timeout: float = 10.0,
        batch_size: int = 32,
        retries: int = 3,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more. Received: {batch_size}")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError(
                "url must name a host after http:// or https://: give http://HOST:PORT. "
                f"Received: {url!r}"
            )
        self.address = f"{url.rstrip('/')}/v1/models/{quote(model, safe='')}"
        self.timeout, self.batch_size = timeout, batch_size
        self.names: dict[str, str] = {}  # by signature, of an only output
        self.session = requests.Session()
        policy = _Retry(
            retries,
            backoff_factor=0.1,  # 0.1, 0.2, 0.4 s
            backoff_jitter=0.1,
            # Not 504, and not 429, which here says that the time ran out in the queue.
            status_forcelist=(502, 503),
            allowed_methods=("GET", "POST"),
            raise_on_status=False,
        )
        adapter = HTTPAdapter(max_retries=policy, pool_maxsize=64)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def predict(self, inputs: Mapping[str, Any], signature: str = "serving_default") -> Columns:
        """The answers: by output, a value for each row in their order.

        Args:
            inputs: By the signature's names, a text or a list of texts, such as
                ``{"text": ["a fine film"]}``; of ``tokens`` a list of ids, padded to one length,
                for each row. Arrays will do, and generators.
            signature: Which signature to ask.

        Raises:
            ValueError: When an input is something else; it names the input.
            ServingError: When the server refuses a request.
            requests.RequestException: When it cannot be reached, or not in time.
        """
        return joined(self.batches(inputs, signature))

    def batches(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> Iterator[Columns]:
        """The answers as ``predict`` gives them, a request's as they come."""
        return in_batches(self, columns_of(inputs), lambda batch: self._post(signature, batch))

    def is_ready(self) -> bool:
        """Tell whether a version of the model is there to answer."""
        try:
            versions = self._answer("GET", "")["model_version_status"]
            return any(version["state"] == "AVAILABLE" for version in versions)
        except (requests.RequestException, ServingError, KeyError, TypeError):
            return False

    def _post(self, signature: str, batch: Columns) -> Columns:
        # By rows: a server passes over columns that it does not know.
        rows = [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
        body = json.dumps({"signature_name": signature, "instances": rows}, default=_base64)
        answer = self._answer("POST", ":predict", body)
        try:
            given = list(answer["predictions"])
            if not isinstance(given[0], dict):  # the only output comes without its name
                return {self._only_output(signature): given}
            return {name: [row[name] for row in given] for name in given[0]}
        except (KeyError, IndexError, TypeError, ValueError):
            raise ServingError(f"no answer of TF Serving: {answer!r:.200}") from None

    def _only_output(self, signature: str) -> str:
        if signature not in self.names:
            signatures = self._answer("GET", "/metadata")["metadata"]["signature_def"]
            (self.names[signature],) = signatures["signature_def"][signature]["outputs"]
        return self.names[signature]

    def _answer(self, method: str, what: str, body: str | None = None) -> dict[str, Any]:
        answer = self.session.request(method, self.address + what, data=body, timeout=self.timeout)
        try:
            values = answer.json()
        except (ValueError, RecursionError):
            values = None
        if answer.ok and isinstance(values, dict) and "error" not in values:
            return values
        message = f"no answer of TF Serving: {answer.text[:200]}"
        if isinstance(values, dict):
            message = str(values.get("error", message))
        raise ServingError(f"{answer.status_code}: {message}", answer.status_code)


def _base64(text: bytes) -> dict[str, str]:
    """The form of bytes in JSON, which takes Unicode alone: base64."""
    return {"b64": base64.b64encode(text).decode()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the answers to what the command line names; 0, or 1 after an error."""
    try:
        from command_line import command, run
    except ImportError:  # the class does without
        sys.exit(f"{sys.argv[0]}: as a command it needs command_line.py beside it")

    parser = command(__doc__ or "")
    parser.add_argument("--url", default="http://localhost:8501")
    options = parser.parse_args(arguments)
    try:
        client = RestClient(options.model, options.url, options.timeout, options.batch)
    except ValueError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return run(parser, options, client, said)


def said(error: BaseException) -> str:
    """The error in one line."""
    if isinstance(error, requests.ReadTimeout):
        return "no answer in time; see --timeout, and --batch for fewer texts at a time"
    if isinstance(error, requests.ConnectionError):
        url = error.request.url if error.request else ""
        while error.__context__:
            error = error.__context__
        if type(error) is http.client.BadStatusLine:  # such as bytes of HTTP/2
            return f"no HTTP/1 server answers at {url}; TF Serving's port for REST is 8501"
        return f"cannot reach {url}: {one_line(str(error))}"
    return one_line(str(error))


# From here on rest_client.py and grpc_client.py are the same, so that each can be copied alone.


class ServingError(RuntimeError):
    """A refusal of the server, with the ``status`` of HTTP, or something that is no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def one_line(text: str) -> str:
    """A text of any origin as one line, without the control characters that a terminal obeys."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def columns_of(inputs: Mapping[str, Any]) -> Columns:
    """The inputs as lists of one length, of texts or of ids; a ``ValueError`` names what is not."""
    if not isinstance(inputs, Mapping) or not inputs:
        example = '{"text": ["a fine film"]}'
        raise ValueError(f"inputs must have names, as in {example}. Received: {inputs!r:.80}")
    columns = {name: _column(name, values) for name, values in inputs.items()}
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"all inputs must have as many texts. Received: {counts}")
    if 0 in counts.values():
        raise ValueError(f"{', '.join(counts)}: must be one text at least. Received: none")
    return columns


def _column(name: str, values: Any) -> list[Any]:
    if hasattr(values, "tolist"):  # an array, a column of a table
        values = values.tolist()
    if isinstance(values, str | bytes):
        values = [values]
    if not isinstance(values, Sequence | Iterator):  # a set has no order, a dict more than values
        raise ValueError(f"{name}: must be a text or a list of texts. Received: {values!r:.80}")
    rows = [_row(f"{name}[{number}]", value) for number, value in enumerate(values)]
    if len({None if isinstance(row, str | bytes) else len(row) for row in rows}) > 1:
        raise ValueError(f"{name}: must be texts, or ids that are padded to one length")
    return rows


def _row(where: str, value: Any) -> str | bytes | list[int]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        if isinstance(value, str):
            value.encode()
        if isinstance(value, str | bytes):
            return value
        if isinstance(value, list | tuple):
            ids = [operator.index(number) for number in value]
            if ids and all(-(2**31) <= number < 2**31 for number in ids):
                return ids
    except (TypeError, UnicodeEncodeError):
        pass
    raise ValueError(f"{where}: must be Unicode text or a list of ids. Received: {value!r:.80}")


def in_batches(client: Any, columns: Columns, ask: Callable[..., Columns]) -> Iterator[Columns]:
    """The answers to ``client.batch_size`` rows at a time, in their order.

    What is too much for the server, or for a message, is sent in smaller parts.
    """
    start, count, size = 0, len(next(iter(columns.values()))), client.batch_size
    while start < count:
        rows = min(size, count - start)
        try:
            answers = ask({name: all_[start : start + rows] for name, all_ in columns.items()})
        except Exception as error:
            limit = re.search(r"size \d+ is larger than maximum .*batch size (\d+)", said(error))
            too_much = re.search(r"^413|too much for one request|larger than max ", said(error))
            size = int(limit[1]) if limit else rows // 2 if too_much else 0
            if not 0 < size < rows:
                raise
            client.batch_size = size if limit else client.batch_size
            continue
        if not answers or any(len(values) != rows for values in answers.values()):
            raise ServingError(f"{rows} rows were sent, and answers came for another number")
        yield answers
        start += rows


def joined(batches: Iterable[Columns]) -> Columns:
    """The answers of all batches."""
    answers: Columns = {}
    for batch in batches:
        for name, values in batch.items():
            answers.setdefault(name, []).extend(values)
    return answers


if __name__ == "__main__":
    sys.exit(main())
