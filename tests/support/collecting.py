"""A collector in this process: real database, real files, real HTTP interface; only the API server is scripted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from viridian.access.caller import Caller
from viridian.api.feedback import Outcome, Prediction, PredictionBatch, ProfileWindow, RetentionRules, Served, Window
from viridian.api.profile import Categories, Numbers, Profile, Task
from viridian.feedback.access.authorization import Right
from viridian.feedback.collector_app import CollectorApp, running
from viridian.feedback.collector_settings import CollectorSettings, parse
from viridian.feedback.endpoints.application import application
from viridian.feedback.problems import ServiceUnavailable

START = 1_800_000_000.0
SERVER = "system:serviceaccount:ml:server"
KNOWN = (("ml", "churn"), ("ml", "fraud"), ("ml", "tumours"), ("other", "churn"))
"""The deployments of which a collector has been told when it begins."""


@dataclass
class ScriptedGate:
    """Satisfies `Gate`: tokens and what their owners may do, as written down here."""

    owners: dict[str, str] = field(default_factory=dict)
    rights: set[tuple[str, str, str]] = field(default_factory=set)
    """User, verb, namespace."""
    away: bool = False
    questions: int = 0

    async def identify(self, token: str) -> Caller | None:
        self._asked()
        return Caller(self.owners[token]) if token in self.owners else None

    async def allows(self, identity: Caller, verb: str, namespace: str, deployment: str) -> bool:
        self._asked()
        return (identity.user, verb, namespace) in self.rights

    def _asked(self) -> None:
        self.questions += 1
        if self.away:
            raise ServiceUnavailable("the Kubernetes API server")

    def allow(self, user: str, *rights: Right, namespace: str = "ml") -> None:
        self.rights |= {(user, right.value, namespace) for right in rights}


@dataclass
class Clock:
    """Seconds since 1970, moved by hand."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """One caller of a collector."""

    http: httpx.AsyncClient
    token: str

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.send(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def predict(self, batch: PredictionBatch) -> Any:
        return await self.ok("POST", "/v1/predictions", content=msgspec.json.encode(batch))

    async def outcomes(self, *outcomes: Outcome, **query: str) -> Any:
        headers = {"Content-Type": "application/json"}
        content = msgspec.json.encode(list(outcomes))
        return await self.ok("POST", "/v1/outcomes", content=content, headers=headers, params=query)

    async def windows(self, start: float, end: float, seconds: float, **query: str) -> list[Window]:
        params = {"start": repr(start), "end": repr(end), "seconds": repr(seconds), **query}
        answer = await self.send("GET", "/v1/windows/ml/churn", params=params)
        assert answer.is_success, answer.text
        return msgspec.json.decode(answer.content, type=list[Window])


@dataclass
class Stand:
    """A collector, and those who speak with it."""

    collector: CollectorApp
    gate: ScriptedGate
    clock: Clock
    http: httpx.AsyncClient

    @property
    def server(self) -> Client:
        """A model server of the namespace `ml`: it may write there, and nothing else."""
        return Client(self.http, "server")

    @property
    def admin(self) -> Client:
        """May do everything in `ml`."""
        return Client(self.http, "admin")

    @property
    def stranger(self) -> Client:
        """A service account of another namespace."""
        return Client(self.http, "stranger")

    async def metrics(self) -> str:
        return (await self.http.get("/metrics")).text

    async def count(self, kind: str, fate: str) -> float:
        line = f'viridian_collector_rows_total{{fate="{fate}",kind="{kind}"}} '
        return next(
            float(text.removeprefix(line)) for text in (await self.metrics()).splitlines() if text.startswith(line)
        )


def settings(data: Path, database_url: str = "", **more: Any) -> CollectorSettings:
    """Those of a test; rates and times as usual."""
    return replace(parse(["--data-dir", str(data), "--database-url", database_url], {}), **more)


@contextlib.asynccontextmanager
async def collecting(data: Path, database_url: str = "", **more: Any) -> AsyncIterator[Stand]:
    """One life of a collector; its data outlive it."""
    gate = ScriptedGate({"server": SERVER, "admin": "admin", "stranger": "system:serviceaccount:other:server"})
    gate.allow("admin", *Right)
    clock = Clock()
    async with running(settings(data, database_url, **more), gate, clock) as collector:
        # As the operator does for each ModelDeployment with spec.feedback.
        for namespace, deployment in KNOWN:
            if not collector.privacy.knows(namespace, deployment):
                collector.privacy.give(namespace, deployment, RetentionRules())
        # The first sweep has begun: whoever asks for one from now on gets it after that.
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(application(collector), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://collector:8090") as http:
            yield Stand(collector, gate, clock, http)


def served(**parts: Any) -> Served:
    """A binary model called churn in the namespace ml."""
    known: dict[str, Any] = {
        "namespace": "ml",
        "deployment": "churn",
        "model": "churn",
        "version": "7",
        "revision": "9a1b02ee",
        "slot": "green",
        "task": Task.BINARY,
        "classes": ("stays", "leaves"),
    }
    return Served(**(known | parts))


def regression(**parts: Any) -> Served:
    """The same that predicts numbers."""
    return served(task=Task.REGRESSION, classes=(), **parts)


def prediction(number: int, **parts: Any) -> Prediction:
    """One row a second from START on; odd ones are predicted to leave."""
    score = 0.9 if number % 2 else 0.2
    known: dict[str, Any] = {
        "id": f"prediction-{number:06}",
        "time": START + number,
        "features": {"age": 20 + number % 50, "region": "north"},
        "prediction": "leaves" if number % 2 else "stays",
        "score": score,
    }
    return Prediction(**(known | parts))


def batch(rows: Iterable[Prediction], by: Served | None = None, dropped: int = 0) -> PredictionBatch:
    return PredictionBatch(served=by or served(), rows=list(rows), dropped=dropped)


def outcome(number: int, value: Any, **parts: Any) -> Outcome:
    return Outcome(prediction_id=f"prediction-{number:06}", outcome=value, **parts)


def profile(ages: tuple[int, int], scores: tuple[int, int]) -> Profile:
    """Two bins of a number, two of the score."""
    rows = sum(scores)
    return Profile(
        features={
            "age": Numbers(
                edges=(30.0,), counts=ages, mean=30.0, m2=10.0, finite=sum(ages), minimum=20.0, maximum=60.0
            ),
            "region": Categories(names=("north",), counts=(rows,)),
        },
        prediction=Numbers(edges=(0.5,), counts=scores, finite=rows),
        rows=rows,
        sampled=rows,
    )


def profile_window(
    sequence: int, counted: Profile, *, pod: str = "churn-green-1", by: Served | None = None
) -> ProfileWindow:
    start = START + 60.0 * sequence
    return ProfileWindow(
        served=by or served(), pod=pod, sequence=sequence, start=start, end=start + 60.0, profile=counted
    )


async def eventually(condition: Any, what: str, seconds: float = 30.0) -> None:
    """Returns when the condition holds."""
    import asyncio

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        await asyncio.sleep(0.005)  # between two looks at the condition that is awaited
