"""The other model: its customers change and it follows by itself; the data are spoiled and automation waits.

Most of that is waiting, for the ends of windows of a minute. So it begins while other scenes are played.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from demo import stage
from demo.account import Account, headline
from demo.customers import Traffic, draw
from demo.kubectl import Kubectl, wait_for
from demo.measured import Measured
from demo.port_forward import address_of, port_forwarded, proxied
from viridian.api.feedback import COLLECTOR_PORT, TOKEN_AUDIENCE

MODEL: Final = "customers"
PEOPLE: Final = 1_600
WINDOW_SECONDS: Final = 60
PATIENCE: Final = 300.0


@dataclass(frozen=True)
class Shift:
    """What was there when other customers came, and when they came."""

    runs: int
    came: float


def begin(kubectl: Kubectl) -> None:
    """The model of customers and its policy are made, and its first version is asked for."""
    stage.create_scripts(kubectl, MODEL)
    kubectl.apply((stage.OBJECTS / "customers.yaml").read_text())
    kubectl("annotate", "retrainpolicy", MODEL, f"viridian.dev/run=first-{int(time.time())}", "--overwrite")


@dataclass(frozen=True)
class ClosedLoop:
    """The model `customers`, its policy, and the people who ask it."""

    kubectl: Kubectl
    account: Account
    measured: Measured
    traffic: Traffic

    @classmethod
    @contextmanager
    def opened(cls, kubectl: Kubectl, account: Account, measured: Measured) -> Iterator[ClosedLoop]:
        """The model serves its first version, and can be asked from this computer."""
        wait_for(lambda: _champion(kubectl), "the first version of the model of customers", PATIENCE)
        bearer = kubectl("create", "token", "default", f"--audience={TOKEN_AUDIENCE}", "--duration=2h").strip()
        with ExitStack() as open_doors:
            model = address_of(open_doors.enter_context(proxied(kubectl)), kubectl.namespace, MODEL)
            system = replace(kubectl, namespace="viridian-system")
            collector = open_doors.enter_context(
                port_forwarded(system, "viridian-collector", COLLECTOR_PORT, "/healthz")
            )
            yield cls(kubectl, account, measured, Traffic(model, collector, bearer))

    def customers_grow_older(self, number: int) -> Shift:
        headline(f"{number}  The customers of the second model grow older: nobody tells the operator")
        runs = len(self._runs())
        came = self._arrive(shift=1.0, seed=1)
        self.account.say(f"{PEOPLE} customers asked, older by one standard deviation; their window goes on", "▶")
        return Shift(runs, came)

    def model_follows(self, number: int, shift: Shift) -> None:
        headline(f"{number}  The monitor has seen it once the window is over: the model follows its customers")
        run = self._until_run(shift.runs)
        if run["outcome"] != "HandedOver":
            raise RuntimeError(f"the run ended as {run['outcome']}: {run.get('message', '')}")
        self.account.say(f"the run made version {run['version']} of those who asked: {run.get('message', '')}", "✓")
        champion = wait_for(lambda: _champion(self.kubectl, run["version"]), f"version {run['version']}", PATIENCE)
        moments = {"detection": run["startedAt"], "decision": run["finishedAt"], "promotion": champion["since"]}
        for what, moment in moments.items():
            self.measured.add(f"shift of the traffic until {what}", f"{_seconds(moment) - shift.came:.0f} s")

    def data_spoil(self, number: int) -> None:
        headline(f"{number}  The customers change again, and somebody has broken a column")
        runs = len(self._runs())
        came = self._arrive(shift=-1.0, seed=2, spend_scale=1e6)
        self.account.say(f"{PEOPLE} customers asked, younger this time; their spend is a million times too large", "▶")
        self._until_run(runs)
        paused = wait_for(lambda: self._condition("DataQuality", "False"), "the pause of automation", PATIENCE)
        self.account.say(f"automation waits, the model serves on: {paused['message']}", "✓")
        self.measured.add("spoiled data until the pause", f"{_seconds(paused['lastTransitionTime']) - came:.0f} s")
        came = self._arrive(shift=-1.0, seed=3)
        self.account.say(f"{PEOPLE} customers asked; the column is right again", "▶")
        run = wait_for(lambda: self._handed_over_since(runs), "the run on good data", PATIENCE)
        self.measured.add(
            "good data until the run that had waited was decided", f"{_seconds(run['finishedAt']) - came:.0f} s"
        )

    def _handed_over_since(self, runs: int) -> dict[str, Any] | None:
        found = [run for run in self._runs()[: -runs or None] if run["outcome"] == "HandedOver"]
        return found[0] if found else None

    def _arrive(self, **who: Any) -> float:
        """All of them in one window; when they came."""
        wait_for(lambda: time.time() % WINDOW_SECONDS < WINDOW_SECONDS * 2 / 3, "the next window", WINDOW_SECONDS)
        came = time.time()
        self.traffic.arrive(draw(PEOPLE, **who))
        return came

    def _policy(self) -> dict[str, Any]:
        return (self.kubectl.get("retrainpolicy", MODEL) or {}).get("status") or {}

    def _runs(self) -> list[dict[str, Any]]:
        """Finished runs, newest first."""
        return list(self._policy().get("runs", ()))

    def _until_run(self, before: int) -> dict[str, Any]:
        return wait_for(lambda: self._runs() if len(self._runs()) > before else [], "a run", PATIENCE)[0]

    def _condition(self, kind: str, status: str) -> dict[str, Any] | None:
        found = (one for one in self._policy().get("conditions", ()) if one["type"] == kind)
        return next((one for one in found if one["status"] == status), None)


def _champion(kubectl: Kubectl, version: str = "") -> dict[str, Any] | None:
    status = (kubectl.get("modeldeployment", MODEL) or {}).get("status") or {}
    champion: dict[str, Any] = status.get("champion") or {}
    return champion if champion and version in ("", champion.get("version")) else None


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
