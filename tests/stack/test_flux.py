"""A real Flux applies models of a Git repository while the operator is at work, and installs it too: `make flux`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import yaml

from localcluster.controlplane import ControlPlane
from localcluster.paths import REPOSITORY
from tests.support.control_plane import kubectl_of
from tests.support.kube import Kube, Kubectl, Object, client, condition
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer
from tests.support.stack.flux.applied import FluxObject, example
from tests.support.stack.flux.installation import NAMESPACE, flux
from tests.support.stack.git_over_http import git_over_http
from tests.support.stack.git_server import GitRepository
from viridian.core.times import format_time

pytestmark = [pytest.mark.needs_programs, pytest.mark.timeout(1800)]

APPROVAL: Object = {"steps": [{"approval": {}}]}


@dataclass(frozen=True)
class Fleet:
    """A Git repository, and Flux, which applies it."""

    kube: Kube
    kubectl: Kubectl
    kubelet: Kubelet
    repository: GitRepository
    url: str

    def apply(self, name: str, changes: dict[str, Object]) -> dict[str, FluxObject]:
        """The objects of an example, by their kinds."""
        found = {}
        for manifest in example(name, changes):
            self.kube.apply(manifest)
            found[manifest["kind"]] = FluxObject(self.kube, manifest)
        return found

    @contextmanager
    def team(self, namespace: str, **applied: str) -> Iterator[Team]:
        """A namespace that the folder of the same name is applied to; with other fields of its Kustomization."""
        self.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        names: Object = {"metadata": {"name": namespace}}
        git = {**names, "spec": {"url": self.url}}
        where: Object = {"path": f"./{namespace}", "targetNamespace": namespace, "sourceRef": {"name": namespace}}
        self.repository.write(f"{namespace}/kustomization.yaml", "resources: []\n")
        self.repository.commit(f"{namespace}-empty")
        kustomization = {**names, "spec": {**where, "timeout": "5m", **applied}}
        made = self.apply("flux-models.yaml", {"GitRepository": git, "Kustomization": kustomization})
        yield Team(self, LiveModel(self.kube, self.kubelet, namespace), made["GitRepository"], made["Kustomization"])


@dataclass(frozen=True)
class Team:
    """A model, and the Kustomization that applies it."""

    fleet: Fleet
    model: LiveModel
    source: FluxObject
    applied: FluxObject

    def commit(self, manifest: Object) -> str:
        """The commit with this and nothing else in the folder; Flux has fetched it."""
        repository, folder = self.fleet.repository, self.model.namespace
        repository.replace(folder, {"model.yaml": yaml.safe_dump(manifest, sort_keys=False)})
        made = repository.commit(f"{folder}-{repository.run('git', 'rev-list', '--count', '--all')}")
        self.source.refresh()
        return made

    def until_ready(self, commit: str) -> None:
        """Flux has applied the commit and says that all of it is Ready."""
        self.applied.until(lambda flux: _says(flux, commit, "True"), f"Ready with {commit}")

    def serves(self, version: str, commit: str) -> None:
        """Flux says so when the rollout has ended, and not before."""
        self.until_ready(commit)
        assert self.model.serves(version), self.model.story()

    @property
    def generation(self) -> int:
        return int(self.model.kube.read(self.model.identity)["metadata"]["generation"])

    def times_written(self) -> int:
        """How often Flux has written the model."""
        named = f"ModelDeployment/{self.model.namespace}/{self.model.name}"
        return sum(f"{named} {how}" in event for event in self.applied.events() for how in ("created", "configured"))


def _says(flux: FluxObject, commit: str, status: str) -> bool:
    attempted = str(flux.status.get("lastAttemptedRevision", ""))
    return attempted.endswith(commit) and flux.ready.get("status") == status


@pytest.fixture(scope="module")
def fleet(kube: Kube, kubectl: Kubectl, kubelet: Kubelet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    root = tmp_path_factory.mktemp("git")
    repository = GitRepository(root)
    with flux(kubectl, tmp_path_factory.mktemp("flux")), git_over_http(root) as url:
        yield Fleet(kube, kubectl, kubelet, repository, url)


def test_flux_is_ready_when_the_rollout_has_ended_and_fails_at_once_where_it_has_failed(fleet: Fleet) -> None:
    with fleet.team("shop") as team:
        for version in ("1", "2"):
            team.serves(version, team.commit(team.model.manifest(version)))
        team.model.behave("3", BROKEN)
        began = datetime.now(UTC)
        broken = team.commit(team.model.manifest("3"))
        team.applied.until(lambda flux: _says(flux, broken, "False"), "the failure of version 3")
        assert "3" in team.model.rejected
        told = team.applied.ready
        assert told["reason"] == "HealthCheckFailed"
        assert "stalled" in told["message"], told
        assert "ModelDeployment/shop/churn" in told["message"]
        assert (datetime.now(UTC) - began).total_seconds() < 120, "not after the timeout of 5 minutes"

        reverted = fleet.repository.revert()
        team.source.refresh()
        team.serves("2", reverted)
        assert team.generation == 4, "nobody but Git has written the spec"


def test_an_approval_is_a_person_s_and_flux_leaves_it_alone(fleet: Fleet) -> None:
    with fleet.team("ml") as team:
        team.serves("1", team.commit(team.model.manifest("1", rollout=APPROVAL)))
        commit = team.commit(team.model.manifest("2", rollout=APPROVAL))
        team.model.until(lambda model: model.condition("Ready").get("reason") == "AwaitingApproval", "the approval")
        assert team.applied.ready["status"] == "Unknown", "Flux waits as well"
        team.model.annotate("approve", team.model.trial["revision"])
        team.serves("2", commit)
        team.applied.refresh()
        annotations = team.model.kube.read(team.model.identity)["metadata"]["annotations"]
        assert annotations["viridian.dev/approve"].startswith(team.model.revision("2"))
        assert team.times_written() == 2, team.applied.events()


def test_a_rollout_that_outlasts_the_timeout_is_ready_after_its_end(fleet: Fleet) -> None:
    with fleet.team("slow", timeout="15s", interval="5s") as team:
        team.serves("1", team.commit(team.model.manifest("1", rollout=APPROVAL)))
        commit = team.commit(team.model.manifest("2", rollout=APPROVAL))
        team.applied.until(lambda flux: _says(flux, commit, "False"), "the end of the timeout")
        assert team.applied.ready["reason"] == "HealthCheckFailed"
        team.model.annotate("approve", team.model.trial["revision"])
        team.serves("2", commit)


def test_a_rollout_that_mlflow_begins_is_nothing_to_put_back(fleet: Fleet, mlflow: MlflowServer) -> None:
    registry = LiveRegistry(mlflow.url)
    with fleet.team("risk") as team:
        first = registry.publish("risk")
        scaled = {"replicas": 2, "autoscaling": {"maxReplicas": 4, "cpuUtilization": 70}}
        follows = {"registry": {"name": "risk", "alias": "candidate"}}
        commit = team.commit(team.model.manifest(follows, server=scaled))
        team.serves(first, commit)
        second = registry.publish("risk")
        team.model.until(lambda model: model.challenger == second, "the challenger")
        team.applied.refresh()
        team.model.until_serves(second)
        team.applied.refresh()
        team.serves(second, commit)
        assert (team.generation, team.times_written()) == (1, 1), team.applied.events()
        children = [fleet.kube.list(api, kind, "risk") for api, kind in (("apps/v1", "Deployment"), ("v1", "Service"))]
        assert all(children), "Flux has pruned nothing that the operator has made"


def test_the_operator_is_installed_and_upgraded_by_a_helm_release(fleet: Fleet) -> None:
    """In another cluster: this one has the operator already, and its pods run as processes."""
    chart = fleet.repository.work / "charts" / "viridian"
    shutil.copytree(REPOSITORY / "charts" / "viridian", chart)
    fleet.repository.commit("chart")
    with ControlPlane() as plane, client(plane.kubeconfig) as there:
        metadata = {"name": "there", "namespace": NAMESPACE}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        fleet.kube.create({**secret, "stringData": {"value": plane.kubeconfig.read_text()}})
        remote: Object = {
            "kubeConfig": {"secretRef": {"name": "there"}},
            "driftDetection": {"mode": "enabled"},
            # Helm waits for a volume, and there is nobody who makes one.
            "values": {"collector": {"storage": {"persistent": False}}},
        }
        made = fleet.apply(
            "flux-operator.yaml", {"GitRepository": {"spec": {"url": fleet.url}}, "HelmRelease": {"spec": remote}}
        )
        release = made["HelmRelease"]
        release.until(lambda flux: pods_are_ready(there) and flux.ready.get("status") == "True", "the installation")
        assert kubectl_of(plane)("get", "modeldeployments,retrainpolicies", "--all-namespaces").strip() == ""

        fleet.kube.merge(release.identity, {"spec": {"values": {"replicas": 3}}})
        release.until(lambda flux: pods_are_ready(there) and len(flux.status.get("history", ())) == 2, "the upgrade")
        release.until(lambda flux: flux.ready.get("status") == "True", "Ready")
        operator = there.get("apps/v1", "Deployment", "viridian-operator", "viridian-system") or {}
        assert operator["spec"]["replicas"] == 3
        release.refresh()
        assert not [event for event in release.events() if "drift" in event.lower()]
        fleet.kube.delete(release.identity)


def pods_are_ready(kube: Kube) -> bool:
    """As a kubelet would make them; there is no node."""
    pods = kube.list("v1", "Pod", "viridian-system")
    for pod in pods:
        if condition(pod, "Ready").get("status") != "True":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(datetime.now(UTC))}
            named = {key: pod["metadata"][key] for key in ("name", "namespace")}
            target = {"apiVersion": "v1", "kind": "Pod", "metadata": named}
            kube.merge(target, {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status")
    return bool(pods)
