"""Airflow as `airflow standalone` starts it: API server, scheduler, processor of DAGs, triggerer, all of them real."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from localcluster.ports import free_ports
from tests.support.kube import eventually
from tests.support.stack.environment import environment
from tests.support.stack.server import served
from tests.support.stack.systems import StackSystem

READ_SECONDS: Final = 420.0
"""Until the files of DAGs have been read."""
RUN_SECONDS: Final = 300.0
SLOW_SECONDS: Final = 180.0
"""Its API server answers late while tasks take the cores."""
USER: Final = "viridian"
PASSWORD: Final = "only here"
"""Of a user that may start DAG runs and may not change what Airflow is."""


class AirflowServer:
    """What its users see of it."""

    def __init__(self, address: str) -> None:
        self.address = address
        login = {"username": USER, "password": PASSWORD}
        token = (
            httpx.post(f"{address}/auth/token", json=login, timeout=SLOW_SECONDS)
            .raise_for_status()
            .json()["access_token"]
        )
        self._client = httpx.Client(
            base_url=f"{address}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=SLOW_SECONDS
        )

    def start(self, dag: str, **parameters: Any) -> str:
        """The id of a new DAG run."""
        asked = {"logical_date": None, "conf": parameters}
        made = self._client.post(f"/dags/{dag}/dagRuns", json=asked).raise_for_status()
        return str(made.json()["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All DAG runs of the DAG."""
        found: list[dict[str, Any]] = self._get(f"/dags/{dag}/dagRuns")["dag_runs"]
        return found

    def until_ended(self, dag: str, run: str) -> str:
        """The state in which the DAG run has ended."""

        def ended() -> str | None:
            state: str = self._get(f"/dags/{dag}/dagRuns/{run}")["state"]
            return state if state in ("success", "failed") else None

        return eventually(ended, what=f"the end of {dag} {run}; {self.states(dag, run)}", timeout=RUN_SECONDS, every=1)

    def states(self, dag: str, run: str) -> dict[str, str]:
        """Task to its state."""
        tasks = self._get(f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def log(self, dag: str, run: str, task: str) -> str:
        """Of the first try."""
        return json.dumps(self._get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1")["content"])

    def logs(self, dag: str, run: str) -> str:
        """Of the first try of all tasks, for the message of a failed test."""
        return "\n".join(self.log(dag, run, task) for task in self.states(dag, run))

    def pause(self, dag: str, *, paused: bool = True) -> None:
        self._client.patch(f"/dags/{dag}", json={"is_paused": paused}).raise_for_status()

    def until_known(self, *dags: str) -> None:
        """Airflow has read the files of these DAGs."""

        def problems() -> str:
            return json.dumps(self._get("/importErrors"))

        def known() -> bool:
            return {dag["dag_id"] for dag in self._get("/dags")["dags"]} >= set(dags)

        eventually(known, what=f"{dags}; {problems()}", timeout=READ_SECONDS, every=1)

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str) -> dict[str, Any]:
        return dict(self._client.get(path).raise_for_status().json())


@contextmanager
def airflow_server(
    system: StackSystem, dags: Path, folder: Path, settings: Mapping[str, str]
) -> Iterator[AirflowServer]:
    """A server with the DAGs of this folder, which it has read. `settings`: variables that its tasks see."""
    port, workers_logs, triggerers_logs = free_ports(3)
    programs, address = environment(system), f"http://127.0.0.1:{port}"
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    own = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:user",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggerers_logs),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(workers_logs),
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "PATH": f"{programs}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [str(programs / "airflow"), "standalone"]
    with served(
        command,
        folder,
        address,
        health="/api/v2/monitor/health",
        settings={**own, **settings},
    ):
        server = AirflowServer(address)
        try:
            yield server
        finally:
            server.close()
