"""Writes docs/kubectl.md: what kubectl really prints.

    python -m docs.scripts.kubectl_output
    python -m docs.scripts.kubectl_output --kubeconfig FILE --namespace NAME

The first form runs everything that an API server alone can answer, on a control plane that it starts. The second one
also renews the part that needs the operator at work, from a cluster on which `make demo` has run; without it that part
stays as it is.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster.binaries import program
from localcluster.controlplane import ControlPlane
from tests.support.control_plane import install, kubectl_of
from tests.support.kube import Kubectl, client
from tests.support.manifests import model_deployment, retrain_policy
from viridian.api import crd

PAGE: Final = Path(__file__).resolve().parents[1] / "kubectl.md"
BEGIN: Final = "<!-- a cluster at work: written with --kubeconfig -->"
END: Final = "<!-- end of the cluster at work -->"
NAMESPACE: Final = "ml"

INTRODUCTION: Final = """\
<!-- Written by `python -m docs.scripts.kubectl_output`. -->

# Viridian with kubectl

What kubectl prints, as it was printed; only long answers are folded. The short names are `md`
(ModelDeployment) and `rp` (RetrainPolicy); `kubectl get viridian` lists both."""

EXPLAINED: Final = (
    "md",
    "md.spec.model.registry",
    "md.spec.rollout",
    "md.spec.rollout.steps",
    "md.spec.rollout.analysis.metrics",
    "rp.spec",
    "rp.spec.gate",
)

# A part of a manifest, and what is wrong in it.
MISTAKES: Final[tuple[Mapping[str, Any], ...]] = (
    {"model": {"registry": {"name": "churn"}}},
    {"rollout": {"steps": [{"weight": 50}, {"weight": 10}]}},
    {"rollout": {"analysis": {"metrics": [{"name": "latency-p95", "max": 250}]}}},
    {"server": {"runtime": "Custom"}},
)

AT_WORK: Final = (
    "get md,rp",
    "get md,rp -o wide",
    "wait md --all --for=condition=Ready --timeout=60s",
    "describe md",
    "describe rp",
)


def without_operator(kubectl: Kubectl, namespace: str) -> str:
    """What the API server alone can answer."""
    parts = ["## Every field explains itself", *(_explained(kubectl, field) for field in EXPLAINED)]
    parts += ["## Mistakes are rejected at once", *(_refused(kubectl, namespace, change) for change in MISTAKES)]
    parts += ["## Applied twice is applied once", *_applied(kubectl, namespace)]
    return "\n\n".join(parts)


def at_work(kubectl: Kubectl, namespace: str) -> str:
    """What a cluster shows on which the operator is at work."""
    shown = (_block(command, kubectl(*command.split(), f"--namespace={namespace}")) for command in AT_WORK)
    return "\n\n".join(["## The state at a glance", *shown])


def page(alone: str, working: str | None, before: str) -> str:
    """The whole page; the part about a cluster at work is that of the page before where no new one is given."""
    if working is None:
        kept = before.partition(BEGIN)[2].partition(END)[0].strip()
        working = kept or None
    tail = [f"{BEGIN}\n\n{working}\n\n{END}"] if working else []
    return "\n\n".join([INTRODUCTION, alone, *tail]) + "\n"


def _explained(kubectl: Kubectl, field: str) -> str:
    return _block(f"explain {field}", kubectl("explain", field))


def _refused(kubectl: Kubectl, namespace: str, change: Mapping[str, Any]) -> str:
    manifest = model_deployment(namespace, **change)
    done = kubectl.attempt("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    if done.returncode == 0:
        raise ValueError(f"the API server takes {change}")
    written = yaml.dump({"spec": dict(change)}, default_flow_style=None, sort_keys=False)
    answer = textwrap.fill(done.stderr.strip(), 118, break_long_words=False, break_on_hyphens=False)
    return f"```yaml\n{written}```\n\n{_block('apply --server-side -f churn.yaml', answer)}"


def _applied(kubectl: Kubectl, namespace: str) -> list[str]:
    manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": _manifests(namespace)})
    apply = ("apply", "--server-side", "-f", "-")
    diff = ("diff", "--server-side", "-f", "-")
    inside = f"--namespace={namespace}"
    return [
        _block("apply --server-side -f churn.yaml", kubectl(*apply, stdin=manifests)),
        _block("apply --server-side -f churn.yaml", kubectl(*apply, stdin=manifests)),
        _block("diff --server-side -f churn.yaml", kubectl(*diff, stdin=manifests)),
        _block("scale md/churn --replicas=3", kubectl("scale", "md/churn", "--replicas=3", inside)),
    ]


def _manifests(namespace: str) -> list[dict[str, Any]]:
    return [model_deployment(namespace), retrain_policy(namespace)]


def _block(command: str, output: str) -> str:
    lines = [line.rstrip() for line in output.strip().splitlines()]
    return "\n".join(["```console", f"$ kubectl {command}", *lines, "```"])


def _from_control_plane() -> str:
    with ControlPlane() as plane, client(plane.kubeconfig) as kube:
        for kind in crd.KINDS:
            install(kube, kind)
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        return without_operator(kubectl_of(plane), NAMESPACE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/kubectl.md.")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster on which the demo has run")
    parser.add_argument("--namespace", default="default", help="where the demo's objects are")
    arguments = parser.parse_args()
    working = None
    if arguments.kubeconfig:
        working = at_work(Kubectl(program("kubectl"), arguments.kubeconfig), arguments.namespace)
    before = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(page(_from_control_plane(), working, before))


if __name__ == "__main__":
    main()
