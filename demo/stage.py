"""Sets the stage: a cluster, images, the operator, MLflow, the model and its users. Each part may be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from demo.kubectl import Kubectl, wait_for
from localcluster import binaries, clusters, images

ROOT = Path(__file__).resolve().parent.parent
OBJECTS = ROOT / "demo" / "objects"
NAMESPACE = "viridian-demo"
OURS = "viridian.dev/demo"
"""Label of the namespace: whatever is in it may be deleted, since the demo has made it."""
MODEL = "churn"
Table = dict[str, Any]
"""`columns` and `data`, as in MLflow's dataframe_split."""


def install_operator(kubectl: Kubectl, folder: str = "install") -> None:
    """The operator as `kubectl apply -k` installs it, with the images of this checkout, told where MLflow is."""
    kubectl = replace(kubectl, namespace="viridian-system")
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "demo" / folder))
    # The tag stays the same when the image changes; this makes another image another pod.
    _annotate_pods(kubectl, "viridian-operator", "viridian.dev/built-from", _sources())
    # The collector keeps its rows as long as its pod: each demo begins without those of the one before.
    _annotate_pods(kubectl, "viridian-collector", "viridian.dev/begun", datetime.now(UTC).isoformat())
    for kind in ("modeldeployments", "retrainpolicies"):
        kubectl("wait", "--for=condition=Established", f"crd/{kind}.viridian.dev", "--timeout=60s")
    for deployment in ("viridian-operator", "viridian-collector"):
        kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=180s")


def _annotate_pods(kubectl: Kubectl, deployment: str, name: str, value: str) -> None:
    """Another value replaces the pods."""
    template = {"metadata": {"annotations": {name: value}}}
    kubectl("patch", "deployment", deployment, "--patch", json.dumps({"spec": {"template": template}}))


def _sources() -> str:
    """A short hash over all that goes into the operator's image."""
    operator = images.select(["operator"])[0]
    return images.input_key(ROOT, (images.DOCKERFILE, *operator.inputs))


def start_mlflow(kubectl: Kubectl) -> None:
    apply_mlflow(kubectl)
    await_mlflow(kubectl)


def apply_mlflow(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "demo" / "mlflow"))


def await_mlflow(kubectl: Kubectl) -> None:
    kubectl("rollout", "status", "deployment/mlflow", "--timeout=300s")


def create_namespace(kubectl: Kubectl) -> None:
    """The demo's own namespace; RuntimeError where there is one of that name that the demo has not made."""
    found = kubectl.get("namespace", kubectl.namespace)
    if found and OURS not in found["metadata"].get("labels", {}):
        raise RuntimeError(f"the namespace {kubectl.namespace} is somebody else's: rename or delete it first")
    labels = {"pod-security.kubernetes.io/enforce": "restricted", OURS: "true"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace, "labels": labels}}
    kubectl.apply(json.dumps(namespace))


def create_scripts(kubectl: Kubectl, example: str = "churn") -> None:
    """The user's own scripts, as a ConfigMap that the Jobs mount."""
    scripts = {path.name: path.read_text() for path in sorted((ROOT / "examples" / example).glob("*.py"))}
    kubectl.apply(_config_map(f"{example}-scripts", scripts))


def start_load(
    kubectl: Kubectl,
    rate: int,
    *,
    name: str = "load",
    table: Table | None = None,
    connections: int = 16,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Real rows, asked for steadily over kept-alive connections; `settings` are other variables of the manifest."""
    rows = {"load.py": (ROOT / "demo" / "load.py").read_text(), "rows.json": json.dumps(table or rows_of_users())}
    kubectl.apply(_config_map(name, rows))
    manifest = yaml.safe_load((OBJECTS / "load.yaml").read_text().replace(" load}", f" {name}}}"))
    manifest["metadata"]["name"] = name
    environment = manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {"LOAD_RATE": str(rate), "LOAD_CONNECTIONS": str(connections), **(settings or {})}
    for variable, value in values.items():
        next(one for one in environment if one["name"] == variable)["value"] = value
    kubectl.apply(yaml.safe_dump(manifest))
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")


def ship(kubectl: Kubectl, kind: str) -> str:
    """A colleague registers a bad version and moves the alias; gives the version."""
    manifest = yaml.safe_load((OBJECTS / "ship.yaml").read_text())
    manifest["metadata"]["name"] = name = f"ship-{kind}"
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["command"] = [*container["command"][:-1], f"--only={kind}"]
    kubectl("delete", "job", name, "--ignore-not-found", "--wait=true")
    kubectl.apply(yaml.safe_dump(manifest))
    wait_for(lambda: finished(kubectl, name), f"Job {name}")
    # Nothing orders what a container says on its two streams.
    told = next(line for line in kubectl("logs", f"job/{name}").splitlines() if line.startswith("{"))
    return str(json.loads(told)["version"])


def finished(kubectl: Kubectl, name: str) -> bool:
    """Whether the Job of that name has succeeded; RuntimeError where it has failed."""
    status = (kubectl.get("job", name) or {}).get("status", {})
    if status.get("failed"):
        raise RuntimeError(f"Job {name} failed:\n{kubectl('logs', f'job/{name}', '--tail=20')}")
    return bool(status.get("succeeded"))


def _config_map(name: str, data: dict[str, str]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def rows_of_users() -> Table:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return {"columns": list(data.feature_names), "data": data.data.tolist()}


def ready_cluster(kubeconfig: Path | None = None, *, images_loaded: bool = False) -> Kubectl:
    """kubectl for a cluster that is up and has this checkout's images; it stays up afterwards.

    A cluster of the user's own pulls images from wherever the user put them: `images_loaded` says that it can.
    """
    cluster = clusters.choose(str(kubeconfig) if kubeconfig else None)
    if images_loaded:
        cluster.up()
    else:
        # A cluster that begins mostly waits, and a build mostly computes.
        with ThreadPoolExecutor(1) as pool:
            built = pool.submit(images.build)
            cluster.up()
            cluster.load(built.result())
    return Kubectl(str(binaries.program("kubectl")), cluster.kubeconfig, NAMESPACE)
