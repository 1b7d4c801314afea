"""The live account: who answers which share of the requests, what the operator decides and why."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from demo.kubectl import Kubectl, documents

WIDTH = 30
BLOCKS = "█▓▒░"


@dataclass
class Total:
    """What a revision has answered in all."""

    good: int = 0
    failed: int = 0
    first_failure: float | None = None
    last_failure: float | None = None
    last_answer: float | None = None


@dataclass
class Account:
    """Follows the load generator and the ModelDeployment; everything it prints, it has seen."""

    kubectl: Kubectl
    model: str
    started: float = field(default_factory=time.time)
    totals: dict[str, Total] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _recent: dict[str, int] = field(default_factory=dict)
    _failed_recently: int = 0
    _p95: float = 0.0
    _drawn_at: float = 0.0
    _events: subprocess.Popen[str] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str, mark: str = " ") -> None:
        with self._lock:
            print(f"{time.time() - self.started:7.1f}s {mark} {text}", flush=True)

    def follow_operator(self) -> None:
        """Tell of the operator's decisions from now on."""
        threading.Thread(target=self._follow_operator, daemon=True).start()

    def follow_load(self) -> None:
        """Tell who answers the load from now on."""
        threading.Thread(target=self._follow_load, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        if self._events is not None:
            self._events.terminate()

    def forget_failures(self, revision: str) -> None:
        """Measure anew when this revision first fails and last answers."""
        total = self.totals.setdefault(revision, Total())
        total.first_failure = None

    @property
    def failed(self) -> int:
        return sum(total.failed for total in self.totals.values())

    @property
    def answered(self) -> int:
        return sum(total.good + total.failed for total in self.totals.values())

    # ---- the load ----

    def _follow_load(self) -> None:
        while not self._stop.is_set():
            command = self.kubectl.command("logs", "--follow", "--tail=0", "deployment/load")
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
                for line in process.stdout or ():
                    if self._stop.is_set():
                        process.terminate()
                        return
                    self._hear(line)
            self._stop.wait(0.5)

    def _learn_versions(self) -> None:
        labels = f"viridian.dev/revision,viridian.dev/model-deployment={self.model}"
        found = self.kubectl.get("controllerrevisions", "-l", labels) or {}
        for record in found.get("items", ()):
            revision = record["metadata"]["labels"]["viridian.dev/revision"]
            self.versions[revision] = f"v{record['data']['model'].get('version', '?')}"

    def _hear(self, line: str) -> None:
        try:
            seen: Mapping[str, Any] = json.loads(line)["seen"]
        except (ValueError, KeyError, TypeError):
            return
        for revision, one in seen.items():
            total = self.totals.setdefault(revision, Total())
            total.good += one["good"]
            total.failed += one["failed"]
            total.first_failure = total.first_failure or one["first_failure"]
            total.last_failure = one["last_failure"] or total.last_failure
            total.last_answer = one["last_answer"] or total.last_answer
            self._recent[revision] = self._recent.get(revision, 0) + one["good"] + one["failed"]
            self._failed_recently += one["failed"]
            self._p95 = max(self._p95, one["p95"] or 0.0)
        if time.time() - self._drawn_at >= 2.0:
            self._draw()

    def _draw(self) -> None:
        seconds, self._drawn_at = time.time() - self._drawn_at, time.time()
        everything = sum(self._recent.values())
        if everything and seconds < 10:
            if not self._recent.keys() <= self.versions.keys():
                with suppress(RuntimeError):  # the API server is away: a later look finds them
                    self._learn_versions()
            shares = sorted(self._recent.items(), key=lambda pair: self._name(pair[0]))
            bar = "".join(BLOCKS[i % 4] * round(WIDTH * n / everything) for i, (_, n) in enumerate(shares))
            words = "  ".join(
                f"{BLOCKS[i % 4]} {self._name(r)} {100 * n / everything:.0f} %" for i, (r, n) in enumerate(shares)
            )
            self.say(
                f"{bar:<{WIDTH + 2}} {everything / seconds:4.0f} req/s  {words}  "
                f"failed {self._failed_recently}  p95 {self._p95 * 1000:.0f} ms",
                "│",
            )
        self._recent, self._failed_recently, self._p95 = {}, 0, 0.0

    def _name(self, revision: str) -> str:
        return self.versions.get(revision, revision)

    # ---- the operator ----

    def _follow_operator(self) -> None:
        while not self._stop.wait(0.5):
            with self.kubectl.watch("events.events.k8s.io") as self._events:
                for event in documents(self._events.stdout or ()):
                    self._tell(event)

    def _tell(self, event: Mapping[str, Any]) -> None:
        # A Status, with which a watch may end, has no uid.
        uid, about = event["metadata"].get("uid", ""), event.get("regarding") or {}
        if uid in self._told or about.get("kind") not in ("ModelDeployment", "RetrainPolicy"):
            return
        self._told.add(uid)
        mark = "▲" if event.get("type") == "Warning" else "●"
        self.say(f"{about.get('name')}: {event['reason']}: {event.get('note', '')}", mark)

    def hush(self) -> None:
        """Take what was told before this demo as told."""
        for event in (self.kubectl.get("events.events.k8s.io") or {}).get("items", []):
            self._told.add(event["metadata"]["uid"])


def headline(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}── {text} {'─' * max(3, 96 - len(text))}{plain}", flush=True)
