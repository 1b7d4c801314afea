"""A real Argo CD applies models of a Git repository while the operator is at work: `make argocd`.

With --record-stack, the account is written for docs/argocd.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from localcluster.controlplane import ControlPlane
from tests.support.control_plane import install, kubectl_of
from tests.support.kube import Kube, Kubectl, Object, client, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer
from tests.support.stack.argo_cd import record
from tests.support.stack.argo_cd.account import ArgoAccount
from tests.support.stack.argo_cd.application import GitOpsApplication
from tests.support.stack.argo_cd.clusters import applied_in_waves, known_cluster
from tests.support.stack.argo_cd.installation import ArgoCd, argo_cd, version
from tests.support.stack.asked_policy import operator_at_work
from tests.support.stack.git_server import GitRepository, git_daemon
from viridian.api import crd

pytestmark = [pytest.mark.needs_programs, pytest.mark.timeout(1800)]

APPROVAL: Object = {"steps": [{"approval": {}}]}
"""A rollout that waits for a person."""
MODEL, POLICY = "ModelDeployment", "RetrainPolicy"


@dataclass(frozen=True)
class Team:
    """A namespace with a model and a policy, and the folder of the same name in Git."""

    application: GitOpsApplication
    model: LiveModel
    policy: LivePolicy
    repository: GitRepository
    url: str
    account: ArgoAccount

    def commit(self, what: str, *manifests: Object) -> None:
        """The folder has these objects, and Argo CD has applied them."""
        self.account.tell("Git", f"commit: {what}")
        self.application.until_synced(self.committed(*manifests, apply=True))

    def committed(self, *manifests: Object, apply: bool = False) -> str:
        """The commit; with `apply`, the Application is there afterwards."""
        folder = self.model.namespace
        files = {f"{one['kind'].lower()}.yaml": yaml.safe_dump(one, sort_keys=False) for one in manifests}
        self.repository.replace(folder, files)
        made = self.repository.commit(f"{folder}-{self.repository.run('git', 'rev-list', '--count', '--all')}")
        if apply:
            self.application.apply(self.url)
            self.application.refresh()
        return made

    def act(self, action: str, kind: str = MODEL) -> None:
        """An action of Argo CD, as a person runs it."""
        command = ("app", "actions", "run", self.application.name, action, f"--kind={kind}")
        self.account.tell("a person", f"argocd {' '.join(command)}")
        self.account.show(self.application.argo, *command)

    def serves(self, number: str) -> None:
        """The version serves all users, and Argo CD has seen it."""
        self.model.until_serves(number)
        self.account.tell("Viridian", f"version {number} serves all users")
        self.application.until_health("Healthy")

    @property
    def healths(self) -> list[str]:
        """What Argo CD showed of what it had applied, one after the other; from the first version on, which may serve
        before Argo CD compares for the first time."""
        shown = [health for health, _ in groupby(state.health for state in self.application.settled_states())]
        return shown[1:] if shown[:1] == ["Progressing"] else shown

    @property
    def children(self) -> set[str]:
        """What the operator has made."""
        kube, namespace = self.model.kube, self.model.namespace
        kinds = {"Deployment": "apps/v1", "Service": "v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
        found = {kind: kube.list(api, kind, namespace) for kind, api in kinds.items()}
        return {f"{kind} {one['metadata']['name']}" for kind, items in found.items() for one in items}


@dataclass(frozen=True)
class Workshop:
    """What all tests share."""

    argo: ArgoCd
    kubectl: Kubectl
    kubelet: Kubelet
    repository: GitRepository
    url: str
    account: ArgoAccount

    @contextmanager
    def team(self, namespace: str, *, server_side: bool = True) -> Iterator[Team]:
        """Argo CD is watched meanwhile, and compares whenever anything changes."""
        kube = self.argo.kube
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        application = GitOpsApplication(self.argo, namespace, namespace, server_side)
        model, policy = LiveModel(kube, self.kubelet, namespace), LivePolicy(kube, self.kubelet, namespace)
        with application.watched(self.kubectl):
            yield Team(application, model, policy, self.repository, self.url, self.account)
        self.account.tell_states(application)


@pytest.fixture(scope="module")
def workshop(
    request: pytest.FixtureRequest,
    kube: Kube,
    kubectl: Kubectl,
    kubelet: Kubelet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workshop]:
    account, root = ArgoAccount(), tmp_path_factory.mktemp("git")
    failed_before = request.session.testsfailed
    with ExitStack() as stack:
        argo = stack.enter_context(argo_cd(kube, kubectl, tmp_path_factory.mktemp("argo-cd")))
        repository = GitRepository(root)
        url = stack.enter_context(git_daemon(root))
        yield Workshop(argo, kubectl, kubelet, repository, url, account)
    if request.config.option.record_stack and request.session.testsfailed == failed_before:
        today = datetime.now(UTC).date()
        record.write(record.ArgoRun(today, record.digest(), version(), tuple(account.scenes)))


def test_health_follows_the_rollouts_that_git_asks_for(workshop: Workshop) -> None:
    with workshop.account.scene("Rollouts that Git asks for"), workshop.team("shop") as team:
        git, model = team.application, team.model
        scaled = {"replicas": 2, "autoscaling": {"maxReplicas": 4, "cpuUtilization": 70}}
        for number in ("1", "2"):
            team.commit(f"version {number}", model.manifest(number, server=scaled))
            team.serves(number)
        children = team.children
        model.behave("3", BROKEN)
        team.commit("version 3, which fails for 30 % of the requests", model.manifest("3", server=scaled))
        model.until_rejected("3")
        git.until_health("Degraded")
        workshop.account.show(workshop.argo, "app", "get", "shop")
        assert git.health_of(MODEL)[1].startswith("RevisionRejected: ")
        workshop.account.tell("Git", "git revert")
        reverted = workshop.repository.revert()
        git.refresh()
        git.until_synced(reverted)
        team.serves("2")

        assert team.healths[:5] == ["Healthy", "Progressing", "Healthy", "Progressing", "Degraded"]
        assert team.healths[-1] == "Healthy"
        assert git.disagreements() == []
        assert git.syncs == 4, "one for each commit"
        assert model.kube.read(model.identity)["metadata"]["generation"] == 4, "nobody but Git has written the spec"
        assert {kind.split()[0] for kind in children} == {"Deployment", "Service", "HorizontalPodAutoscaler"}
        assert team.children == children, "Argo CD has pruned nothing that the operator has made"

        workshop.account.tell("a person", "kubectl scale md/churn --replicas=3")
        workshop.kubectl("scale", "md/churn", "--replicas=3", "--namespace=shop")
        eventually(lambda: model.kube.read(model.identity)["spec"]["server"]["replicas"] == 2, what="what Git says")
        workshop.account.tell("Argo CD", "has put back the 2 replicas of Git")


def test_actions_are_the_commands_of_a_person(workshop: Workshop) -> None:
    argo = workshop.argo
    listing = ("app", "actions", "list", "ml", f"--kind={MODEL}")
    with workshop.account.scene("Approve, abort, retry and roll back"), workshop.team("ml") as team:
        git, model = team.application, team.model
        team.commit("version 1", model.manifest("1", rollout=APPROVAL))
        team.serves("1")
        assert git.offered() == set()

        team.commit("version 2", model.manifest("2", rollout=APPROVAL))
        git.until_health("Suspended")
        workshop.account.show(argo, *listing)
        assert git.health_of(MODEL)[1].startswith("AwaitingApproval: ")
        assert git.offered() == {"approve", "promote", "abort", "rollback"}
        team.act("approve")
        team.serves("2")
        approval = model.kube.read(model.identity)["metadata"]["annotations"]["viridian.dev/approve"]
        assert approval.endswith("#system:serviceaccount:argocd:argocd-server")
        assert git.offered() == {"rollback"}
        refused = argo.attempt("app", "actions", "run", "ml", "approve", f"--kind={MODEL}")
        assert refused.returncode != 0
        assert "no challenger waits for an approval" in refused.stderr + refused.stdout

        team.commit("version 3", model.manifest("3", rollout=APPROVAL))
        git.until_health("Suspended")
        team.act("abort")
        model.until_rejected("3")
        workshop.account.tell("Viridian", "version 3 is rejected; version 2 serves all users")
        git.until_health("Degraded")
        workshop.account.show(argo, *listing)
        assert "retry" in git.offered()
        team.act("retry")
        git.until_health("Suspended")
        assert model.challenger == "3"
        team.act("approve")
        team.serves("3")

        team.act("rollback")
        model.until_rejected("3")
        model.until(lambda live: live.champion == "2", "the fallback serves")
        workshop.account.tell("Viridian", "version 2 serves all users again")
        git.until_health("Degraded")
        assert git.disagreements() == []
        assert git.syncs == 3, "one for each commit"


def test_a_rollout_that_mlflow_begins_is_no_difference_to_git(workshop: Workshop, mlflow: MlflowServer) -> None:
    registry = LiveRegistry(mlflow.url)
    with workshop.account.scene("A rollout by an alias, and a run"), workshop.team("risk", server_side=False) as team:
        git, model, policy = team.application, team.model, team.policy
        first = registry.publish("risk")
        follows = model.manifest({"registry": {"name": "risk", "alias": "candidate"}})
        team.commit("follow the alias candidate", follows, policy.manifest(approval={"training": "Required"}))
        team.serves(first)
        second = registry.publish("risk")
        workshop.account.tell("MLflow", f"the alias candidate is at version {second}")
        team.serves(second)
        eventually(lambda: registry.aliases("risk").get("champion") == second, what="the alias of the champion")
        assert team.healths == ["Healthy", "Progressing", "Healthy"]

        assert git.offered(POLICY) == {"run"}
        team.act("run", POLICY)
        eventually(lambda: "approve" in git.offered(POLICY), what="the approval of the run", every=0.5)
        team.act("approve", POLICY)
        job = policy.running()
        workshop.account.tell("Viridian", f"Job {job['metadata']['name']} trains")
        assert git.health_of(POLICY)[0] == "Healthy"
        assert git.disagreements() == []
        assert git.syncs == 1


def test_the_second_cluster_waits_for_the_first(workshop: Workshop, mlflow: MlflowServer, tmp_path: Path) -> None:
    kube, account = workshop.argo.kube, workshop.account
    with ExitStack() as stack:
        plane = stack.enter_context(ControlPlane())
        there = stack.enter_context(client(plane.kubeconfig))
        for kind in crd.KINDS:
            install(there, kind)
        other = stack.enter_context(operator_at_work(there, kubectl_of(plane), mlflow, tmp_path))
        stack.enter_context(account.scene("Waves over two clusters"))
        clusters = {"canary": (kube, workshop.kubelet), "europe": (there, other)}
        for cluster, _ in clusters.values():
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet"}})
        models = {name: LiveModel(cluster, kubelet, "fleet") for name, (cluster, kubelet) in clusters.items()}
        canary, europe = (GitOpsApplication(workshop.argo, f"models-{name}", "fleet") for name in clusters)
        team = Team(
            canary, models["canary"], LivePolicy(kube, other, "fleet"), workshop.repository, workshop.url, account
        )
        for one in (canary, europe):
            stack.enter_context(one.watched(workshop.kubectl))

        account.tell("Git", "commit: version 1")
        team.committed(models["canary"].manifest("1"))
        known_cluster(kube, "europe", plane)
        applied_in_waves(kube, workshop.url, "fleet", {"canary": "first", "europe": "second"}, plane.server)
        for name, model in models.items():
            model.until_serves("1")
            account.tell("Viridian", f"{name}: version 1 serves all users")
        account.tell("Git", "commit: version 2")
        newest = team.committed(models["canary"].manifest("2"))
        for one in (canary, europe):
            one.refresh()
        models["canary"].until_serves("2")
        account.tell("Viridian", "canary: version 2 serves all users")
        models["europe"].until_serves("2")
        account.tell("Viridian", "europe: version 2 serves all users")
        for one in (canary, europe):
            one.until_health("Healthy")
            one.until_synced(newest)
            assert one.disagreements() == []
            account.tell_states(one)
        rolled_out = [one for one in canary.states if one.synced == newest and one.phase == "Succeeded"]
        progressing = next(number for number, one in enumerate(rolled_out) if one.health == "Progressing")
        healthy_again = next(one.at for one in rolled_out[progressing:] if one.health == "Healthy")
        assert next(one.at for one in europe.states if one.synced == newest) > healthy_again
