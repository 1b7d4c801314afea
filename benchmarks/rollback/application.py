"""The application that every tool rolls out: the model server, with models that fail for a share of the requests.

Each request brings a number between 0 and 1 and the share of an outage. A version answers 500 where the number is below
its own share of errors or below that of the outage. So what a version answers depends on the request alone, whichever
tool rolls it out.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from localcluster.nodeconfig import NODE_ADDRESS
from viridian.training import bundle
from viridian.training.holdout import holdout_of
from viridian.training.payload import Payload, as_onnx

COLUMNS = ("draw", "outage")
MODEL = "application"
PORT = 8080
MANAGEMENT_PORT = 8081
IMAGE = "viridian/server:dev"


@dataclass(frozen=True)
class Model:
    """Where the files of a version are, and their digest."""

    uri: str
    digest: str


def payload(errors: float) -> Payload:
    """A sound model with a look-up behind it that has no entry for as many requests as shall fail."""
    rows = np.random.default_rng(1).random((100, len(COLUMNS)))
    columns = holdout_of(rows, rows[:, 0] > 0.5, names=COLUMNS).columns
    sound = as_onnx(LogisticRegression().fit(rows, rows[:, 0] > 0.5), columns)
    graph = onnx.load_from_string(sound.content)
    for node in graph.graph.node:
        node.output[:] = ["sound_probabilities" if name == "probabilities" else name for name in node.output]
    constants = {
        "draw_column": np.array([0], dtype=np.int64),
        "outage_column": np.array([1], dtype=np.int64),
        "own_share": np.array(errors, dtype=np.float32),
        "table": np.ones((1, 1), dtype=np.float32),
        "flat": np.array([-1], dtype=np.int64),
    }
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.graph.node.extend(
        [
            helper.make_node("Gather", ["input", "draw_column"], ["draw"], axis=1),
            helper.make_node("Gather", ["input", "outage_column"], ["outage"], axis=1),
            helper.make_node("Max", ["outage", "own_share"], ["failing_share"]),
            helper.make_node("Less", ["draw", "failing_share"], ["fails"]),
            helper.make_node("Cast", ["fails"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["whole", "flat"], ["entry"]),
            # The table has the entry 0 alone: the runtime raises at entry 1.
            helper.make_node("Gather", ["table", "entry"], ["factor"], axis=0),
            helper.make_node("Mul", ["sound_probabilities", "factor"], ["probabilities"]),
        ]
    )
    onnx.checker.check_model(graph)
    return replace(sound, content=graph.SerializeToString())


def archive(errors: float) -> tuple[bytes, str]:
    """The bundle of such a version as tar.gz, and its digest. Its example never fails."""
    rows = np.array([[1.0, 0.0], *np.random.default_rng(1).random((9, len(COLUMNS)))])
    holdout = holdout_of(rows, rows[:, 0] > 0.5, names=COLUMNS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        bundle.write(folder, payload(errors), holdout, {"errors": errors})
        digest = bundle.seal(folder)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    tar.add(path, str(path.relative_to(folder)))
    return packed.getvalue(), digest


class Models:
    """The versions by their share of errors, as the pods fetch them."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._models: dict[float, Model] = {}
        self.files: dict[str, bytes] = {}

    def failing(self, errors: float) -> Model:
        """The model that fails for this share of the requests."""
        if errors not in self._models:
            path = f"/errors-{errors:g}.tar.gz"
            self.files[path], digest = archive(errors)
            self._models[errors] = Model(f"http://{self._address}{path}", digest)
        return self._models[errors]


@contextmanager
def models(host: str = NODE_ADDRESS) -> Iterator[Models]:
    """Served on the node's own address, which pods reach and nothing outside of this computer does."""
    with ThreadingHTTPServer((host, 0), BaseHTTPRequestHandler) as server:
        known = Models(f"{host}:{server.server_port}")
        server.RequestHandlerClass = _handler(known)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield known
        finally:
            server.shutdown()
            thread.join()


def _handler(known: Models) -> type[BaseHTTPRequestHandler]:
    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = known.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    return Files


def pod_template(model: Model, revision: str, labels: dict[str, str]) -> dict[str, Any]:
    """The pod that tools without models of their own run: the same two containers as Viridian's."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = [{"name": "model", "mountPath": "/model"}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    fetch = {"VIRIDIAN_MODEL_URI": model.uri, "VIRIDIAN_MODEL_DIGEST": model.digest}
    serve = {"VIRIDIAN_MODEL_NAME": MODEL, "VIRIDIAN_REVISION": revision}
    ports = [{"name": "http", "containerPort": PORT}, {"name": "management", "containerPort": MANAGEMENT_PORT}]
    readiness = {"httpGet": {"path": "/v2/health/ready", "port": "http"}, "periodSeconds": 1}
    common = {"image": IMAGE, "volumeMounts": volumes, "securityContext": restricted}
    return {
        "metadata": {"labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [
                {"name": "fetch", "command": ["viridian-fetch"], "env": _variables(fetch), **common},
            ],
            "containers": [
                {"name": "server", "env": _variables(serve), "ports": ports, "readinessProbe": readiness, **common},
            ],
            "volumes": [{"name": "model", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    }


def _variables(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
