"""A backup of a namespace, restored into an empty cluster, serves the same champion without a rollout.

As Velero restores: new uids, names, labels and annotations kept, owner references and status gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from tests.support.churn import NAME, Churn
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations
from tests.unit.properties.test_adopted import orphans, rejected
from viridian.ports.cluster import Object

BACKED_UP: Final = (
    *("ControllerRevision", "NetworkPolicy", "PodDisruptionBudget", "Deployment", "Service", "ModelDeployment"),
)
KEPT: Final = ("name", "namespace", "labels", "annotations")


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld(copies=True)) as world:
        churn = Churn(world)
        rejected(churn)
        yield churn


def backup(churn: Churn) -> list[Object]:
    return [stripped(found) for kind in BACKED_UP for found in churn.cluster.all(kind)]


def stripped(found: Object) -> dict[str, Any]:
    metadata = {key: found["metadata"][key] for key in KEPT if key in found["metadata"]}
    return {key: value for key, value in found.items() if key != "status"} | {"metadata": metadata}


def lose_everything(churn: Churn) -> None:
    for kind in (*reversed(BACKED_UP), "Pod", "ReplicaSet"):
        for found in churn.cluster.all(kind):
            churn.cluster.remove(kind, found["metadata"]["name"])
    churn.cluster.collect_garbage()
    assert not [kind for kind in (*BACKED_UP, "Pod") if churn.cluster.all(kind)]


def restore(churn: Churn, objects: list[Object]) -> None:
    for one in objects:
        churn.cluster.create(one)


@pytest.mark.parametrize("registry", ["up", "down"])
def test_the_same_champion_serves_without_a_rollout(churn: Churn, registry: str) -> None:
    objects, served = backup(churn), churn.status["champion"]
    lose_everything(churn)
    restore(churn, objects)
    churn.world.restart()
    before = len(churn.cluster.events())
    if registry == "down":
        with churn.world.registry_down():
            churn.world.run(60)
    churn.world.run(120)
    assert (churn.champion, churn.rejected, churn.status["fallback"]["version"]) == ("2", ["3"], "1")
    assert {key: churn.status["champion"][key] for key in ("slot", "revision", "version")} == {
        key: served[key] for key in ("slot", "revision", "version")
    }
    told = [reason for _, reason, *_ in list(churn.cluster.events())[before:]]
    assert not {"RolloutStarted", "Promoted", "RolledBack", "Rejected"} & set(told), told
    assert orphans(churn) == []
    assert churn.cluster.find("Service", NAME) is not None
    assert churn.condition("Ready")["status"] == "True"
    assert violations(churn.cluster.worlds[-20:]) == []
    churn.world.rest()


def test_a_restore_without_the_records_serves_the_same_version(churn: Churn) -> None:
    """Which versions were rejected is forgotten then; who serves is what the Service and its Deployment say."""
    objects, serving = [one for one in backup(churn) if one["kind"] != "ControllerRevision"], churn.status["champion"]
    lose_everything(churn)
    restore(churn, objects)
    churn.world.restart()
    assert churn.world.run(120, until=lambda: churn.condition("Ready").get("status") == "True")
    churn.world.run(60)
    assert churn.status["champion"]["revision"] == serving["revision"]
