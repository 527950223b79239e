"""Asks TF Serving over REST; needs ``requests`` alone.

    python rest_client.py "a fine film" "a waste of time" --model sst2
    python rest_client.py --model squad --input context="Anna left." --input question="Who left?"

What it prints is JSON.
"""

import argparse
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util.retry import Retry

Texts = Sequence[str | bytes]


class ServingError(RuntimeError):
    """The server refused a request; the message is its own."""


class _Retry(Retry):
    """Gives up when an answer does not come in time; a connection that broke is made anew."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        *rest: Any,
        **named: Any,
    ) -> Retry:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, *rest, **named)


class RestClient:
    """Asks one model; may be used by several threads.

    Args:
        model: The model's name.
        url: Where the server is.
        timeout: Seconds to wait for an answer, and to reach the server each time.
        batch_size: Texts of a request at most; no more than ``max_batch_size`` in the version's
            ``batching_params.pbtxt``.
        retries: How often a request is sent again that the server had no room for, or that did
            not reach it. One whose time ran out is not: the server may be at it still.
    """

    def __init__(
        self,
        model: str,
        url: str = "http://localhost:8501",
        timeout: float = 10.0,
        batch_size: int = 32,
        retries: int = 3,
    ) -> None:
        self.address = f"{url}/v1/models/{model}"
        self.timeout, self.batch_size = timeout, batch_size
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

    def predict(
        self, inputs: Mapping[str, Texts], signature: str = "serving_default"
    ) -> dict[str, list[Any]]:
        """The answers: by output, a value for each text in their order.

        Args:
            inputs: The texts by the signature's names, such as ``{"text": ["a fine film"]}``.
            signature: Which signature to ask.

        Raises:
            ServingError: When the server refuses a request.
            requests.RequestException: When it cannot be reached, or not in time.
        """
        count = {len(texts) for texts in inputs.values()}
        if len(count) != 1:
            raise ValueError(f"all inputs must have as many texts. Received: {sorted(count)}")
        answers: dict[str, list[Any]] = {}
        for start in range(0, count.pop(), self.batch_size):
            batch = {
                name: [_json(text) for text in texts[start : start + self.batch_size]]
                for name, texts in inputs.items()
            }
            for name, values in self._post(signature, batch).items():
                answers.setdefault(name, []).extend(values)
        return answers

    def is_ready(self) -> bool:
        """Whether a version of the model is there to answer."""
        try:
            response = self.session.get(self.address, timeout=self.timeout)
            versions = response.json().get("model_version_status", [])
        except (requests.RequestException, ValueError):
            return False
        return any(version["state"] == "AVAILABLE" for version in versions)

    def _post(self, signature: str, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        body = {"signature_name": signature, "inputs": batch}
        response = self.session.post(f"{self.address}:predict", json=body, timeout=self.timeout)
        try:
            values = response.json()
        except ValueError:
            raise ServingError(f"{response.status_code}: {response.text[:200]}") from None
        if response.status_code != requests.codes.ok or "error" in values:
            raise ServingError(
                f"{response.status_code}: {values.get('error', response.text[:200])}"
            )
        outputs = values["outputs"]
        # A signature of one output is answered without its name.
        return outputs if isinstance(outputs, dict) else {"outputs": outputs}


def _json(text: str | bytes) -> Any:
    """JSON takes Unicode alone: bytes go as base64."""
    return {"b64": base64.b64encode(text).decode()} if isinstance(text, bytes) else text


def main() -> None:
    """Prints the answers to the texts of the command line as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="*", help="texts, for models that take one each")
    parser.add_argument("--model", required=True)
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=TEXT")
    options = parser.parse_args()
    inputs = {"text": options.texts} if options.texts else {}
    for pair in options.input:
        name, _, text = pair.partition("=")
        inputs.setdefault(name, []).append(text)
    client = RestClient(options.model, options.url)
    print(json.dumps(client.predict(inputs, options.signature), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
