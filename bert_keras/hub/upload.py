"""Files to a repository on Hugging Face's hub, by the hub's own client."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bert_keras.errors import InputError
from bert_keras.hub.client import (
    UnreachedError,
    bars_shown,
    client_of_hub,
    model_info,
    named_errors,
)
from bert_keras.hub.names import HubName

CARD_FILE = "README.md"


@dataclass(frozen=True)
class Repository:
    """A repository as it is now.

    Attributes:
        repo: Its present name.
        commit: The newest commit of its main branch; empty where there is no such repository.
        files: The names of its files.
        private: Whether only its owners read it.
    """

    repo: str = ""
    commit: str = ""
    files: tuple[str, ...] = ()
    private: bool = False


def repository_now(name: HubName) -> Repository:
    """The repository of a name; an empty one where the hub shows none.

    Raises:
        InputError: When the hub refuses the token.
        UnreachedError: When it gives no answer.
    """
    client = client_of_hub()
    from huggingface_hub.errors import RepositoryNotFoundError

    with named_errors(name):
        try:
            info = model_info(client, name.repo)
        except RepositoryNotFoundError:
            return Repository()
    files = tuple(file.rfilename for file in info.siblings or ())
    return Repository(info.id, info.sha, files, bool(info.private))


def commit_files(
    name: HubName,
    contents: Mapping[str, Path | bytes],
    replaced: Callable[[Sequence[str]], Sequence[str]],
    message: str,
    public: bool,
) -> tuple[str, list[str]]:
    """Commit files to a repository, which is made where it is not there.

    Args:
        name: The repository.
        contents: A file or its contents, by the name there.
        replaced: Gives, of the names of all files there, those that the commit deletes.
        message: That of the commit.
        public: Whether a new repository can be read by everybody.

    Returns:
        The page of the commit, and the files that it deletes.

    Raises:
        InputError: When there is no token, the repository is private and was to be public, or the
            hub refuses, is not reached, or has another commit meanwhile.
    """
    client = client_of_hub()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    if get_token() is None:
        raise InputError(f"{name}: log in to push (hf auth login, or HF_TOKEN)")
    is_sent = False
    try:
        now = repository_now(name)
        if now.private and public:
            raise InputError(
                f"{name} is there already and private, which --public does not change: leave it "
                "out, or let everybody read the repository in its settings on the hub first"
            )
        deleted = list(replaced(now.files))
        with named_errors(name), bars_shown():
            if not now.commit:
                client.create_repo(name.repo, private=not public, exist_ok=True)
            operations = [
                *(CommitOperationDelete(path_in_repo=file) for file in deleted),
                *(
                    CommitOperationAdd(path_in_repo=file, path_or_fileobj=given)
                    for file, given in contents.items()
                ),
            ]
            is_sent = True
            # Where the repository has another commit by now, the hub refuses.
            commit = client.create_commit(
                now.repo or name.repo,
                operations,
                commit_message=message,
                parent_commit=now.commit or None,
            )
    except UnreachedError as error:
        end = "it may not have been committed: push again" if is_sent else "nothing was committed"
        raise InputError(f"{name}: {error}; {end}") from None
    except InputError:
        raise
    except RuntimeError as error:  # of a large file, as the client and hf_xet say
        said = " ".join(str(error.__cause__ or error).split())
        raise InputError(
            f"{name}: a large file was not sent ({said}); nothing was committed: push again"
        ) from None
    except ValueError as error:
        if CARD_FILE not in str(error):
            raise
        said = " ".join(str(error).split())
        raise InputError(f"{name}: the hub refuses the card: {said}") from None
    return str(commit.commit_url), deleted
