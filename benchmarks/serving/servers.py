"""How each tool is started for production, and how it is asked. One worker, no access log, nothing else switched off.

Where a tool has several ways, it gets the quickest: no second process on a core that both would share, no thread
between the request and the model, uvloop and httptools for all that run on uvicorn.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import viridian
from benchmarks.environments import environment
from benchmarks.feedback.traffic import OWNERS
from benchmarks.load import Question, Read, post
from benchmarks.processes import free_port
from benchmarks.serving.models import Model
from localcluster.paths import REPOSITORY
from viridian.api.orders import HEADER, Order
from viridian.ports.order_signing import OrderKey

PROGRAMS: Final = Path(__file__).parent / "programs"
SOURCES: Final = Path(viridian.__file__).parents[1]
"""Viridian's own, on top of an environment that holds what its image holds."""


ORDERS: Final = OrderKey.generate()
"""Whose orders our servers take."""


@dataclass(frozen=True)
class Start:
    """One start of a server."""

    command: list[str]
    port: int
    variables: Mapping[str, str] = field(default_factory=dict)
    management_port: int = 0
    beside: Sequence[str] = ()
    """A program that it needs, which runs on the load's cores: what it does is nobody's work here."""


@dataclass(frozen=True)
class Server:
    """A tool."""

    name: str
    lock: str
    """Its environment is `locks/<lock>.txt`."""
    start: Callable[[Path, Model, Path], Start]
    """From the environment's bin folder, the model and an empty folder."""
    path: str
    body: Callable[[list[float]], Any]
    read: Read
    counts: bool = True
    """Of Viridian: its live profile tells of every row."""
    sends: bool = False
    """Of Viridian: every row goes to a collector."""

    def questions(self, model: Model) -> list[Question]:
        """One for each row."""
        rows = zip(model.rows, model.labels, strict=True)
        return [Question(post(self.path, self.body(row)), [label]) for row, label in rows]


def v2(row: list[float]) -> Any:
    """One row of the Open Inference Protocol."""
    return {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}


def instances(row: list[float]) -> Any:
    return {"instances": [row]}


def inputs(row: list[float]) -> Any:
    return {"inputs": [row]}


def first_output(answer: Any) -> Any:
    """Of the Open Inference Protocol: all servers here give the label first."""
    return answer["outputs"][0]["data"]


def predictions(answer: Any) -> Any:
    return answer["predictions"]


def _viridian(binaries: Path, model: Model, _folder: Path) -> Start:
    return _ours(binaries, model.bundle)


def _uncounted(binaries: Path, model: Model, folder: Path) -> Start:
    """The same version without its reference profile: nothing is counted but requests."""
    bundle = folder / "bundle"
    shutil.copytree(model.bundle, bundle, ignore=shutil.ignore_patterns("viridian"))
    return _ours(binaries, bundle)


def _sending(binaries: Path, model: Model, _folder: Path) -> Start:
    """Every row is sent, to what only answers."""
    port = free_port()
    return _ours(binaries, model.bundle, _told(port), [sys.executable, str(PROGRAMS / "collector.py"), str(port)])


def _storing(binaries: Path, model: Model, folder: Path) -> Start:
    """The same to a real collector, which stores all of it."""
    port, token = free_port(), folder / "server-token"
    token.write_text(next(iter(OWNERS)))
    program = ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "benchmarks.serving.programs.real_collector"]
    flags = {"namespace": "ml", "deployment": "churn", "collector-token-file": token, **_told(port)}
    return _ours(binaries, model.bundle, flags, [*program, str(port), str(folder / "collector")])


def _told(port: int) -> dict[str, Any]:
    return {"collector-url": f"http://127.0.0.1:{port}", "feedback": '{"sampling": 100}'}


def _ours(binaries: Path, bundle: Path, more: Mapping[str, Any] | None = None, beside: Sequence[str] = ()) -> Start:
    port, management_port = free_port(), free_port()
    flags = {
        "model-dir": bundle, "model-name": "model", "model-version": 1, "revision": "4c1d90ab", "slot": "blue",
        "namespace": "ml", "pod": "churn-1", "orders-key": ORDERS.public,
        "host": "127.0.0.1", "port": port, "management-port": management_port, "drain-seconds": 0,
        **(more or {}),
    }  # fmt: skip
    command = [str(binaries / "python"), "-m", "viridian.serving.main", *(f"--{k}={v}" for k, v in flags.items())]
    return Start(command, port, {"PYTHONPATH": str(SOURCES)}, management_port, beside)


def proven(method: str, path: str, body: bytes = b"") -> dict[str, str]:
    """The header of an order to one of our servers."""
    return {HEADER: ORDERS.prove(Order(method=method, path=path, body=body, receiver="ml/churn-1"))}


def _fastapi(binaries: Path, model: Model, _folder: Path) -> Start:
    port = free_port()
    flags = ["--loop=uvloop", "--http=httptools", "--workers=1", "--no-access-log", "--log-level=warning"]
    where = [f"--app-dir={PROGRAMS}", "--host=127.0.0.1", f"--port={port}"]
    return Start([str(binaries / "uvicorn"), *flags, *where, "fastapi_app:app"], port, _model(model))


def _mlserver(binaries: Path, model: Model, folder: Path) -> Start:
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": free_port(),
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        # 1 by default: a second process for the model. On one core that costs and brings nothing.
        "parallel_workers": 0,
    }
    served = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(model.joblib), "version": "1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(served))
    return Start([str(binaries / "mlserver"), "start", str(folder)], int(str(settings["http_port"])))


def _kserve(binaries: Path, model: Model, folder: Path) -> Start:
    port = free_port()
    quiet = {"handlers": [], "propagate": False}
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "loggers": {"uvicorn.access": quiet, "kserve.trace": quiet},
        "root": {"level": "WARNING"},
    }
    (folder / "logging.json").write_text(json.dumps(logging))
    flags = [f"--http_port={port}", "--workers=1", "--enable_grpc=false", "--enable_latency_logging=false"]
    log = f"--log_config_file={folder / 'logging.json'}"
    program = [str(binaries / "python"), str(PROGRAMS / "kserve_model.py")]
    return Start([*program, *flags, log], port, _model(model))


def _mlflow(binaries: Path, model: Model, folder: Path) -> Start:
    port = free_port()
    written = folder / "model"
    program = [str(binaries / "python"), str(PROGRAMS / "mlflow_model.py"), str(model.joblib), str(written)]
    subprocess.run(program, check=True, capture_output=True, cwd=folder)
    where = ["-m", str(written), "-h", "127.0.0.1", "-p", str(port)]
    variables = {
        # It starts uvicorn by name, and uvicorn takes its options from here.
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "UVICORN_ACCESS_LOG": "false",
        "UVICORN_LOG_LEVEL": "warning",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [str(binaries / "mlflow"), "models", "serve", *where, "--env-manager", "local", "--workers", "1"]
    return Start(command, port, variables)


def _bentoml(binaries: Path, model: Model, folder: Path) -> Start:
    port = free_port()
    command = [str(binaries / "bentoml"), "serve", "bentoml_service:Served", "--working-dir", str(PROGRAMS)]
    variables = {**_model(model), "BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "true"}
    return Start([*command, "--host", "127.0.0.1", "--port", str(port)], port, variables)


def _model(model: Model) -> dict[str, str]:
    return {"BENCHMARK_MODEL": str(model.joblib)}


INFER: Final = "/v2/models/model/infer"
SERVERS: Final = {
    server.name: server
    for server in (
        Server("viridian", "server", _viridian, INFER, v2, first_output),
        Server("uncounted", "server", _uncounted, INFER, v2, first_output, counts=False),
        Server("sending", "server", _sending, INFER, v2, first_output, sends=True),
        Server("storing", "server", _storing, INFER, v2, first_output, sends=True),
        Server("fastapi", "bench/fastapi", _fastapi, "/predict", instances, predictions),
        Server("mlserver", "bench/mlserver", _mlserver, INFER, v2, first_output),
        # Version 1 of its protocol is its quicker one.
        Server("kserve", "bench/kserve", _kserve, "/v1/models/model:predict", instances, predictions),
        Server("kserve-v2", "bench/kserve", _kserve, INFER, v2, first_output),
        Server("mlflow", "bench/mlflow", _mlflow, "/invocations", inputs, predictions),
        Server("bentoml", "bench/bentoml", _bentoml, "/predict", instances, lambda answer: answer),
    )
}
DEFAULT: Final = tuple(name for name in SERVERS if name not in ("kserve-v2", "storing"))


def binaries(server: Server) -> Path:
    """Its environment's programs; built where they are not there yet."""
    return environment(server.lock)
