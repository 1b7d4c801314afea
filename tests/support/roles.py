"""The end of a story by role: what remains when identities, times, sentences and the choice of slots are left out.

Two worlds are equal when the same revisions have the same roles, with the same pods, in the same shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from tests.support.cluster.store import World
from tests.support.memory_registry import MemoryRegistry
from viridian.api.names import (
    INTENT_ANNOTATION,
    JOINED_ANNOTATION,
    OUTCOME_ANNOTATION,
    OWNER_ANNOTATION,
    TRAFFIC_ANNOTATION,
    TRAIL_ANNOTATION,
)
from viridian.rollout.traffic import service as traffic

Object = Mapping[str, Any]
KINDS = (
    *("ModelDeployment", "RetrainPolicy", "Deployment", "Service"),
    *("HTTPRoute", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy", "ControllerRevision", "Job"),
)
# What differs between two runs of the same story, or is a sentence for people.
_LEFT_OUT = frozenset(
    """
    uid controller-uid batch.kubernetes.io/controller-uid resourceVersion generation creationTimestamp managedFields
    clusterIP clusterIPs message waitingFor seconds lastTransitionTime lastUpdateTime observedGeneration metrics
    requests startTime completionTime cpuSeconds secondsUntilReady ready_seconds
    """.split()  # noqa: SIM905 - a list of so many words reads better so
) | {INTENT_ANNOTATION, OWNER_ANNOTATION}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_CPU_TIME = re.compile(r',"cpuSeconds":[0-9.]+')  # in the notes about stages, which are a text
_SLOT = re.compile(r"\b(blue|green)\b")
_JOURNAL = re.compile(r"-trail-[0-9a-f]{8}\b")  # named after the uid of its object


def by_role(world: World, *, name: str = "churn", namespace: str = "default") -> dict[str, Any]:
    """Every object of a namespace that the operator makes or speaks about, by kind and name."""
    live = world.find("Service", name, namespace)
    known = traffic.record_of(live)
    champion = str(known.champion) if known else "blue"
    found = {}
    for reference, content in world.objects.items():
        if reference.kind in KINDS and reference.namespace == namespace:
            plain = _in_roles(_essence(content), champion)
            of = (
                "-trail-of-policy"
                if "viridian.dev/retrain-policy" in content["metadata"].get("labels", {})
                else "-trail"
            )
            name_in_roles = _JOURNAL.sub(of, _in_roles(reference.name, champion))
            found[f"{reference.kind} {name_in_roles}"] = plain
    return found


def champion_part(roles: Mapping[str, Any]) -> dict[str, Any]:
    """What users meet: the live Service, the champion's objects, and what the status says of the champion.

    Left out is what comes from history: the fallback, the records, the outcomes, and how a person put the spec down.
    """
    status = next(content.get("status", {}) for key, content in roles.items() if key.startswith("ModelDeployment "))
    names = (
        "Deployment churn-champion",
        "PodDisruptionBudget churn-champion",
        "NetworkPolicy churn-server",
        "Service churn",
        "Service churn-preview",
    )
    part = {name: json.loads(json.dumps(roles[name])) for name in names if name in roles}
    recorded = part["Service churn"]["metadata"]["annotations"].pop(TRAFFIC_ANNOTATION)
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"] if c["type"] != "RollbackReady"}
    return {
        **part,
        "traffic": {key: recorded.get(key) for key in ("champion", "revision", "trial")},
        "status": {key: status.get(key) for key in ("champion", "challenger", "replicas", "selector")},
        "conditions": conditions,
    }


def registered(registry: MemoryRegistry, model: str = "churn") -> dict[str, Any]:
    """Versions with what is tagged on them, without sentences."""
    return {
        number: {key: value for key, value in version.tags.items() if key != "viridian.reason"}
        for number, version in registry.versions(model).items()
    }


def trails(registry: MemoryRegistry) -> list[list[str]]:
    """What the entries of each trail are about: neither a gap nor a double."""
    return sorted(sorted(json.loads(entry)["what"] for entry in page.values()) for page in registry.trails().values())


def difference(expected: Any, found: Any) -> str:
    """Where two ends differ, for the message of a failed test."""
    wanted, got = (json.dumps(value, indent=1, sort_keys=True).splitlines() for value in (expected, found))
    return "\n".join(unified_diff(wanted, got, "expected", "found", n=4, lineterm=""))


def _essence(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: inner for key, inner in value.items() if key not in _LEFT_OUT}
        for key in (TRAFFIC_ANNOTATION, OUTCOME_ANNOTATION, JOINED_ANNOTATION):
            if key in kept:
                kept[key] = json.loads(kept[key])
        if isinstance(journal := kept.get(TRAIL_ANNOTATION), str) and journal.startswith("{"):
            kept[TRAIL_ANNOTATION] = [entry["what"] for entry in json.loads(journal)["entries"]]
        return {key: _essence(inner) for key, inner in kept.items()}
    if isinstance(value, list):
        return [_essence(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return _JOURNAL.sub("-trail", _CPU_TIME.sub("", _TIME.sub("<time>", value)))


def _in_roles(value: Any, champion: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_roles(inner, champion) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_roles(inner, champion) for inner in value]
    if isinstance(value, str):
        return _SLOT.sub(lambda found: "champion" if found[1] == champion else "other", value)
    return value
