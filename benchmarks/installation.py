"""How long an installation takes on the node: from its command until a model has its first condition.

Each route begins with a cluster that has the images and nothing of the operator, and ends with that. The kinds are
deleted with all their objects, so a cluster with ModelDeployments is refused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.spread import spread
from demo import stage
from demo.kubectl import Kubectl, wait_for
from localcluster.binaries import program
from release.chart import package
from tests.support.container_registry import container_registry
from tests.support.node.helm import Helm, settings
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT

SYSTEM: Final = "viridian-system"
MODELS: Final = "viridian-benchmark"
RELEASE: Final = "viridian"
CRDS: Final = ("crd/modeldeployments.viridian.dev", "crd/retrainpolicies.viridian.dev")


@dataclass(frozen=True)
class Route:
    """One way to install; `remove` takes away all but the kinds."""

    name: str
    install: Callable[[], object]
    remove: Callable[[], object]


def routes(kubectl: Kubectl, charts: str) -> Iterator[Route]:
    folder = str(stage.ROOT / "demo" / "install")
    yield Route(
        "kubectl apply -k",
        lambda: kubectl("apply", "--server-side", "--kustomize", folder),
        lambda: kubectl("delete", "--kustomize", folder, "--ignore-not-found", "--wait=true"),
    )
    chart = str(stage.ROOT / "charts" / "viridian")
    mlflow = {"mlflow.install": "true", "mlflow.storage.persistent": "false"}
    elsewhere = {"mlflow.uri": "http://mlflow.example.com"}
    one = {**elsewhere, "namespaces": f"{{{MODELS}}}"}
    yield _release("helm install", kubectl, [chart], elsewhere)
    yield _release("helm install, for one namespace", kubectl, [chart], one)
    yield _release("helm install, from a registry", kubectl, [f"{charts}/viridian", "--plain-http"], elsewhere)
    yield _release("helm install, with MLflow", kubectl, [chart], mlflow)


def _release(name: str, kubectl: Kubectl, chart: Sequence[str], values: Mapping[str, str]) -> Route:
    helm = Helm(kubectl)
    return Route(
        name,
        lambda: helm("install", RELEASE, *chart, *settings(values), "--create-namespace"),
        lambda: helm("uninstall", RELEASE, "--wait"),
    )


def seconds(route: Route, kubectl: Kubectl) -> float:
    """From the command of the route until a model that was applied then has a condition."""
    models = replace(kubectl, namespace=MODELS)
    began = time.monotonic()
    route.install()
    for crd in CRDS:
        kubectl("wait", "--for=condition=Established", crd, "--timeout=60s")
    models.apply(json.dumps(_model()))
    kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=300s")
    wait_for(lambda: _is_known(models), "the first condition of a model")
    return time.monotonic() - began


def _model() -> Mapping[str, object]:
    spec = {"model": {"registry": {"name": "churn", "alias": "candidate"}}}
    return {"apiVersion": API_VERSION, "kind": MODEL_DEPLOYMENT, "metadata": {"name": "churn"}, "spec": spec}


def _is_known(models: Kubectl) -> bool:
    return bool(((models.get("modeldeployment", "churn") or {}).get("status") or {}).get("conditions"))


def removed(route: Route, kubectl: Kubectl) -> None:
    """Nothing of the operator is left."""
    replace(kubectl, namespace=MODELS)("delete", "modeldeployment/churn", "--wait=true")
    route.remove()
    kubectl("delete", *CRDS, "--ignore-not-found", "--wait=true")
    kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--wait=true")


@contextmanager
def bare_cluster() -> Iterator[Kubectl]:
    """The node with the images, without the operator, and with a namespace for models."""
    kubectl = replace(stage.ready_cluster(), namespace=SYSTEM)
    if kubectl("get", "crd", "--output=name", "--ignore-not-found", "modeldeployments.viridian.dev"):
        if kubectl("get", "modeldeployments", "--all-namespaces", "--output=name"):
            raise RuntimeError("this cluster has ModelDeployments, which would be deleted: `make down` first")
        kubectl("delete", "--kustomize", str(stage.ROOT / "demo" / "install"), "--ignore-not-found", "--wait=true")
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MODELS}}))
    try:
        yield kubectl
    finally:
        kubectl("delete", "namespace", MODELS, "--wait=true")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installation", description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="how often each route is gone (default: 5)")
    times = parser.parse_args().n
    with (
        tempfile.TemporaryDirectory() as folder,
        container_registry(Path(folder)) as registry,
        bare_cluster() as kubectl,
    ):
        charts = f"oci://{registry.address}/charts"
        push = [program("helm"), "push", str(package(Path(folder))), charts, "--plain-http"]
        subprocess.run(push, check=True, capture_output=True)
        for route in routes(kubectl, charts):
            took = []
            for _ in range(times):
                took.append(seconds(route, kubectl))
                removed(route, kubectl)
            print(f"{route.name:<32} {spread(took, 's')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
