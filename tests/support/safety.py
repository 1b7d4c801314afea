"""P5: what must hold in every state that the cluster was ever in, not only at the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.support.cluster.deployments import is_ready
from tests.support.memory_cluster import World
from viridian.api.names import REVISION_LABEL, ROUTE_ANNOTATION, slot_deployment
from viridian.ports.cluster import Object
from viridian.rollout.traffic import service as traffic
from viridian.rollout.traffic.record import Traffic


def violations(
    worlds: Sequence[World],
    *,
    retried: Collection[str] = (),
    failing: Collection[str] = (),
    name: str = "churn",
) -> list[str]:
    """A sentence for each state in which users were not safe.

    `retried`: revisions that people gave another chance. `failing`: those whose pods were made to fail while they
    served; where such a champion leaves users without an answer, it may not be the operator who took it from them.
    """
    records = list(_records(worlds, name))
    return [
        f"{problem}, after: {world.cause}"
        for (before, earlier), (world, now) in pairwise(zip(worlds, records, strict=True))
        for problem in _problems(before, earlier, world, now, failing, name)
    ] + list(_second_tries(worlds, records, retried))


def _records(worlds: Sequence[World], name: str) -> Iterator[Traffic | None]:
    """The traffic in each state; most states differ from the one before in another object than the Service."""
    service: Object | None = None
    record: Traffic | None = None
    for world in worlds:
        found = world.find("Service", name)
        if found is not service:
            service, record = found, traffic.record_of(found)
        yield record


def _problems(
    before: World, earlier: Traffic | None, world: World, now: Traffic | None, failing: Collection[str], name: str
) -> Iterator[str]:
    live, owner = world.find("Service", name), world.find("ModelDeployment", name)
    if live is None or now is None or owner is None or owner["spec"]["server"]["replicas"] == 0:
        return
    allowed = {now.revision} | ({now.trial.revision} if now.trial and now.trial.weight > 0 else set())
    routed = ROUTE_ANNOTATION in (live["metadata"].get("annotations") or {})  # the drill is behind the route then
    if now.drill is not None and now.drill.since is not None and not routed:
        allowed = {now.drill.revision}
    before_us = now.predecessor.revision if now.predecessor is not None else None  # its pods have no label of ours
    met = [pod["metadata"]["labels"].get(REVISION_LABEL, before_us) for pod in _met(world, live["spec"]["selector"])]
    if not met and now.revision not in failing:
        yield "users meet no ready pod"
    if not met and _met(world, _selector(before, name)):
        yield "the traffic was taken from ready pods and given to none"
    if set(met) - allowed:
        yield f"users meet {set(met) - allowed}, and only {allowed} may serve"
    if earlier is not None and earlier.champion != now.champion and now.revision not in met:
        yield f"the traffic was switched to {now.revision}, which has no ready pod"
    yield from _reduced(before, world, now, owner["spec"]["server"]["replicas"], name)


def _selector(world: World, name: str) -> dict[str, str] | None:
    live = world.find("Service", name)
    return live["spec"]["selector"] if live is not None else None


def _met(world: World, selector: dict[str, str] | None) -> list[Any]:
    """The ready pods that users meet with this selector; none where there is no Service."""
    return (
        []
        if selector is None
        else [
            content
            for reference, content in world.objects.items()
            if reference.kind == "Pod"
            and selector.items() <= content["metadata"].get("labels", {}).items()
            and is_ready(content)
        ]
    )


def _reduced(before: World, world: World, now: Traffic, replicas: int, name: str) -> Iterator[str]:
    deployment = slot_deployment(name, now.champion)
    was, is_now = before.find("Deployment", deployment), world.find("Deployment", deployment)
    if was is None or is_now is None:
        return
    if is_now["spec"]["replicas"] < min(was["spec"]["replicas"], replicas):
        yield f"the champion was reduced to {is_now['spec']['replicas']} of {replicas} pods"


def _second_tries(
    worlds: Sequence[World], records: Sequence[Traffic | None], retried: Collection[str]
) -> Iterator[str]:
    rejected: dict[str, datetime | None] = {}
    for world, now in zip(worlds, records, strict=True):
        if now is None:
            continue
        reverted = now.reverted
        if now.trial is not None and now.trial.revision in rejected and now.trial.revision not in retried:
            yield f"{now.trial.revision} was rejected and is tried again, after: {world.cause}"
        if reverted is not None and rejected.setdefault(reverted.revision, reverted.at) != reverted.at:
            if reverted.revision not in retried:
                yield f"{reverted.revision} was rejected twice, after: {world.cause}"
            rejected[reverted.revision] = reverted.at
