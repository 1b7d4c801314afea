"""A server with the part of Jira's published REST API, version 3, that alerts use: search, create, edit, transitions.

It stands for Jira, which cannot be had here. It refuses what the documentation calls wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.web_server import QuietHandler, web_server

PREFIX: Final = "/rest/api/3"
_ISSUE: Final = re.compile(rf"^{PREFIX}/issue/([A-Z]+-\d+)(/transitions)?$")
_LABEL: Final = re.compile(r'labels="([^"]+)"')
_OPEN: Final = {"name": "To Do", "statusCategory": {"key": "new"}}
_CLOSED: Final = {"name": "Done", "statusCategory": {"key": "done"}}
_TRANSITIONS: Final = [{"id": "11", "name": "To Do"}, {"id": "31", "name": "Done"}]
_NOTHING: Final = {"type": "doc", "version": 1, "content": ()}
_SUMMARY_CHARACTERS: Final = 255


@dataclass
class JiraProject:
    """The issues of one project, and what was asked of them."""

    key: str
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields by key."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request, in order."""
    refused: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any] | None]:
        """Status and body, as the documentation has them."""
        self.asked.append(f"{method} {path}")
        if (method, path) == ("POST", f"{PREFIX}/search/jql"):
            return 200, {"issues": [_shown(*one) for one in self._found(body["jql"])], "isLast": True}
        if (method, path) == ("POST", f"{PREFIX}/issue"):
            return self._create(body["fields"])
        issue = _ISSUE.match(path)
        if issue is None or issue[1] not in self.issues:
            return 404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
        if issue[2]:
            return self._transitions(method, issue[1], body)
        return self._edit(issue[1], body["fields"]) if method == "PUT" else (405, None)

    def _found(self, jql: str) -> list[tuple[str, dict[str, Any]]]:
        label = _LABEL.search(jql)
        wanted = [(key, one) for key, one in self.issues.items() if label and label[1] in one["labels"]]
        return [one for one in wanted if "statusCategory != Done" not in jql or one[1]["status"] == _OPEN]

    def _create(self, fields: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        if wrong := self._wrong(fields):
            return 400, {"errorMessages": [], "errors": wrong}
        number = len(self.issues) + 1
        self.issues[f"{self.key}-{number}"] = {**fields, "status": _OPEN}
        return 201, {"id": str(10000 + number), "key": f"{self.key}-{number}", "self": f"{PREFIX}/issue/{number}"}

    def _edit(self, key: str, fields: Mapping[str, Any]) -> tuple[int, Mapping[str, Any] | None]:
        if wrong := self._wrong(fields):
            return 400, {"errorMessages": [], "errors": wrong}
        self.issues[key].update(fields)
        return 204, None

    def _transitions(self, method: str, key: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any] | None]:
        if method == "GET":
            return 200, {"transitions": _TRANSITIONS}
        self.issues[key]["status"] = _CLOSED if body["transition"]["id"] == "31" else _OPEN
        return 204, None

    def _wrong(self, fields: Mapping[str, Any]) -> dict[str, str]:
        summary, labels = fields.get("summary", ""), fields.get("labels", [])
        found = {
            "project": fields.get("project", {}).get("key") != self.key,
            "issuetype": not fields.get("issuetype", {}).get("name"),
            "summary": not 0 < len(summary) <= _SUMMARY_CHARACTERS or "\n" in summary,
            "labels": any(not label or " " in label for label in labels),
            "description": not _is_document(fields.get("description", _NOTHING)),
        }
        wrong = {name: f"the field {name} is not as documented" for name, is_wrong in found.items() if is_wrong}
        self.refused += wrong
        return wrong


def _is_document(description: Any) -> bool:
    """Whether it is the root of a document in Atlassian's format. Their schema says the rest."""
    return isinstance(description, dict) and description.keys() == _NOTHING.keys() and description["type"] == "doc"


def _shown(key: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"id": key, "key": key, "fields": {"status": fields["status"]}}


@contextmanager
def jira(project: JiraProject, authorization: str) -> Iterator[str]:
    """Its address without a path. Requests need this header."""

    class Handler(QuietHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = 401, None
            if self.headers.get("Authorization") == authorization:
                status, answer = project.answer(self.command, self.path, json.loads(body or b"{}"))
            sent = json.dumps(answer).encode() if answer is not None else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

    with web_server(Handler) as address:
        yield address
