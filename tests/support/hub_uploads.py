"""The part of the hub on this machine that takes files: repositories, uploads, commits."""

import base64
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.hub import Hub


def posted(hub: "Hub", path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the values that answer what was posted with a valid token."""
    from tests.support.hub import LARGE, Repository

    if path == "/api/validate-yaml":
        content = json.loads(body)["content"]
        license = re.search(r'^license: "?(mit|other|apache-2.0)"?$', content, re.MULTILINE)
        wrong = [] if license else [{"message": '"license" must be one of a list'}]
        return (400 if wrong else 200), {"errors": wrong, "warnings": []}
    if path == "/api/repos/create":
        values = json.loads(body)
        name = f"{values['organization']}/{values['name']}"
        url = {"url": f"{hub.endpoint}/{name}"}
        if name in hub.repositories:
            return 409, url
        is_private = values.get("visibility") == "private" or values.get("private")
        hub.repositories[name] = Repository(access="private" if is_private else "open")
        hub.repositories[name].commit({".gitattributes": b""})
        return 200, url
    if found := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        return 200, {"files": files}
    if found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
        objects = [
            item | {"actions": {"upload": {"href": f"{hub.endpoint}/lfs/{item['oid']}"}}}
            for item in json.loads(body)["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}
    if found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
        repository = hub.repositories[found[1]]
        files = dict(repository.commits[repository.refs["main"]])
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if value.get("parentCommit", repository.refs["main"]) != repository.refs["main"]:
                return 412, {"error": "the branch has another commit"}
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = hub.uploads[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(files)
        url = f"{hub.endpoint}/{found[1]}/commit/{commit}"
        return 200, {"success": True, "commitUrl": url, "commitOid": commit}
    return 404, {}
