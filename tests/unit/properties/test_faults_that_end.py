"""P6: every wait has an end, and under any single fault that ends, the fault is left within a stated time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import NAME, UNTIL_PROMOTED, Churn
from tests.support.cluster.deployments import NEVER_READY, READY, fetch_fails, slow
from tests.support.memory_cluster import Call
from tests.support.memory_pods import BROKEN, HEALTHY, SILENT, UNREACHABLE
from tests.support.operator_world import OperatorWorld
from tests.support.roles import by_role
from tests.support.safety import violations
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL, TRAFFIC_ANNOTATION
from viridian.ports.cluster import Object
from viridian.rollout.traffic import service as traffic
from viridian.rollout.traffic.record import Reverted, dump
from viridian.rollout.way_back_times import DRAIN

DEADLINE = 60.0
"""The progress deadline of these tests, in seconds; the world is looked at every few seconds meanwhile."""
A_LOOK = 15.0


@pytest.fixture
def served(churn: Churn) -> Churn:
    """Version 1 serves."""
    churn.publish()
    churn.apply()
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    return churn


def fate_of_next(churn: Churn, fate: Any) -> str:
    """A version is published whose pods fare like that."""
    version = churn.publish()
    churn.world.cluster.readiness["churn-green"] = fate
    return version


class TestWaitsEnd:
    @pytest.mark.parametrize(
        ("fate", "words"), [(NEVER_READY, "not ready within 60s"), (fetch_fails("no such model"), "no such model")]
    )
    def test_pods_that_never_become_ready(self, served: Churn, fate: Any, words: str) -> None:
        version = fate_of_next(served, fate)
        assert served.world.run(DEADLINE + 2 * A_LOOK, until=lambda: served.rejected == [version])
        assert words in served.status["rejected"][0]["message"]
        served.world.run(DRAIN.total_seconds() + 60)
        served.world.rest()
        assert served.champion == "1"

    def test_slow_pods_are_waited_for(self, served: Churn) -> None:
        version = fate_of_next(served, slow(20))
        assert served.world.run(UNTIL_PROMOTED + 60, until=lambda: served.serves(version))

    def test_pods_of_a_step_that_never_come(self, served: Churn) -> None:
        """There is room for the first pods and for no more."""
        served.apply(server={"replicas": 1}, rollout={"steps": [{"weight": 50, "duration": "3s"}], "maxSurge": 1})
        served.world.run(10)
        served.apply(server={"replicas": 3}, rollout={"steps": [{"weight": 25, "duration": "3s"}]})
        served.world.run(10)
        version = served.publish()
        assert served.world.run(60, until=lambda: served.status.get("challenger", {}).get("step", {}).get("index") == 0)
        served.world.cluster.before_call = lambda _: _nobody_new(served, "churn-green")
        assert served.world.run(DEADLINE + 2 * A_LOOK, until=lambda: served.rejected == [version])
        assert "step promote: still waiting for" in served.status["rejected"][0]["message"]

    def test_a_challenger_whose_pods_fail_on_trial(self, world: OperatorWorld, served: Churn) -> None:
        version = served.publish()
        world.run(60, until=lambda: served.status.get("challenger", {}).get("weight", 0) > 0)
        world.cluster.readiness["churn-green"] = NEVER_READY
        assert world.run(DEADLINE + A_LOOK, until=lambda: served.rejected == [version])

    def test_an_object_of_somebody_else_keeps_no_bad_challenger(self, world: OperatorWorld, served: Churn) -> None:
        """A Service of the user's own selects the same pods, and carries our label."""
        version = served.publish()
        world.run(60, until=lambda: served.status.get("challenger", {}).get("weight", 0) > 0)
        metadata = {"name": "public", "namespace": "default", "labels": {MODEL_DEPLOYMENT_LABEL: NAME}}
        outside = {"type": "LoadBalancer", "selector": {MODEL_DEPLOYMENT_LABEL: NAME}, "ports": [{"port": 80}]}
        world.cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": outside})
        world.pods.behaviours[version] = BROKEN
        assert world.run(30, until=lambda: served.rejected == [version])

    @pytest.mark.parametrize(("behaviour", "policy"), [(SILENT, "onNoData"), (UNREACHABLE, "onProviderError")])
    def test_blindness_ends_as_the_user_said(self, served: Churn, behaviour: Any, policy: str) -> None:
        served.apply(rollout={"analysis": {policy: "Rollback", "maxHold": "20s"}})
        version = served.publish()
        served.world.pods.behaviours[version] = behaviour
        assert served.world.run(60, until=lambda: served.rejected == [version])
        assert served.status["rejected"][0]["reason"] == "BlindTooLong"

    @pytest.mark.parametrize(("behaviour", "reason"), [(SILENT, "NoData"), (UNREACHABLE, "ProviderError")])
    def test_blindness_that_passes_is_left_behind(self, served: Churn, behaviour: Any, reason: str) -> None:
        version = served.publish()
        served.world.pods.behaviours[version] = behaviour
        served.world.run(120)
        assert (served.champion, served.challenger) == ("1", version)
        assert served.condition("ChallengerHealthy")["reason"] == reason
        served.world.pods.behaviours[version] = HEALTHY
        assert served.world.run(UNTIL_PROMOTED, until=lambda: served.serves(version))


ENDS: dict[str, Callable[[Churn], object]] = {
    "another version": lambda churn: churn.publish(),
    "the champion again": lambda churn: churn.point("1"),
    "a person's rejection": lambda churn: churn.annotate("reject", churn.revision("2")),
    "a breach": lambda churn: churn.world.pods.behaviours.update({"2": BROKEN}),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("weight", [50, 100])
def test_nobody_takes_users_from_a_challenger_that_serves_alone(
    world: OperatorWorld, served: Churn, weight: int, end: Callable[[Churn], object]
) -> None:
    served.apply(rollout={"steps": [{"weight": weight, "duration": "10m"}]})
    served.publish()
    assert world.run(60, until=lambda: served.status.get("challenger", {}).get("weight", 0) > 0)
    champion = served.revision("1")
    world.cluster.readiness[champion] = NEVER_READY
    world.cluster.run_controllers()
    end(served)
    world.run(30)
    assert world.pods.lost == 0
    assert served.condition("Ready")["reason"] == "FallbackUnavailable"
    assert served.condition("RollbackReady")["status"] == "False"
    world.cluster.readiness[champion] = READY
    assert world.run(5, until=lambda: served.challenger != "2")
    assert world.pods.lost == 0


def _nobody_new(churn: Churn, deployment: str) -> None:
    """From now on, pods of that Deployment that do not exist yet never become ready."""
    living = {pod["metadata"]["name"] for pod in churn.cluster.all("Pod")}
    readiness = churn.cluster.readiness
    readiness[deployment] = NEVER_READY
    for name in living:
        readiness.setdefault(name, slow(0))
    churn.cluster.before_call = None


class TestRegistryDown:
    @pytest.mark.parametrize("phase", ["deploying", "on trial", "probation", "reverting"])
    def test_what_is_on_its_way_goes_on_and_is_told_later(
        self, world: OperatorWorld, served: Churn, phase: str
    ) -> None:
        version = served.publish()
        if phase == "reverting":
            world.pods.behaviours[version] = BROKEN
        reached: dict[str, Callable[[], bool]] = {
            "deploying": lambda: served.challenger == version,
            "on trial": lambda: served.status.get("challenger", {}).get("weight", 0) > 0,
            "reverting": lambda: served.status.get("challenger", {}).get("weight", 0) > 0,
            "probation": lambda: served.champion == version,
        }
        assert world.run(60, until=reached[phase])
        with world.registry_down():
            if phase == "probation":
                world.pods.behaviours[version] = BROKEN
            world.run(UNTIL_PROMOTED)
            assert served.champion == ("1" if phase in ("reverting", "probation") else version)
        world.run(60)
        world.rest()
        tags = world.registry.versions(NAME)[version].tags
        assert tags["viridian.outcome"] == {
            "reverting": "Rejected", "probation": "RolledBack"}.get(phase, "Promoted")  # fmt: skip
        model = world.do(world.registry.model(NAME))
        assert model.aliases["champion"] == served.champion

    def test_a_first_deployment_goes_on_too(self, world: OperatorWorld, churn: Churn) -> None:
        world.cluster.readiness["churn-blue"] = slow(20)
        churn.publish()
        churn.apply()
        world.run(5)
        with world.registry_down():
            assert world.run(60, until=lambda: churn.serves("1"))

    def test_two_deployments_of_one_model_do_not_fight_over_its_aliases(
        self, world: OperatorWorld, served: Churn
    ) -> None:
        """Somebody else, such as the ModelDeployment of another namespace, moves them after us."""
        served.publish()
        assert world.run(UNTIL_PROMOTED, until=lambda: served.serves("2"))
        world.run(60)
        served.point("1", alias="champion")
        world.rest()


class TestOperatorDown:
    def test_it_reverts_at_once_when_it_comes_back_in_the_middle_of_a_breach(
        self, world: OperatorWorld, served: Churn
    ) -> None:
        version = served.publish()
        world.run(60, until=lambda: served.status.get("challenger", {}).get("weight", 0) > 0)
        world.pods.behaviours[version] = BROKEN
        world.pass_time_without_operator(60)
        world.restart()
        assert world.run(1, until=lambda: served.rejected == [version])

    def test_a_late_process_does_not_undo_what_another_one_decided(self, world: OperatorWorld, served: Churn) -> None:
        """Between its look and its write, the other one has sent the challenger home."""
        version = served.publish()
        seen: list[Call] = []

        def meanwhile(call: Call) -> None:
            live = traffic.record_of(world.cluster.find("Service", NAME))
            if str(call) == "apply Service churn" and live is not None and live.trial is not None and not seen:
                seen.append(call)
                lost = Reverted(live.trial.revision, "Rejected", "MetricBreach", "bad", world.clock())
                decided = dump(replace(live, trial=None, reverted=lost))
                world.cluster.annotate("Service", NAME, **{TRAFFIC_ANNOTATION: decided})

        world.cluster.before_call = meanwhile
        world.run(60)
        assert seen
        assert (served.champion, served.rejected) == ("1", [version])

    def test_what_runs_goes_on_without_it(self, world: OperatorWorld, served: Churn) -> None:
        before = by_role(world.cluster.present())
        world.pass_time_without_operator(600)
        assert by_role(world.cluster.present()) == before
        assert world.pods.lost == 0


# ---- Destroyed objects ----


def _drop(kind: str, name: str) -> Callable[[Churn], None]:
    return lambda churn: churn.cluster.remove(kind, name)


def _strip(kind: str, name: str, part: str) -> Callable[[Churn], None]:
    """Somebody removes all labels, annotations or owner references of an object."""

    def change(found: Object) -> None:
        found["metadata"].pop(part, None)

    def strip(churn: Churn) -> None:
        churn.cluster.edit(kind, name, change)

    return strip


def _drop_every(kind: str) -> Callable[[Churn], None]:
    def destroy(churn: Churn) -> None:
        for found in churn.cluster.all(kind):
            churn.cluster.remove(kind, found["metadata"]["name"])

    return destroy


DAMAGE: dict[str, Callable[[Churn], None]] = {
    "live Service": _drop("Service", NAME),
    "preview Service": _drop("Service", f"{NAME}-preview"),
    "traffic annotation": _strip("Service", NAME, "annotations"),
    "labels of the live Service": _strip("Service", NAME, "labels"),
    "owner of the live Service": _strip("Service", NAME, "ownerReferences"),
    "champion's Deployment": _drop("Deployment", f"{NAME}-green"),
    "other Deployment": _drop("Deployment", f"{NAME}-blue"),
    "labels of the champion's Deployment": _strip("Deployment", f"{NAME}-green", "labels"),
    "both Deployments": _drop_every("Deployment"),
    "disruption budgets": _drop_every("PodDisruptionBudget"),
    "NetworkPolicy": _drop_every("NetworkPolicy"),
    "every pod": _drop_every("Pod"),
    "status": Churn.wipe_status,
    "intents": _strip("Deployment", f"{NAME}-green", "annotations"),
}


def _second_champion(churn: Churn) -> None:
    churn.publish()
    churn.apply()
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    churn.publish()
    assert churn.world.run(UNTIL_PROMOTED, until=lambda: churn.serves("2"))
    churn.world.run(60)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_somebody_destroys_at_rest_is_rebuilt(damage: Callable[[Churn], None]) -> None:
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        _second_champion(churn)
        expected = by_role(world.cluster.present())
        damage(churn)
        world.run(120)
        world.rest(resyncs=1)
        assert by_role(world.cluster.present()) == expected


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_somebody_destroys_on_trial_keeps_nobody_from_the_end(damage: Callable[[Churn], None]) -> None:
    """Version 3 is on trial in blue; whatever is destroyed, it becomes the champion in the end."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        _second_champion(churn)
        version = churn.publish()
        assert world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
        damage(churn)
        assert world.run(2 * UNTIL_PROMOTED, until=lambda: churn.serves(version)), world.story()
        world.run(60)
        world.rest(resyncs=1)
        assert churn.status["fallback"]["version"] == "2"
        assert churn.rejected == []


@pytest.mark.parametrize("record", ["champion", "fallback"])
def test_a_record_that_somebody_destroys(record: str) -> None:
    """The champion's comes back. The fallback's cannot, but its Deployment is kept for the way back."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        _second_champion(churn)
        version = "2" if record == "champion" else "1"
        revision = churn.revision(version)
        world.cluster.remove("ControllerRevision", f"{NAME}-{revision}")
        world.run(60)
        world.rest(resyncs=1)
        assert violations(world.cluster.worlds) == []
        left = {r["metadata"]["labels"].get(REVISION_LABEL) for r in world.cluster.all("ControllerRevision")}
        assert (revision in left) == (record == "champion")
        assert churn.condition("RollbackReady")["status"] == "True"
        churn.annotate("rollback", churn.revision("2"))
        former = revision if record == "fallback" else churn.revision("1")
        assert world.run(10, until=lambda: churn.status["champion"]["revision"] == former)
