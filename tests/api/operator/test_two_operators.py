"""Two real operator processes before a real API server: who leads, who takes over, and that nothing is undone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from tests.support.faulty_proxy import FaultyProxy
from tests.support.kube import Kube, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN
from tests.support.operator_process import OperatorProcess
from tests.support.recorder import Recorder
from tests.support.safety import violations

API = "coordination.k8s.io/v1"
WRITES = ("apply", "create", "delete", "update")
HELD = {"steps": [{"weight": 50, "duration": "10m"}]}
"""A trial that goes on until somebody breaks it."""

KOPF_ENDS = ("Stopping the watch-stream", "Stop-flag is raised")
"""How Kopf's messages begin once it comes to its end."""

Make = Callable[..., OperatorProcess]


@pytest.fixture
def make(operator_kubeconfig: Path, kubelet: Kubelet, namespace: str, tmp_path: Path) -> Make:
    """Makes operators of one installation, for the test's namespace; the Lease is named for it."""

    def make(identity: str, *flags: str, kubeconfig: Path = operator_kubeconfig) -> OperatorProcess:
        mine = (f"--namespace={namespace}", f"--lease={namespace}", f"--identity={identity}")
        return OperatorProcess(kubeconfig, tmp_path, *mine, *flags)

    return make


@pytest.fixture
def may_lead(kube: Kube, namespace: str) -> None:
    """The Role that is shipped holds the operator to one name; these tests need a Lease each."""
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "update"]}]
    rbac, name = "rbac.authorization.k8s.io", {"name": namespace, "namespace": "viridian-system"}
    subject = {"kind": "ServiceAccount", "name": "viridian-operator", "namespace": "viridian-system"}
    kube.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": name, "rules": rules})
    role = {"apiGroup": rbac, "kind": "Role", "name": namespace}
    kube.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": name,
            "roleRef": role,
            "subjects": [subject],
        }
    )


def holder(kube: Kube, name: str) -> str:
    lease = kube.get(API, "Lease", name, "viridian-system") or {}
    return str((lease.get("spec") or {}).get("holderIdentity", ""))


def leads(operator: OperatorProcess) -> bool:
    return operator.total("viridian_leader") == 1.0


def calls(operator: OperatorProcess) -> float:
    """Writes of an operator but for those to its Lease."""
    return sum(operator.total("viridian_api_requests_total", verb=verb) for verb in WRITES) - operator.total(
        "viridian_api_requests_total", resource="leases", verb="update"
    )


@contextmanager
def pair(make: Make) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """The leader and the one that stands by."""
    with make("first") as first:
        first.until_ready()
        eventually(lambda: leads(first), what="the leadership of the first")
        with make("second") as second:
            second.until_ready()
            yield first, second


def on_trial(model: LiveModel) -> None:
    """A challenger meets users, and goes on doing so."""
    model.apply("1")
    eventually(lambda: model.serves("1"), what="the first champion", timeout=60)
    model.apply("2", rollout=HELD)
    eventually(lambda: model.trial.get("weight"), what="the trial", timeout=60)


def test_the_second_one_watches_writes_nothing_and_takes_over_at_once(
    make: Make, may_lead: None, kube: Kube, kubelet: Kubelet, namespace: str
) -> None:
    model = LiveModel(kube, kubelet, namespace)
    with pair(make) as (first, second):
        on_trial(model)
        assert holder(kube, namespace) == "first"
        assert not leads(second)
        assert calls(second) == 0
        assert first.stop() == 0, first.log()
        eventually(lambda: leads(second), what="the hand-over", timeout=3.0)
        assert holder(kube, namespace) == "second"
        kubelet.behaviour(namespace, "2", BROKEN)
        eventually(lambda: model.rejected == ["2"], what="the rollback by the second", timeout=60)
        assert second.stop() == 0, second.log()
    assert holder(kube, namespace) == ""


def test_the_lease_is_released_before_anything_else_ends(
    make: Make, may_lead: None, kube: Kube, kubelet: Kubelet, namespace: str, tmp_path: Path,
    control_plane: ControlPlane,
) -> None:  # fmt: skip
    """Neither reads and writes that hang keep the other one from leading, nor what closes at the end."""
    model = LiveModel(kube, kubelet, namespace)
    with (
        FaultyProxy(control_plane.kubeconfig) as proxy,
        make("first", "--log-level=debug", kubeconfig=proxy.kubeconfig(tmp_path)) as first,
    ):
        first.until_ready()
        eventually(lambda: leads(first), what="the leadership of the first")
        with make("second") as second:
            second.until_ready()
            model.apply("1")
            eventually(lambda: model.serves("1"), what="the first champion", timeout=60)
            held = (f"/apis/apps/v1/namespaces/{namespace}/deployments/", "/status")
            proxy.hold(lambda _, path: any(part in path for part in held))
            asked = len(proxy.requests)
            model.apply("2", rollout=HELD)
            eventually(lambda: any(held[0] in path for _, path in proxy.requests[asked:]), what="a call that hangs")
            first.signal(signal.SIGTERM)
            eventually(lambda: leads(second), what="the hand-over")
            assert first.ended() == 0, first.log()
            messages = [entry["message"] for entry in first.entries()]
            released = messages.index("the Lease is released")
            closing = [at for at, message in enumerate(messages) if message.startswith(KOPF_ENDS)]
            assert closing, "Kopf's log tells of its end"
            assert released < min(closing)
            eventually(lambda: model.trial.get("weight"), what="the trial by the second", timeout=60)
            proxy.heal()


@pytest.mark.parametrize("way", ["killed", "stopped", "cut off"])
def test_a_breach_is_ended_by_the_other_one(
    way: str, make: Make, may_lead: None, kube: Kube, kubelet: Kubelet, namespace: str, tmp_path: Path,
    operator_kubeconfig: Path, control_plane: ControlPlane,
) -> None:  # fmt: skip
    """And the one that comes back undoes nothing of it."""
    model = LiveModel(kube, kubelet, namespace)
    with FaultyProxy(control_plane.kubeconfig) as proxy, Recorder(kube) as recorder:
        through = proxy.kubeconfig(tmp_path)
        with make("first", kubeconfig=through if way == "cut off" else operator_kubeconfig) as first:
            first.until_ready()
            with make("second") as second:
                second.until_ready()
                on_trial(model)
                assert leads(first)
                kubelet.behaviour(namespace, "2", BROKEN)
                if way == "killed":
                    first.kill()
                elif way == "stopped":
                    first.signal(signal.SIGSTOP)
                else:
                    proxy.fail(lambda *_: True, None, times=1e9)
                    proxy.cut()
                eventually(lambda: leads(second), what="the other leader", timeout=30)
                eventually(lambda: model.rejected == ["2"], what="the rollback", timeout=60)
                if way == "stopped":
                    first.signal(signal.SIGCONT)
                if way == "cut off":
                    proxy.heal()
                if way != "killed":
                    eventually(lambda: not leads(first), what="the end of the first one's term", timeout=30)
                assert holder(kube, namespace) == "second"
                eventually(lambda: model.condition("Stalled").get("status") == "True", what="rest", timeout=60)
                assert model.champion == "1"
                assert model.rejected == ["2"]
        assert violations(recorder.worlds(namespace)) == []


def test_a_leader_that_stands_still_again_and_again_undoes_nothing(
    make: Make, may_lead: None, kube: Kube, kubelet: Kubelet, namespace: str
) -> None:
    """Whoever leads is stopped in the middle of its work, and goes on once the other one leads."""
    model = LiveModel(kube, kubelet, namespace)
    with Recorder(kube) as recorder, pair(make) as operators:
        model.apply("1")
        for version, pause in (("2", 0.3), ("3", 0.9), ("4", 1.7)):
            eventually(lambda: any(leads(one) for one in operators), what="a leader", timeout=30)
            leader, other = operators if leads(operators[0]) else operators[::-1]
            model.apply(version)
            time.sleep(pause)
            leader.signal(signal.SIGSTOP)
            eventually(partial(leads, other), what="the other leader", timeout=30)
            leader.signal(signal.SIGCONT)
            eventually(partial(model.serves, version), what=f"version {version}", timeout=90)
        assert violations(recorder.worlds(namespace)) == []


def test_two_shards_share_a_namespace_and_no_object(
    make: Make, may_lead: None, kube: Kube, kubelet: Kubelet, namespace: str
) -> None:
    """Each object is worked on by the operator that selects it; one that is labelled anew changes hands."""
    ads, rest = (LiveModel(kube, kubelet, namespace, name) for name in ("ads", "rest"))
    with (
        make("ads", "--selector=team in (ads)", f"--lease={namespace}-a") as one,
        make("rest", "--selector=team notin (ads)", f"--lease={namespace}-b") as other,
    ):
        one.until_ready()
        other.until_ready()
        for model, labels in ((ads, {"team": "ads"}), (rest, {})):
            manifest = model.manifest("1")
            kube.apply({**manifest, "metadata": {**manifest["metadata"], "labels": labels}})
        for model in (ads, rest):
            eventually(partial(model.serves, "1"), what=f"the champion of {model.name}", timeout=60)
        of_one, of_other = told_of(one), told_of(other)
        assert of_one == {f"ModelDeployment {namespace}/ads"}
        assert of_other == {f"ModelDeployment {namespace}/rest"}
        kube.merge(ads.identity, {"metadata": {"labels": {"team": "search"}}})
        ads.kube.merge(ads.identity, {"spec": {"server": {"replicas": 2}}})
        eventually(lambda: f"ModelDeployment {namespace}/ads" in told_of(other), what="the other shard", timeout=60)
        assert one.stop() == 0
        assert other.stop() == 0


def told_of(operator: OperatorProcess) -> set[str]:
    """The objects that an operator has changed, by its log."""
    return {entry["key"] for entry in operator.entries() if "key" in entry and entry["logger"] == "viridian.reconcile"}
