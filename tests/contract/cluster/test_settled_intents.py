"""An intent that was applied is covered by what was stored, whatever the server made of it; a foreign edit uncovers it.

Otherwise the operator would write in a settled world, or leave someone's edit in place.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.cluster.manifests import (
    LABELS,
    budget,
    config,
    container,
    deployment,
    job,
    network_policy,
    pod_spec,
    record,
    service,
)
from tests.contract.cluster.world import World, read
from viridian.core.intent import apply_unless_covered, with_intent_hash
from viridian.ports.cluster import Object


def pod(**more: Any) -> Object:
    """What users write into their fragment and the server stores in another way."""
    return pod_spec(containers=[container(**more)])


INTENTS = [
    *(
        pytest.param(build, id=build.__name__)
        for build in (budget, config, deployment, job, network_policy, record, service)
    ),
    pytest.param(
        lambda namespace: deployment(
            namespace,
            pod=pod(
                resources={
                    "requests": {"cpu": "0.5", "memory": "1024Mi"},
                    "limits": {"cpu": "1000m", "memory": "1.5Gi"},
                }
            ),
        ),
        id="quantities",
    ),
    pytest.param(
        lambda namespace: deployment(namespace, pod=pod(resources={"requests": {"cpu": 1}, "limits": {"cpu": 2}})),
        id="whole-numbers",
    ),
    pytest.param(
        lambda namespace: deployment(
            namespace,
            minReadySeconds=0,
            pod=pod_spec(
                containers=[container(args=[], ports=[], stdin=False, securityContext={})],
                tolerations=[],
                nodeSelector={},
                hostNetwork=False,
                imagePullSecrets=[],
            ),
        ),
        id="blanks",
    ),
    pytest.param(
        lambda namespace: deployment(
            namespace,
            pod=pod(readinessProbe={"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 0}),
        ),
        id="zero-delay",
    ),
]


@pytest.mark.parametrize("build", INTENTS)
async def test_what_was_applied_is_covered(world: World, build: Any) -> None:
    intent = build(world.namespace)
    assert apply_unless_covered(intent, None) is not None
    stored = await world.cluster.apply(with_intent_hash(intent), manager="viridian")
    assert apply_unless_covered(intent, stored) is None
    assert apply_unless_covered(intent, await read(world, intent)) is None


@pytest.mark.parametrize(
    ("build", "edit"),
    [
        pytest.param(deployment, {"spec": {"replicas": 3}}, id="scaled"),
        pytest.param(deployment, {"metadata": {"labels": {"viridian.dev/slot": None}}}, id="label removed"),
        pytest.param(deployment, {"metadata": {"annotations": {"viridian.dev/intent": "x"}}}, id="hash changed"),
        pytest.param(
            deployment,
            {"spec": {"template": {"spec": {"securityContext": {"runAsNonRoot": None}}}}},
            id="field removed",
        ),
        pytest.param(service, {"spec": {"selector": {"viridian.dev/slot": "green"}}}, id="traffic moved"),
        pytest.param(service, {"spec": {"selector": {"viridian.dev/slot": None}}}, id="traffic shared"),
        pytest.param(service, {"spec": {"selector": {"app": "other"}}}, id="traffic narrowed to nothing"),
        pytest.param(budget, {"spec": {"maxUnavailable": 2}}, id="budget"),
        pytest.param(network_policy, {"spec": {"ingress": [{}]}}, id="open to everybody"),
        pytest.param(network_policy, {"spec": {"ingress": None}}, id="open to nobody"),
    ],
)
async def test_a_foreign_edit_is_seen_and_taken_back(world: World, build: Any, edit: Object) -> None:
    intent = build(world.namespace)
    before = await world.cluster.apply(with_intent_hash(intent), manager="viridian")
    await world.edit(before, edit)
    action = apply_unless_covered(intent, await read(world, intent))
    assert action is not None
    stored = await world.cluster.apply(action.manifest, manager="viridian")
    assert apply_unless_covered(intent, stored) is None
    assert stored["spec"] == before["spec"]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"metadata": {"labels": {"team": "x"}, "annotations": {"note": "y"}}}, id="their own label"),
        pytest.param({"spec": {"revisionHistoryLimit": 3}}, id="a field that we leave to others"),
    ],
)
async def test_what_is_not_ours_is_left_alone(world: World, edit: Object) -> None:
    intent = deployment(world.namespace)
    await world.edit(await world.cluster.apply(with_intent_hash(intent), manager="viridian"), edit)
    assert apply_unless_covered(intent, await read(world, intent)) is None


def test_the_labels_of_these_tests_are_the_selector() -> None:
    assert service("x")["spec"]["selector"] == LABELS
