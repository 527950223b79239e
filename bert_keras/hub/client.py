"""The hub's own client, ``huggingface_hub``, its bars, and its errors in one line each.

It downloads, resumes, caches and sends the token, as its variables say: ``HF_ENDPOINT``,
``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_TOKEN``.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from bert_keras._version import __version__
from bert_keras.errors import InputError, install_command

_logger = logging.getLogger("bert_keras")
LOG_IN = "log in (hf auth login, or HF_TOKEN)"


class Named(Protocol):
    """The name of a repository, as messages show it.

    Attributes:
        kind: What it holds: ``"model"`` or ``"data set"``.
    """

    kind: ClassVar[str]

    @property
    def page(self) -> str:
        """The end of the address of its page."""


class UnreachedError(Exception):
    """The hub gives no answer now; what its cache has may do."""


def client_of_hub() -> Any:
    """The client.

    Raises:
        InputError: When it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(
            f"names of the hub need huggingface_hub: {install_command('hub')}"
        ) from None
    return huggingface_hub.HfApi(library_name="bert_keras", library_version=__version__)


def model_info(client: Any, repo: str, revision: str = "") -> Any:
    """The hub's description of a model at a revision, by default at the main branch.

    Raises:
        UnreachedError: When the answer lacks its parts. Other errors are the client's own.
    """
    from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT

    try:
        return client.model_info(repo, revision=revision or None, timeout=HF_HUB_DOWNLOAD_TIMEOUT)
    except KeyError as error:  # of another server
        raise _strange_answer(error) from None


@contextmanager
def named_errors(name: Named) -> Iterator[None]:
    """Say in one line which of the client's errors a block ended with.

    Raises:
        InputError: When the hub refuses what was asked.
        UnreachedError: When it gives no answer, or none now.
    """
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HFValidationError as error:
        raise InputError(f"{name} cannot be a name of the hub: {error}") from None
    except LocalEntryNotFoundError as error:  # after another, for a file that the cache lacks
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _refusal(name, cause) from None
        raise UnreachedError(_no_answer(cause or error)) from None
    except json.JSONDecodeError as error:  # of a login page
        raise _strange_answer(error) from None
    except OfflineModeIsEnabled:
        raise UnreachedError("HF_HUB_OFFLINE is set: unset it to download") from None
    except HfHubHTTPError as error:
        raise _refusal(name, error) from None
    except _transport_errors() as error:
        raise UnreachedError(_no_answer(error)) from None


def _strange_answer(error: Exception) -> UnreachedError:
    """The exception for an answer that is not the hub's."""
    return UnreachedError(
        f"{_endpoint()} does not answer as the hub does ({type(error).__name__}): log in to the "
        "network, or correct HF_ENDPOINT"
    )


def _transport_errors() -> tuple[type[Exception], ...]:
    """The errors of connections in the HTTP client that huggingface_hub uses, by its version."""
    names = {"httpx2": "RequestError", "httpx": "RequestError", "requests": "RequestException"}
    loaded = [name for name in names if name in sys.modules]
    return tuple(getattr(sys.modules[name], names[name]) for name in loaded)


def _no_answer(error: BaseException) -> str:
    """The reason that the client got no answer, and what helps."""
    if type(error).__name__ == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set: unset it to download"
    text = str(error).strip().split("\n")[0]
    return f"{_endpoint()} is not reached ({text or type(error).__name__}): connect to the network"


def _endpoint() -> str:
    """The address of the hub that the client asks."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _refusal(name: Named, error: Any) -> Exception:
    """The exception for an answer of the hub that is an error."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status, headers = error.response.status_code, error.response.headers
    page = f"{_endpoint()}/{name.page}"
    token = get_token()
    if isinstance(error, GatedRepoError):
        then = "the token that was sent has none" if token else f"then {LOG_IN}"
        return InputError(f"{name} needs access: ask for it at {page}, {then}")
    if isinstance(error, RevisionNotFoundError):
        return InputError(
            f"{name}: there is no such revision; leave it out for the main branch, or take a "
            f"branch, tag or commit of {page}/tree/main"
        )
    if isinstance(error, RepositoryNotFoundError):
        private = f"the token that was sent may not read it ({status})" if token else LOG_IN
        return InputError(
            f"{name}: there is no such {name.kind} at {_endpoint()}, or it is private: check the "
            f"name; for a private one {private}"
        )
    if status == 429:
        wait = headers.get("Retry-After")
        return UnreachedError(
            f"{_endpoint()} takes no more requests now (429): wait {wait or 'a few minutes'}"
            f"{' seconds' if wait else ''}" + ("" if token else f" or {LOG_IN}, which allows more")
        )
    if status >= 500:
        return UnreachedError(f"{_endpoint()} fails ({status}): try again later")
    if status in (401, 403):
        return InputError(
            f"{name}: {_endpoint()} refuses the token ({status}): "
            + (LOG_IN if not token else "log in anew (hf auth login), or correct HF_TOKEN")
        )
    said = headers.get("X-Error-Message") or str(error).strip().split("\n")[0]
    return InputError(f"{name}: {_endpoint()} refuses ({status}): {said}")


@contextmanager
def bars_shown() -> Iterator[None]:
    """Show the client's bars, which it draws on a terminal alone; none where logs are quiet."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if _logger.isEnabledFor(logging.WARNING) or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
