"""A repository of lakeFS as its published interface shows it: no package registry has the server itself.

tests/stack/test_lakefs.py holds its answers to the models of lakeFS's own client.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.web_server import QuietHandler, web_server

KEY_ID: Final = "AKIDEXAMPLE"
KEY: Final = "wJalrXUtnFEMI"
_OBJECTS_A_PAGE: Final = 2
_BASE: Final = "/api/v1/repositories/churn"


@dataclass
class LakefsStandIn:
    """The repository `churn`, whose default branch is `main`, for those that log in."""

    address: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    """The commit of each branch."""
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    """Contents by path."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Place and parameters of each request, in their order."""

    @property
    def variables(self) -> dict[str, str]:
        """As a Secret has them for the resolver."""
        return {
            "LAKECTL_SERVER_ENDPOINT_URL": self.address,
            "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": KEY_ID,
            "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": KEY,
        }

    def commit(self, objects: Mapping[str, str], branch: str = "main", message: str = "rows") -> str:
        """The commit with these objects, which the branch stands for now."""
        text = json.dumps([dict(objects), message, self.branches.get(branch)])
        made = hashlib.sha256(text.encode()).hexdigest()
        self.commits[made] = dict(objects)
        self.branches[branch] = made
        return made

    def answer(self, place: str, given: Mapping[str, str]) -> bytes | dict[str, Any] | None:
        """What is at this place; None for nothing."""
        if place == _BASE:
            return {"id": "churn", "creation_date": 1, "default_branch": "main", "storage_namespace": "s3://data"}
        reference, _, rest = place.removeprefix(f"{_BASE}/refs/").partition("/")
        commit = self.branches.get(unquote(reference), reference)
        objects = self.commits.get(commit)
        if objects is None:
            return None
        if rest == "commits":
            return {"pagination": page(False, "", 1), "results": [commit_document(commit)]}
        if rest == "objects/ls":
            return listed(objects, given)
        content = objects.get(given.get("path", ""))
        if content is None:
            return None
        return content.encode() if rest == "objects" else stats(given["path"], content)


def commit_document(commit: str) -> dict[str, Any]:
    more = {"parents": [], "committer": "data", "message": "rows", "meta_range_id": "", "metadata": {}}
    return {"id": commit, "creation_date": 1, **more}


def listed(objects: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    names = [name for name in sorted(objects) if name.startswith(given["prefix"]) and name > given["after"]]
    shown, has_more = names[:_OBJECTS_A_PAGE], len(names) > _OBJECTS_A_PAGE
    results = [stats(name, objects[name]) for name in shown]
    return {"pagination": page(has_more, shown[-1] if has_more else "", len(shown)), "results": results}


def page(has_more: bool, next_offset: str, results: int) -> dict[str, Any]:
    return {"has_more": has_more, "next_offset": next_offset, "results": results, "max_per_page": 1000}


def stats(path: str, content: str) -> dict[str, Any]:
    checksum = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    known = {"path_type": "object", "physical_address": "s3://data/1", "size_bytes": len(content), "mtime": 1}
    return {"path": path, "checksum": checksum, **known}


@contextmanager
def lakefs_stand_in() -> Iterator[LakefsStandIn]:
    """It answers from the first line of the block to its end."""
    known = LakefsStandIn()
    login = f"Basic {base64.b64encode(f'{KEY_ID}:{KEY}'.encode()).decode()}"

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = dict(parse_qsl(parts.query, keep_blank_values=True))
            known.asked.append((parts.path, given))
            if self.headers.get("Authorization") != login:
                self.answer(401, {"message": "error authenticating request"})
            elif (found := known.answer(parts.path, given)) is None:
                self.answer(404, {"message": "not found"})
            else:
                self.answer(200, found)

        def answer(self, status: int, body: bytes | dict[str, Any]) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with web_server(Handler) as known.address:
        yield known
