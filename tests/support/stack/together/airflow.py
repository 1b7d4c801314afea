"""Airflow as its REST API shows it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

DAG: Final = "retrain_churn"
HEALTH: Final = "/api/v2/monitor/health"
TRIES: Final = 5
"""A busy computer answers late, and a port that is forwarded breaks now and then."""
_ENDED: Final = ("success", "failed")


@dataclass(frozen=True)
class TaskState:
    """One task of a DAG run."""

    name: str
    state: str


@dataclass(frozen=True)
class Airflow:
    """The server at an address of this computer. Everybody is its administrator."""

    url: str

    def knows_the_dag(self) -> bool:
        """Whether its DAG processor has read the file."""
        return self._found(f"/dags/{DAG}") is not None

    def state(self, run: str) -> str:
        """Of a DAG run; empty where there is none of that name."""
        return str((self._found(f"/dags/{DAG}/dagRuns/{run}") or {}).get("state", ""))

    def has_ended(self, run: str) -> bool:
        return self.state(run) in _ENDED

    def tasks(self, run: str) -> list[TaskState]:
        """Those that have a state, in the order in which they began."""
        found = (self._found(f"/dags/{DAG}/dagRuns/{run}/taskInstances") or {}).get("task_instances", [])
        begun = sorted((one for one in found if one["state"]), key=lambda one: one["start_date"] or "9")
        return [TaskState(one["task_id"], one["state"]) for one in begun]

    def _found(self, path: str) -> dict[str, Any] | None:
        token = self._asked("/auth/token")["access_token"]
        try:
            return self._asked(f"/api/v2{path}", token)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _asked(self, path: str, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - an address of this computer
        for _ in range(TRIES):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    document: dict[str, Any] = json.load(answer)
                    return document
            except urllib.error.HTTPError:
                raise
            except OSError as error:
                unanswered = error
        raise unanswered
