"""Files to a repository on Hugging Face's hub, by the hub's own client."""

from collections.abc import Mapping
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.hub.client import LOG_IN, UnreachedError, bars_shown, client_of_hub, named_errors
from bert_keras.hub.names import HubName


def commit_files(
    name: HubName, contents: Mapping[str, Path | bytes], message: str, public: bool
) -> str:
    """Commit files to a repository, which is made where it is not there.

    Args:
        name: The repository.
        contents: A file or its contents, by the name there.
        message: That of the commit.
        public: Whether a new repository can be read by everybody.

    Returns:
        The page of the commit.

    Raises:
        InputError: When there is no token, or the hub refuses or is not reached.
    """
    client = client_of_hub()
    from huggingface_hub import CommitOperationAdd, get_token

    if get_token() is None:
        raise InputError(f"{name}: the hub takes files of those it knows alone: {LOG_IN}")
    try:
        with named_errors(name), bars_shown():
            client.create_repo(name.repo, private=not public, exist_ok=True)
            additions = [
                CommitOperationAdd(path_in_repo=file, path_or_fileobj=given)
                for file, given in contents.items()
            ]
            commit = client.create_commit(name.repo, additions, commit_message=message)
    except UnreachedError as error:
        raise InputError(f"{name}: {error}; nothing of it was committed") from None
    except InputError:
        raise
    except ValueError as error:  # what the hub says of the card
        raise InputError(
            f"{name}: the hub refuses the card: {' '.join(str(error).split())}"
        ) from None
    return str(commit.commit_url)
