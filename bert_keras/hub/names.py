"""The names of models on Hugging Face's hub: ``hf://org/name[@revision]``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bert_keras.errors import InputError

# ``pathlib`` makes one slash of two.
_NAME = re.compile(r"hf:/{1,2}(?P<repo>[^/@\s]+(/[^/@\s]+)?)(@(?P<revision>\S+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(
    r"https?:/{1,2}(www\.)?(huggingface\.co|hf\.co)/(?P<repo>[^/@\s]+(/[^/@\s]+)?)"
    r"(/(tree|blob|resolve)/(?P<revision>[^/\s]+).*)?/?",
    re.IGNORECASE,
)
_MAY_BE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class HubName:
    """The name of a model on the hub.

    Attributes:
        repo: ``org/name``.
        revision: A branch, a tag, ``refs/pr/N`` or a commit; empty for the main branch.
    """

    repo: str
    revision: str = ""

    kind: ClassVar[str] = "model"

    @classmethod
    def of(cls, path: str | Path) -> "HubName | None":
        """The name that a path is; None where it is a path.

        Raises:
            InputError: When it begins as a name and is none.
        """
        text = str(path)
        if text.startswith("kaggle:/"):
            raise InputError(
                f"{text}: names of Kaggle are not opened; download the preset with kagglehub, "
                "kagglehub.model_download(NAME), and give its folder"
            )
        scheme = re.match(r"(hf|https?):/+", text, re.IGNORECASE)
        if not scheme:
            return None
        if found := _NAME.fullmatch(text):
            return cls(found["repo"], found["revision"] or "")
        is_hf = scheme[1].lower() == "hf"
        meant = (_NAME if is_hf else _ADDRESS).fullmatch(text.replace(scheme[1], scheme[1].lower()))
        hint = f"; give {cls(meant['repo'], meant['revision'] or '')}" if meant else ""
        given = f"{scheme[1]}://{text[scheme.end() :]}"
        raise InputError(
            f"a model of the hub is named hf://org/name or hf://org/name@revision{hint}. "
            f"Received: {given!r}"
        )

    def __str__(self) -> str:
        return f"hf://{self.repo}" + f"@{self.revision}" * bool(self.revision)

    @property
    def page(self) -> str:
        """The end of the address of its page."""
        return self.repo

    @property
    def is_pinned(self) -> bool:
        """Tell whether the revision is a commit, which never changes."""
        return bool(COMMIT.fullmatch(self.revision))


def suggestion(path: str | Path) -> str:
    """The end of a message that there is no such path: the hub's name that it may be meant as."""
    text = str(path)
    return f"; of the hub it would be hf://{text}" if _MAY_BE_NAME.fullmatch(text) else ""
