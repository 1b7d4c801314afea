"""The operator as users run it: a process of its own, told by flags, watched through its endpoints and its log."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from prometheus_client.parser import text_string_to_metric_families

from localcluster.ports import free_ports
from tests.support.kube import eventually


class Process(Protocol):
    """What is asked of a process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...

    def send_signal(self, number: int, /) -> None: ...


class OperatorProcess:
    """Begins with `__enter__`, and is killed at the end if it has not ended by itself."""

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        *flags: str,
        environment: Mapping[str, str] | None = None,
        profile: Path | None = None,
    ) -> None:
        """`environment`: variables that it is given beside those of the computer. It is alone unless flags say more.

        `profile`: where cProfile writes its figures when the operator ends.
        """
        self._environment = dict(environment or {})
        self.health_port, self.metrics_port = free_ports(2)
        self._log = folder / f"operator-{self.health_port}.log"
        self._flags = [
            f"--kubeconfig={kubeconfig}",
            "--own-namespace=viridian-system",
            "--lease=none",
            f"--health-port={self.health_port}",
            f"--metrics-port={self.metrics_port}",
            *flags,
        ]
        profiled = ("-m", "cProfile", "-o", str(profile.absolute())) if profile is not None else ()
        self._command = [sys.executable, *profiled, "-m", "viridian.controller.main", *self._flags]

    def __enter__(self) -> Self:
        # What the computer's own environment says must not reach the operator under test.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("VIRIDIAN_", "MLFLOW_", "KUBE"))
        } | self._environment
        self._process = self._started(environment)
        return self

    def _started(self, environment: Mapping[str, str]) -> Process:
        with self._log.open("wb") as log:
            return subprocess.Popen(self._command, stderr=log, stdout=log, env=environment, cwd="/")

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def until_ready(self) -> Self:
        eventually(lambda: self._answers(200, "/readyz"), what="the operator's readiness", timeout=120.0)
        return self

    def until_answering(self) -> Self:
        """Until its endpoints answer, whatever they say."""
        eventually(self._has_endpoints, what="the operator's endpoints", timeout=120.0)
        return self

    def stop(self) -> int:
        """Ask it to end, as Kubernetes does; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        try:
            return self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the operator does not end; its log:\n{self.log()}") from None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def entries(self) -> list[dict[str, Any]]:
        """The log's lines, each of which must be a JSON object."""
        return [json.loads(line) for line in self.log().splitlines()]

    def health(self) -> tuple[int, str]:
        """Status and body of the liveness endpoint."""
        return _ask(self.health_port, "/healthz")

    def exposition(self) -> str:
        """The text of its metrics."""
        status, body = _ask(self.metrics_port, "/metrics")
        assert status == 200, body
        return body

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample by name and labels."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.exposition())
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that carry the labels."""
        return sum(
            value for (found, carried), value in self.metrics().items() if found == name and labels.items() <= carried
        )

    def _has_endpoints(self) -> bool:
        return self._answers(200, "/readyz") or self._answers(503, "/readyz")

    def _answers(self, status: int, path: str) -> bool:
        assert self.running, f"the operator has ended; its log:\n{self.log()}"
        try:
            return _ask(self.metrics_port, path)[0] == status
        except OSError:
            return False


def _ask(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
