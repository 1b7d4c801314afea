"""The demo's load generator in a namespace: users who hold on to their connections, every answer of whom counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from demo import stage
from demo.kubectl import Kubectl
from tests.support.kube import Object, eventually

RATE = 80
CONNECTIONS = 128
SMALL_AREA = 690.0
"""The model that raises raises on rows with an area of 700 and more."""


@dataclass(frozen=True)
class OutcomeInput:
    """What users have seen, in lines of half a second."""

    lines: list[Object]

    def between(self, start: float, end: float) -> OutcomeInput:
        """The lines that tell of this time and of no other."""
        return OutcomeInput([line for line in self.lines if start + 0.5 <= line["at"] <= end])

    @property
    def answers(self) -> Counter[str]:
        """By revision, failed ones too."""
        found: Counter[str] = Counter()
        for line in self.lines:
            for revision, one in line["seen"].items():
                found[revision] += one["good"] + one["failed"]
        return found

    @property
    def failed(self) -> int:
        return sum(one["failed"] for line in self.lines for one in line["seen"].values())

    @property
    def failures(self) -> Counter[str]:
        """By revision; `none` is an answer that no revision has given."""
        found: Counter[str] = Counter()
        for line in self.lines:
            found.update({revision: one["failed"] for revision, one in line["seen"].items() if one["failed"]})
        return found

    @property
    def unanswered(self) -> Counter[str]:
        """What requests met that nobody answered."""
        found: Counter[str] = Counter()
        for line in self.lines:
            found.update(line.get("unanswered", {}))
        return found

    def failed_by(self, revision: str) -> int:
        return sum(line["seen"].get(revision, {}).get("failed", 0) for line in self.lines)

    def share(self, revision: str) -> float:
        answers = self.answers
        return answers[revision] / max(1, answers.total())

    def first_failure(self, revision: str) -> float | None:
        return min((t for line in self.lines if (t := _of(line, revision, "first_failure"))), default=None)

    def last_answer(self, revision: str) -> float | None:
        return max((t for line in self.lines if (t := _of(line, revision, "last_answer"))), default=None)

    @property
    def rate(self) -> float:
        """Answers a second."""
        if len(self.lines) < 2:
            return 0.0
        return self.answers.total() / float(self.lines[-1]["at"] - self.lines[0]["at"] + 0.5)


def _of(line: Object, revision: str, what: str) -> float | None:
    found: float | None = line["seen"].get(revision, {}).get(what)
    return found


@dataclass(frozen=True)
class Users:
    """One Deployment of users; nothing that they have seen is forgotten as long as it runs."""

    kubectl: Kubectl
    name: str = "load"

    @classmethod
    def start(
        cls,
        kubectl: Kubectl,
        name: str = "load",
        *,
        small: bool = False,
        rate: int = RATE,
        settings: Mapping[str, str] | None = None,
    ) -> Users:
        """`small`: only rows that even the model that raises can answer; `settings` are variables of the load."""
        table = stage.rows_of_users()
        if small:
            area = table["columns"].index("mean area")
            table = {**table, "data": [row for row in table["data"] if row[area] < SMALL_AREA]}
        stage.start_load(kubectl, rate, name=name, table=table, connections=CONNECTIONS, settings=settings)
        users = cls(kubectl, name)
        users.await_answers(rate)
        return users

    def told(self) -> OutcomeInput:
        lines = self.kubectl("logs", f"deployment/{self.name}", "--tail=-1").splitlines()
        return OutcomeInput([json.loads(line) for line in lines if line.startswith('{"at"')])

    def await_answers(self, count: int) -> OutcomeInput:
        """Wait until users have had so many more answers; gives all that was told."""
        before = self.told().answers.total()

        def enough() -> OutcomeInput | None:
            told = self.told()
            return told if told.answers.total() >= before + count else None

        return eventually(enough, what=f"{count} more answers to users", timeout=60, every=0.5)

    def stop(self) -> None:
        self.kubectl("delete", f"deployment/{self.name}", "--wait=false")
