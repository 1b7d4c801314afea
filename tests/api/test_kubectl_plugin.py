"""`kubectl viridian` as people install it: its own environment, the official client, a real API server."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.kube import Kube, Kubectl
from tests.support.manifests import model_deployment, retrain_policy
from tests.support.plugin import started
from tests.support.shipped import bound
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY

pytestmark = pytest.mark.needs_programs

NOW = "2026-11-28T12:00:00Z"
ON_TRIAL: dict[str, Any] = {
    "champion": {"slot": "blue", "revision": "aaaa", "version": "1"},
    "challenger": {
        "slot": "green",
        "revision": "bbbb",
        "version": "2",
        "weight": 10,
        "step": {"name": "sign-off", "index": 1},
        "waitingFor": "viridian.dev/approve=bbbb",
        "waitingReason": "Approval",
        "metrics": [
            {"name": "error-rate", "verdict": "Pass", "value": 0.004, "samples": 900, "message": "0.4 % of 1 %"}
        ],
    },
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "AwaitingApproval", "message": "m", "lastTransitionTime": NOW}
    ],
}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def plugin(kubectl: Kubectl, namespace: str) -> Callable[..., Said]:
    """Runs one command in the namespace of the test."""

    def run(*arguments: str, **more: str) -> Said:
        command, environment = started(kubectl, namespace, *arguments)
        done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=240)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


def on_trial(kube: Kube, namespace: str, name: str = "churn", **labels: str) -> None:
    manifest = model_deployment(namespace, name)
    manifest["metadata"]["labels"] = labels
    kube.apply(manifest)
    kube.merge(manifest, {"status": ON_TRIAL}, subresource="status")


def written(kube: Kube, namespace: str, name: str = "churn") -> dict[str, str]:
    found = kube.get(API_VERSION, MODEL_DEPLOYMENT, name, namespace) or {}
    return dict(found["metadata"].get("annotations", {}))


def test_a_model_is_seen_and_moved_on(shipped: Kube, plugin: Callable[..., Said], namespace: str) -> None:
    on_trial(shipped, namespace)
    shipped.apply(model_deployment(namespace, "new"))
    listed = plugin("list")
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [["new", "broken"], ["churn", "needs"]]
    assert "\x1b" not in listed.out, "no colours in a pipe"
    assert plugin("list", "--check").code == 3
    assert [one["metadata"]["name"] for one in json.loads(plugin("list", "-o", "json").out)] == ["churn", "new"]

    shown = plugin("get", "churn").out
    for line in ("challenger", "10 %", "error-rate", f"kubectl viridian approve churn -n {namespace}"):
        assert line in shown
    assert "0.4 % of 1 %" in plugin("why", "churn").out

    tried = plugin("approve", "churn", "--dry-run")
    assert (tried.code, "(dry run)" in tried.out, written(shipped, namespace)) == (0, True, {}), tried.err
    me = shipped.whoami()
    approved = plugin("approve", "churn")
    assert approved.out == f"version 2 of churn is approved by {me}\n", approved.err
    assert written(shipped, namespace) == {"viridian.dev/approve": f"bbbb#{me}"}
    assert plugin("pause", "churn").code == 0
    paused = shipped.get(API_VERSION, MODEL_DEPLOYMENT, "churn", namespace) or {}
    assert paused["spec"]["rollout"]["paused"] is True
    assert plugin("resume", "churn").code == 0
    resumed = shipped.get(API_VERSION, MODEL_DEPLOYMENT, "churn", namespace) or {}
    assert not resumed["spec"]["rollout"].get("paused")


def test_problems_are_sentences_with_a_next_command(
    shipped: Kube, plugin: Callable[..., Said], namespace: str, tmp_path: Path
) -> None:
    on_trial(shipped, namespace)
    gone = plugin("get", "nothing")
    assert (gone.code, gone.out) == (1, "")
    assert '"nothing" not found' in gone.err
    assert "kubectl viridian list -A" in gone.err
    stranger = plugin("approve", "churn", "--as", "nobody")
    assert stranger.code == 1
    assert "nobody" in stranger.err
    assert "kubectl auth can-i --list" in stranger.err
    editor = bound(shipped, namespace, "mlops", "viridian-edit")
    refused = plugin("approve", "churn", "--as", editor.user)
    assert refused.code == 1
    assert "approve" in refused.err
    assert written(shipped, namespace) == {}
    senseless = plugin("retry", "churn")
    assert (senseless.code, senseless.err) == (4, "no version of churn is rejected\n")
    assert plugin("approve").code == 2
    without = plugin("list", KUBECONFIG=str(tmp_path / "none"))
    assert without.code == 1
    assert "kubectl config view" in without.err
    assert "Traceback" not in without.err + refused.err + gone.err


def test_one_order_about_all_models_of_a_team(shipped: Kube, plugin: Callable[..., Said], namespace: str) -> None:
    for name in ("one", "two"):
        on_trial(shipped, namespace, name, team="credit")
    on_trial(shipped, namespace, "other", team="fraud")
    done = plugin("reject", "-l", "team=credit")
    assert done.out.splitlines() == ["version 2 of one is rejected", "version 2 of two is rejected"]
    given = {name: "viridian.dev/reject" in written(shipped, namespace, name) for name in ("one", "two", "other")}
    assert given == {"one": True, "two": True, "other": False}


def test_a_watch_prints_a_line_for_each_change_and_ends_with_its_model(
    shipped: Kube, kubectl: Kubectl, namespace: str
) -> None:
    on_trial(shipped, namespace)
    command, environment = started(kubectl, namespace, "watch", "churn")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        first = watch.stdout.readline()
        assert f"{namespace}/churn; needs a person; champion 1 90 %; challenger 2 10 %; step sign-off" in first
        manifest = model_deployment(namespace)
        more = {"challenger": {**ON_TRIAL["challenger"], "weight": 50}}
        shipped.merge(manifest, {"status": more}, subresource="status")
        assert "champion 1 50 %; challenger 2 50 %" in watch.stdout.readline()
        shipped.merge(manifest, {"metadata": {"labels": {"nothing": "of-that"}}})
        shipped.delete(manifest)
        assert watch.stdout.read().splitlines()[-1].endswith(f"{namespace}/churn; deleted")
        assert watch.wait(timeout=30) == 0


def test_a_wait_goes_on_with_the_rollout_and_fails_with_its_sentence(
    shipped: Kube, kubectl: Kubectl, plugin: Callable[..., Said], namespace: str
) -> None:
    on_trial(shipped, namespace)
    late = plugin("wait", "churn", "--timeout", "0s")
    assert (late.code, late.err) == (1, f"error: the rollout of {namespace}/churn has not ended in time: m\n")
    command, environment = started(kubectl, namespace, "wait", "churn", "--timeout", "60s")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as wait:
        assert wait.stdout is not None
        assert wait.stderr is not None
        assert "step sign-off" in wait.stdout.readline()
        (ready,) = ON_TRIAL["conditions"]
        stalled = {**ready, "type": "Stalled", "reason": "RevisionRejected", "message": "version 2 was rejected"}
        ended = {"challenger": None, "observedGeneration": 1, "conditions": [ready, stalled]}
        shipped.merge(model_deployment(namespace), {"status": ended}, subresource="status")
        assert wait.stderr.read() == "RevisionRejected: version 2 was rejected\n"
        assert wait.wait(timeout=30) == 3


def test_runs_are_started_and_accepted_as_the_admission_policy_wants_it(
    shipped: Kube, plugin: Callable[..., Said], namespace: str
) -> None:
    policy = retrain_policy(namespace, mode="Recommend")
    shipped.apply(policy)
    me = shipped.whoami()
    begun = plugin("train", "churn")
    assert (begun.code, begun.out) == (0, "a run of churn begins\n"), begun.err
    nothing = plugin("accept", "churn")
    assert (nothing.code, nothing.err) == (4, "no run of churn waits for a person\n")
    shipped.merge(policy, {"status": {"recommended": {"run": "1f0c", "reasons": ["drift"]}}}, subresource="status")
    accepted = plugin("accept", "churn", "--reason", "it drifts")
    assert (accepted.code, accepted.out) == (0, "run 1f0c begins: drift\n"), accepted.err
    found = shipped.get(API_VERSION, RETRAIN_POLICY, "churn", namespace) or {}
    annotations = found["metadata"]["annotations"]
    assert annotations["viridian.dev/accept"] == f"1f0c it drifts#{me}"
    assert annotations["viridian.dev/run"].endswith(f"#{me}")


def test_a_plan_and_an_archive_of_what_is_there(
    shipped: Kube, plugin: Callable[..., Said], namespace: str, tmp_path: Path
) -> None:
    edited = model_deployment(namespace, model={"registry": {"name": "churn", "version": "7"}})
    file = tmp_path / "churn.yaml"
    file.write_text("\n---\n".join(map(json.dumps, (edited, retrain_policy(namespace)))))
    planned = plugin("plan", "-f", str(file))
    assert planned.code == 0, planned.err
    assert f"{namespace}/churn, RetrainPolicy:\n  The cluster does not have it yet.\n" in planned.out
    assert "Nothing goes on (NothingToHandOverTo): ModelDeployment churn pins version 7" in planned.out
    assert "version 7" in planned.out
    assert "The first version serves all users as soon as it is ready" in planned.out
    planted = model_deployment(namespace)
    planted["metadata"]["annotations"] = {"team": "planted-secret"}
    shipped.apply(planted)
    shipped.apply(retrain_policy(namespace))
    file.write_text(json.dumps(retrain_policy(namespace)))
    unchanged = plugin("plan", "-f", str(file))
    assert "  This edit changes no setting.\n" in unchanged.out, "the API server's defaults are no change"
    assert "  The next pass reports Waiting: nothing is due.\n" in unchanged.out, unchanged.err
    bundle = tmp_path / "bundle.tar.gz"
    made = plugin("support-bundle", "-o", str(bundle))
    assert made.code == 0, made.err
    with tarfile.open(bundle) as archive:
        texts = {one.name: (archive.extractfile(one) or pytest.fail(one.name)).read().decode() for one in archive}
    assert {"bundle/objects/ModelDeployment/churn.yaml", "bundle/versions.json", "bundle/events.json"} <= set(texts)
    assert "planted-secret" not in "".join(texts.values())
    assert plugin("support-bundle", "-o", str(bundle)).code == 1, "an archive is never written over"
