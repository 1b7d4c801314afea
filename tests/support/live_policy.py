"""A RetrainPolicy on a real API server, and the trainer that its Jobs would run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from tests.support.kube import Kube, Object, condition, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.manifests import retrain_policy
from viridian import training

CANCER = load_breast_cancer()
ROWS, HELD = slice(0, 400), slice(400, None)


class LivePolicy:
    """One RetrainPolicy `churn`; `apply` makes it."""

    def __init__(self, kube: Kube, kubelet: Kubelet, namespace: str, model: str = "churn") -> None:
        self.kube, self.kubelet, self.namespace, self.model = kube, kubelet, namespace, model

    def manifest(self, **spec: Any) -> Object:
        """It runs when it is asked to, and never by itself. No scheduler looks at its pods."""
        manifest = retrain_policy(self.namespace, modelDeployment=self.model, triggers=[], **spec)
        manifest["spec"]["stages"]["training"]["template"]["spec"]["schedulerName"] = "nobody"
        return manifest

    def apply(self, **spec: Any) -> Object:
        return self.kube.apply(self.manifest(**spec))

    def ask_for_a_run(self, why: str) -> None:
        manifest = self.identity
        manifest["metadata"]["annotations"] = {"viridian.dev/run": why}
        self.kube.apply(manifest, manager="person-run", force=True)

    @property
    def identity(self) -> Object:
        found: Object = retrain_policy(self.namespace)
        return {key: found[key] for key in ("apiVersion", "kind", "metadata")}

    @property
    def status(self) -> Object:
        return dict(self.kube.read(self.identity).get("status") or {})

    def condition(self, kind: str) -> Object:
        return condition(self.kube.read(self.identity), kind)

    def jobs(self) -> list[Object]:
        return self.kube.list("batch/v1", "Job", self.namespace)

    def running(self, number: int = 1, *, timeout: float = 60) -> Object:
        """The newest Job, once there are so many and its pod runs."""

        def found() -> Object | None:
            jobs = sorted(self.jobs(), key=lambda job: str(job["metadata"]["creationTimestamp"]))
            started = len(jobs) == number and jobs[-1].get("status", {}).get("active") == 1
            return jobs[-1] if started else None

        return eventually(found, what=f"Job {number} at work; status: {self.status}", timeout=timeout)

    def ends(self, job: Object, end: JobEnd) -> None:
        self.kubelet.end_job(self.namespace, job["metadata"]["name"], end)

    def finished(self, number: int = 1) -> Object:
        """The newest run, once so many have an outcome."""

        def found() -> Object | None:
            runs = [run for run in self.status.get("runs", []) if run.get("outcome")]
            return runs[0] if len(runs) == number else None

        return eventually(found, what=f"the outcome of run {number}; status: {self.status}", timeout=60)


def environment(job: Object) -> dict[str, str]:
    """What the stage container is told."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def train(job: Object, folder: Path, *, trees: int = 5, depth: int = 3) -> JobEnd:
    """What a trainer's container would do: the user's script with `viridian.training`, told by the environment."""
    report = folder / job["metadata"]["name"]
    model = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=1)
    model.fit(CANCER.data[ROWS], CANCER.target[ROWS])
    with _told({**environment(job), "VIRIDIAN_TERMINATION_LOG": str(report)}):
        chosen = {"n_estimators": trees, "max_depth": depth}
        training.log(model, (CANCER.data[HELD], CANCER.target[HELD]), params=chosen)
    return JobEnd(0, report.read_text())


def in_the_container(job: Object, folder: Path, command: Callable[[], int]) -> JobEnd:
    """How a stage ends whose container runs this command, told by the environment."""
    report = folder / f"{job['metadata']['name']}-report"
    with _told({**environment(job), "VIRIDIAN_OUT_DIR": str(folder), "VIRIDIAN_TERMINATION_LOG": str(report)}):
        return JobEnd(command(), report.read_text())


@contextmanager
def _told(variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("VIRIDIAN_", "MLFLOW_RUN", "MLFLOW_EXP"))]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield
