"""A hub on this machine: it speaks the protocol of Hugging Face's, to whose client it is real.

A data set is the repository ``datasets/org/name``.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_uploads import posted

TOKEN = "hf_test"  # noqa: S105 - of this server
LARGE = (".safetensors", ".bin", ".h5", ".parquet")  # kept in LFS, and served elsewhere

Files = Mapping[str, bytes]


@dataclass
class Repository:
    """A model: its commits, and what its revisions mean.

    Attributes:
        commits: The files of each commit.
        refs: The commit of each revision.
        access: ``"open"``, ``"private"`` or ``"gated"``.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    access: str = "open"

    def commit(self, files: Files, ref: str = "main") -> str:
        """Set the files of a revision; returns the commit."""
        text = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
        commit = hashlib.sha1(f"{ref}{text}".encode(), usedforsecurity=False).hexdigest()
        self.commits[commit], self.refs[ref] = dict(files), commit
        return commit


@dataclass
class Hub:
    """The server.

    Attributes:
        endpoint: Its address, for ``HF_ENDPOINT``.
        repositories: The models by name.
        moved: The new names of renamed models.
        requests: What was asked: the method and the path, in order.
        ranges: The ``Range`` of each request for a large file; empty where it had none.
        failures: The status of every answer from now on, by a regular expression of the path.
        cut_after: The bytes of a large file after which the connection is cut, once.
        uploads: Large files that were sent, by their SHA-256.
        stalls: Whether half of a large file is sent and no more.
    """

    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    cut_after: int | None = None
    uploads: dict[str, bytes] = field(default_factory=dict)
    stalls: bool = False
    ends: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, folder: Path | Files, access: str = "open") -> Repository:
        """A model of the files of a folder."""
        repository = self.repositories.setdefault(name, Repository(access=access))
        repository.commit(files_of(folder) if isinstance(folder, Path) else folder)
        return repository

    def every_file(self) -> Iterator[tuple[str, bytes]]:
        """The files of all commits: name and contents."""
        for repository in self.repositories.values():
            for files in repository.commits.values():
                yield from files.items()

    def downloaded(self) -> set[str]:
        """The names of the files whose contents were asked for, here or at the CDN."""
        asked = (re.fullmatch(r"GET /[^?]*?/resolve/[^/]+/([^?]+)", line) for line in self.requests)
        large = {
            name
            for name, data in self.every_file()
            if f"GET /cdn/{hashlib.sha256(data).hexdigest()}" in self.requests
        }
        return {unquote(found[1]) for found in asked if found} | large


def files_of(folder: Path) -> dict[str, bytes]:
    """The files in a folder and the folders in it, by their names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def entries_of(files: Files, folder: str, deep: bool) -> list[dict[str, Any]]:
    """The entries of a folder of a commit, or of all folders below it too."""
    start = f"{folder}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for name, data in files.items():
        if not name.startswith(start):
            continue
        parts = name.removeprefix(start).split("/")
        for depth in range(1, len(parts) if deep else min(2, len(parts))):
            path = start + "/".join(parts[:depth])
            found[path] = {"type": "directory", "path": path, "oid": "0" * 40}
        if deep or len(parts) == 1:
            sha = hashlib.sha256(data).hexdigest()
            entry = {"type": "file", "path": name, "oid": sha[:40], "size": len(data)}
            if name.endswith(LARGE):
                entry["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 100}
            found[name] = entry
    return list(found.values())


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub, for as long as the block lasts."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.ends.set()
        server.shutdown()
        thread.join()
        server.server_close()


_API = re.compile(
    r"/api/(?P<repo>(models|datasets)/[^/]+(/[^/]+)??)"
    r"(/(?P<what>revision|refs|tree|paths-info|auth-check)(/(?P<rev>[^/]+)(/(?P<file>.+))?)?)?"
)
_FILE = re.compile(r"/(?P<repo>(datasets/)?[^/]+(/[^/]+)?)/resolve/(?P<rev>[^/]+)/(?P<file>.+)")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Keep standard error clean."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        if "/paths-info/" in self.path:
            self._answer()
        else:
            self._take(posted)

    def do_PUT(self) -> None:
        def keep(hub: Hub, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
            hub.uploads[path.removeprefix("/lfs/")] = body
            return 200, {}

        self._take(keep)

    def _take(self, take: Any) -> None:
        """Take what was sent; of strangers nothing."""
        path, body = urlsplit(self.path).path, self._body()
        self.hub.requests.append(f"{self.command} {self.path}")
        for pattern, status in self.hub.failures.items():
            if re.search(pattern, path):
                return self._refuse(status)
        given = self.headers.get("Authorization")
        # What is put has its own right in the address.
        if self.command != "PUT" and given != f"Bearer {TOKEN}":
            return self._refuse(401 if given is None else 403)
        status, values = take(self.hub, path, body)
        return self._send(status, json.dumps(values).encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self) -> None:
        hub, parts = self.hub, urlsplit(self.path)
        hub.requests.append(f"{self.command} {self.path}")
        for pattern, status in hub.failures.items():
            if re.search(pattern, self.path):
                return self._refuse(status)
        if found := re.fullmatch(r"/cdn/(?P<sha>\w+)", parts.path):
            return self._cdn(found["sha"])
        found = api = _API.fullmatch(parts.path)
        if found is None:
            found = _FILE.fullmatch(parts.path)
        if found is None:
            return self._refuse(404)
        name = found["repo"].removeprefix("models/")
        if name in hub.moved:
            there = self.path.replace(name, hub.moved[name], 1)
            return self._send(307, headers={"Location": there})
        repository = hub.repositories.get(name)
        if repository is None or not self._may_read(repository):
            return None if repository else self._refuse(404, "RepoNotFound")
        if api and api["what"] == "refs":
            return self._refs(repository, parse_qs(parts.query))
        revision = unquote(found["rev"] or "main")
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return self._refuse(404, "RevisionNotFound")
        if api:
            return self._json(self._described(repository, commit, name, api))
        return self._file(repository, commit, unquote(found["file"]))

    def _may_read(self, repository: Repository) -> bool:
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            message = "Invalid credentials in Authorization header"
            self._refuse(401, headers={"X-Error-Message": message})
            return False
        if repository.access == "private" and not given:
            self._refuse(401, "RepoNotFound")
            return False
        # The list of a gated model's files is open.
        is_closed = "/resolve/" in self.path or self.path.endswith("/auth-check")
        if repository.access == "gated" and not given and is_closed:
            self._refuse(401, "GatedRepo")
            return False
        return True

    def _described(
        self, repository: Repository, commit: str, name: str, asked: re.Match[str]
    ) -> Any:
        """The description of a commit, or of the files in it that were asked for."""
        files = repository.commits[commit]
        if asked["what"] == "tree":
            return entries_of(files, unquote(asked["file"] or ""), "recursive=True" in self.path)
        if asked["what"] == "paths-info":
            wanted = parse_qs(self._body().decode())["paths"]
            every = entries_of(files, "", True)
            return [entry for entry in every if entry["path"] in wanted]
        siblings = [{"rfilename": file} for file in files]
        gated = "manual" if repository.access == "gated" else False
        return {
            "id": name.removeprefix("datasets/"), "sha": commit, "siblings": siblings,
            "gated": gated, "private": repository.access == "private", "downloads": 0,
            "likes": 0, "tags": [],
        }  # fmt: skip

    def _refs(self, repository: Repository, query: dict[str, list[str]]) -> None:
        def listed(prefix: str) -> list[dict[str, str]]:
            return [
                {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit}
                for ref, commit in repository.refs.items()
                if ref.startswith(prefix)
            ]

        branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": "0" * 40}]
        values = {"branches": branches, "tags": [], "converts": listed("refs/convert/")}
        if "include_prs" in query:
            values["pullRequests"] = listed("refs/pr/")
        self._json(values)

    def _file(self, repository: Repository, commit: str, name: str) -> None:
        data = repository.commits[commit].get(name)
        if data is None:
            return self._refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit}
        if not name.endswith(LARGE):
            etag = hashlib.sha1(data, usedforsecurity=False).hexdigest()
            return self._send(200, data, headers | {"ETag": f'"{etag}"'})
        sha = hashlib.sha256(data).hexdigest()
        # Another host, as a CDN is, to which no token may go.
        there = self.hub.endpoint.replace("127.0.0.1", "localhost") + f"/cdn/{sha}"
        linked = {"X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(len(data)), "Location": there}
        return self._send(302, headers=headers | linked)

    def _cdn(self, sha: str) -> None:
        assert "Authorization" not in self.headers, "a token was sent to another host"
        every = self.hub.every_file()
        data = next(data for _, data in every if hashlib.sha256(data).hexdigest() == sha)
        asked = self.headers.get("Range", "")
        self.hub.ranges.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        headers = {"ETag": f'"{sha}"', "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut, self.hub.cut_after = self.hub.cut_after, None
        if self.hub.stalls:
            cut = len(data) // 2
        return self._send(206 if asked else 200, data[start:], headers, cut)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(
        self, status: int, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        found = {"X-Error-Code": code} if code else {}
        more = {"Retry-After": "7"} if status == 429 else {}
        self._send(status, b"<html>", {**found, **more, **(headers or {})})

    def _send(
        self,
        status: int,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:cut])
        if cut is not None:
            self.wfile.flush()
            if self.hub.stalls:
                self.hub.ends.wait()
            self.close_connection = True
