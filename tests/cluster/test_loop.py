"""The loop under steady users: first version, promotion by steps, the revert of a bad one, a rollback by hand."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from demo.kubectl import Kubectl
from tests.support.kube import Object, condition, eventually
from tests.support.node.deployment import LOOK, Deployed, seconds_of
from tests.support.node.registry import RAISES, ClusterRegistry
from tests.support.node.users import CONNECTIONS, RATE, Users

STEPS: list[Object] = [
    {"name": "third", "weight": 33, "duration": "5s", "minRequests": 50},
    {"name": "half", "weight": 50, "duration": "5s", "minRequests": 50},
]
DRAIN = 10.0
"""Seconds within which connections that were told to close are closed."""


def promoted(served: Deployed, registry: ClusterRegistry) -> str:
    """A sound version that has just become the champion without steps; the former one is warm."""
    served.apply()
    version = registry.publish(served.registered)
    served.until_serves(version)
    served.until_condition("RollbackReady", "True")
    return version


def test_the_first_version_serves(served: Deployed, registry: ClusterRegistry) -> None:
    version = served.champion["version"]
    assert served.condition("Ready")["status"] == "True"
    assert (served.condition("RollbackReady")["status"], served.condition("RollbackReady")["reason"]) == (
        "False",
        "NoFallback",
    )
    eventually(lambda: registry.aliases(served.registered).get("champion") == version, what="the alias", every=1)
    assert registry.tags(served.registered, version)["viridian.outcome"] == "Promoted"


def test_a_better_version_is_promoted_by_steps_and_no_user_notices(
    served: Deployed, users: Users, registry: ClusterRegistry
) -> None:
    former = served.champion
    served.apply(rollout={"steps": STEPS})
    version = registry.publish(served.registered)
    stays = [_stay(served, step["name"]) for step in STEPS]
    status = served.until_serves(version)
    told = users.await_answers(3 * RATE)
    assert told.failed == 0, told.answers
    assert told.rate >= 50
    for weight, entered, left in stays:
        _assert_split(told.between(entered + 2, left).share(served.revision_of(version)), weight)
    # Nobody is left with the former champion once its connections have been closed.
    assert (told.last_answer(former["revision"]) or 0) <= seconds_of(status["champion"]["since"]) + DRAIN
    assert served.until_condition("RollbackReady", "True")["reason"] == "FallbackReady"
    assert served.status["fallback"] == {
        "slot": former["slot"],
        "revision": former["revision"],
        "version": former["version"],
        "ready": True,
    }
    _assert_aliases(registry, served, champion=version, previous=former["version"])


def _stay(served: Deployed, step: str) -> tuple[int, float, float]:
    """Waits for the step's first traffic and for its end; its weight, and from when to when it was."""

    def inside(status: Object) -> bool:
        challenger = status.get("challenger") or {}
        current = challenger.get("step") or {}
        return current.get("name") == step and bool(current.get("startedAt")) and bool(challenger.get("weight"))

    status = served.until(inside, f"step {step}")
    entered = seconds_of(status["challenger"]["step"]["startedAt"])
    served.until(lambda found: not inside(found), f"the end of step {step}")
    return status["challenger"]["weight"], entered, time.time() - LOOK


def _assert_split(share: float, weight: int) -> None:
    """Each connection is a coin: four standard deviations of as many coins as there are connections."""
    wanted = weight / 100
    assert abs(share - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / CONNECTIONS), f"{share:.2f} for {wanted:.2f}"


def _assert_aliases(registry: ClusterRegistry, served: Deployed, *, champion: str, previous: str) -> None:
    def follow() -> bool:
        aliases = registry.aliases(served.registered)
        assert (aliases.get("champion"), aliases.get("previous")) == (champion, previous), aliases
        return True

    eventually(follow, what="the aliases that follow the traffic", every=1)


def _await_outcome(registry: ClusterRegistry, served: Deployed, version: str, outcome: str) -> str:
    """Waits until the version is tagged with what became of it; gives the reason."""

    def tagged() -> bool:
        return registry.tags(served.registered, version).get("viridian.outcome") == outcome

    eventually(tagged, what=f"the tag {outcome}", timeout=90, every=1)
    return registry.tags(served.registered, version)["viridian.reason"]


def test_a_bad_version_is_reverted_and_remembered(served: Deployed, users: Users, registry: ClusterRegistry) -> None:
    champion = served.champion
    served.apply(rollout={"steps": STEPS})
    before = users.told()
    version = registry.publish(served.registered, RAISES)
    rejected = served.until_rejected(version)
    revision, reverted = rejected["revision"], seconds_of(rejected["at"])
    told = users.await_answers(5 * RATE)
    last, first = told.last_answer(revision), told.first_failure(revision)
    assert last is not None
    assert first is not None
    print(f"first 5xx to last answer: {last - first:.2f} s; revert to last answer: {last - reverted:.2f} s")
    assert last <= reverted + DRAIN
    assert set(told.between(last + 0.5, time.time()).answers) == {champion["revision"]}
    # Whoever failed was answered by the bad version. Closing an idle connection may cross a request on its way there.
    assert told.failed - before.failed - told.failed_by(revision) <= 1, (told.failures, told.unanswered)
    status = served.until(served.is_at_rest, "rest after the revert")
    assert rejected["reason"] == "MetricBreach"
    assert "error-rate" in rejected["message"]
    rollback = status["lastRollback"]
    assert (rollback["from"], rollback["to"], rollback["reason"]) == (revision, champion["revision"], "MetricBreach")
    assert rollback["breachAt"] <= rollback["decidedAt"] <= rollback["revertedAt"]
    answered = served.until(lambda found: "lastAnswerAt" in found["lastRollback"], "the last answer of the bad version")
    # Servers and users know of the same last answer: what lies between is its way, and the clock's milliseconds.
    assert round(seconds_of(answered["lastRollback"]["lastAnswerAt"]) - last) == 0
    assert condition({"status": status}, "Ready")["status"] == "True"
    assert condition({"status": status}, "Ready")["reason"] == "RevisionRejected"
    # What an alias points at may be bad without anything being stuck.
    assert condition({"status": status}, "Stalled") == {}
    reason = _await_outcome(registry, served, version, "Rejected")
    assert reason.startswith("MetricBreach: error-rate")
    assert registry.aliases(served.registered)["champion"] == champion["version"]


def test_a_rollback_needs_no_registry_and_users_hardly_notice(
    served: Deployed, users: Users, registry: ClusterRegistry, cluster: Kubectl
) -> None:
    former = served.champion
    version = promoted(served, registry)
    champion = served.champion
    eventually(
        lambda: users.told().last_answer(champion["revision"]) is not None,
        what="an answer of the new champion",
        every=0.5,
    )
    failed = users.told().failed
    with frozen_mlflow(cluster):
        asked = time.time()
        served.annotate("rollback", champion["revision"])
        status = served.until(
            lambda found: found["champion"]["revision"] == former["revision"], "the rollback", timeout=90
        )
        told = users.await_answers(3 * RATE)
    last = told.last_answer(champion["revision"])
    assert last is not None
    print(f"asked to last answer of the champion that was: {last - asked:.2f} s")
    # As above: closing an idle connection may cross a request on its way there.
    assert told.failed - failed <= 1, (told.failures, told.unanswered)
    assert last <= seconds_of(status["champion"]["since"]) + DRAIN
    assert status["lastRollback"]["reason"] == "RolledBackByPerson"
    # The registry hears of it when it is back.
    _await_outcome(registry, served, version, "RolledBack")
    eventually(
        lambda: registry.aliases(served.registered)["champion"] == former["version"],
        what="the alias that follows the traffic",
        every=1,
    )


@contextmanager
def frozen_mlflow(cluster: Kubectl) -> Iterator[None]:
    """MLflow takes connections and answers nothing, until Kubernetes notices and sends nobody there any more."""
    _signal_mlflow(cluster, "SIGSTOP")
    try:
        yield
    finally:
        _signal_mlflow(cluster, "SIGCONT")
        cluster("rollout", "status", "deployment/mlflow", "--timeout=60s")


def _signal_mlflow(cluster: Kubectl, signal: str) -> None:
    script = (
        "import os, pathlib, signal\n"
        "for entry in pathlib.Path('/proc').glob('[0-9]*'):\n"
        "    pid, line = int(entry.name), (entry / 'cmdline').read_text()\n"
        f"    if pid not in (1, os.getpid()): os.kill(pid, signal.{signal})"
    )
    cluster("exec", "deployment/mlflow", "--", "python3", "-c", script)


def test_a_lost_fallback_is_told_and_made_again(served: Deployed, registry: ClusterRegistry) -> None:
    promoted(served, registry)
    slot = served.status["fallback"]["slot"]
    for pod in served.pods(slot):
        served.kube.delete({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]})
    lost = served.until_condition("RollbackReady", "False")
    assert lost["reason"] == "FallbackUnavailable"
    assert served.condition("Ready")["status"] == "True"
    assert served.until_condition("RollbackReady", "True")["reason"] == "FallbackReady"
