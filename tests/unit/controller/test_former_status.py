"""A status that an older release has written as a whole: nothing is lost, nothing is doubled, and others stay away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster.faults import Fault, Killed
from tests.support.memory_cluster import MemoryCluster
from tests.unit.controller.world import KEY, model_deployment
from viridian import retraining
from viridian.api import reasons
from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.names import FORMER_STATUS_MANAGER, MODEL_DEPLOYMENT, RETRAIN_POLICY, ROLLOUT_MANAGER
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.controller.former_status import hand_over, has_former_manager, status_of
from viridian.controller.status_parts import RETRAINING, STATUS_PARTS
from viridian.ports.cluster import Object

_MADE = re.compile(r"\b(?:Finding|_abnormal)\(\s*reasons\.([A-Z_]+)")


def condition(type_: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": "True",
        "reason": "R",
        "message": "m",
        "lastTransitionTime": "2026-11-23T12:00:00Z",
    }


FORMER = {"replicas": 2, "conditions": [condition("Ready"), condition("Monitored"), condition("OfAnOldRelease")]}


async def former(cluster: MemoryCluster) -> Object:
    made = cluster.create(model_deployment())
    return await cluster.apply_status(status_of(made, FORMER), manager=FORMER_STATUS_MANAGER)


async def read(cluster: MemoryCluster) -> Object:
    found = await cluster.get(KEY.reference)
    assert found is not None
    return found


@pytest.mark.parametrize("killed_at", [None, 1, 2])
async def test_each_part_goes_to_its_manager_wherever_the_process_dies(killed_at: int | None) -> None:
    cluster = MemoryCluster()
    manifest = await former(cluster)
    if killed_at is not None:
        cluster.forget_calls()
        cluster.faults.on_write(killed_at, Fault.KILL_AFTER)
        with pytest.raises(Killed):
            await hand_over(cluster, manifest)
        manifest = await read(cluster)
    if has_former_manager(manifest):
        await hand_over(cluster, manifest)
    after = await read(cluster)
    types = [one["type"] for one in after["status"]["conditions"]]
    assert sorted(types) == ["Monitored", "Ready"], "what no part names any more is gone"
    assert after["status"]["replicas"] == 2
    assert not has_former_manager(after)
    managers = {entry["manager"] for entry in after["metadata"]["managedFields"] if entry.get("subresource")}
    assert ROLLOUT_MANAGER in managers


@pytest.mark.parametrize(
    ("kind", "status"), [(MODEL_DEPLOYMENT, ModelDeploymentStatus), (RETRAIN_POLICY, RetrainPolicyStatus)]
)
def test_every_field_of_a_status_belongs_to_exactly_one_part(kind: str, status: Any) -> None:
    fields = [name for part in STATUS_PARTS[kind] for name in part.fields]
    assert sorted([*fields, "conditions"]) == sorted(status.__struct_encode_fields__)
    conditions = [type_ for part in STATUS_PARTS[kind] for type_ in part.conditions]
    assert len(conditions) == len(set(conditions))


def test_every_condition_of_a_policy_belongs_to_its_part() -> None:
    """What no part names is never written."""
    sources = "".join(path.read_text() for path in Path(retraining.__path__[0]).rglob("*.py"))
    made = {getattr(reasons, name) for name in _MADE.findall(sources)}
    assert reasons.READY in made
    assert made - RETRAINING.conditions == set()
