"""The end state of many models as a backup of etcd brings it back, in place of an hour in which they become ready.

One model is made for real, by the operator on a control plane of its own. All its objects are copied under other
names into the etcd of the cluster that is measured, and its rows in the database of MLflow likewise. What the operator
derives from names is derived anew: the revision, and the hash of each intent. The intents are those that the operator
has applied, as the API server's audit log has them; each must have the hash that stands on its object.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from benchmarks.scale import world
from benchmarks.scale.api import Api, Object
from localcluster.controlplane import ControlPlane
from localcluster.waiting import request
from viridian.api.names import INTENT_ANNOTATION, schedules_record, short_hash, trail_journal
from viridian.controller.observe_model_deployment import parse_spec
from viridian.core.intent import intent_hash
from viridian.rollout import records
from viridian.rollout.render.revision import revision_of

AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Request
  verbs: [patch]
- level: None
"""


def audited(folder: Path) -> tuple[str, ...]:
    """Flags of an API server that writes what is applied into the audit log of this folder."""
    (policy := folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
    return (f"--audit-policy-file={policy}", f"--audit-log-path={folder / AUDIT_LOG}")


AUDIT_LOG: Final = "audit.log"
_AT_ONCE: Final = 100
"""Keys of one transaction; etcd takes 128."""
_PLACES: Final = {
    "/apis/viridian.dev/v1alpha1/modeldeployments": "viridian.dev/modeldeployments",
    "/apis/viridian.dev/v1alpha1/retrainpolicies": "viridian.dev/retrainpolicies",
    "/apis/apps/v1/deployments": "deployments",
    "/apis/apps/v1/replicasets": "replicasets",
    "/apis/apps/v1/controllerrevisions": "controllerrevisions",
    "/api/v1/pods": "pods",
    "/api/v1/services": "services/specs",
    "/api/v1/endpoints": "services/endpoints",
    "/apis/discovery.k8s.io/v1/endpointslices": "endpointslices",
    "/apis/networking.k8s.io/v1/ipaddresses": "ipaddresses",
    "/apis/networking.k8s.io/v1/networkpolicies": "networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets": "poddisruptionbudgets",
}
"""Where the API server lists the kinds that a model has objects of, and where etcd has them below /registry/."""
_UID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADDRESS: Final = re.compile(r"10\.96\.[0-9]{1,3}\.[0-9]{1,3}")
"""Of a Service."""


@dataclass(frozen=True)
class Original:
    """The model that is copied."""

    name: str
    namespace: str
    objects: Sequence[tuple[str, Object]]
    """Each with the place in etcd of its kind."""
    intents: Sequence[Object]
    """What the operator has applied, without the hash."""

    @cached_property
    def revision(self) -> str:
        return _revision([found for _, found in self.objects])

    @cached_property
    def texts(self) -> tuple[str, str]:
        return json.dumps(self.objects), json.dumps(self.intents)

    @cached_property
    def hashes(self) -> Sequence[str]:
        return [_hash(intent) for intent in self.intents]

    def renaming(self, number: int, name: str) -> Callable[[str], str]:
        """Puts a copy's name and namespace in the place of the original's."""
        return partial(_replaced, renamed=self._names(number, name))

    def _names(self, number: int, name: str) -> dict[str, str]:
        return {self.name: name, self.namespace: world.namespace_of(number)}

    def copy(self, number: int, name: str) -> Iterator[tuple[str, Object]]:
        """Key in etcd and object, of the model of that number."""
        objects, intents = self.texts
        renamed = {
            **self._names(number, name),
            **{uid: str(uuid.uuid5(uuid.UUID(uid), name)) for uid in _UID.findall(objects)},
            **{
                address: f"10.96.{20 + (2 * number + index) // 200}.{(2 * number + index) % 200 + 1}"
                for index, address in enumerate(sorted(set(_ADDRESS.findall(objects))))
            },
        }
        policy = next(found["metadata"] for _, found in self.objects if found["kind"] == "RetrainPolicy")
        deployment = next(found["metadata"] for _, found in self.objects if found["kind"] == "ModelDeployment")
        for named, of in ((schedules_record, policy), (trail_journal, policy), (trail_journal, deployment)):
            renamed[named(of["name"], of["uid"])] = named(_replaced(of["name"], renamed), renamed[of["uid"]])
        first: list[tuple[str, Object]] = json.loads(_replaced(objects, renamed))
        renamed[self.revision] = _revision([found for _, found in first])
        hashed = [_hash(intent) for intent in json.loads(_replaced(intents, renamed))]
        renamed |= dict(zip(self.hashes, hashed, strict=True))
        for place, found in json.loads(_replaced(objects, renamed)):
            metadata = found["metadata"]
            yield "/".join(filter(None, ("/registry", place, metadata.get("namespace"), metadata["name"]))), found


async def original(api: Api, audit_log: Path, namespace: str, name: str) -> Original:
    """What there is of a model, and what was applied for it."""
    found = []
    for path, place in _PLACES.items():
        listed = await api.get(path)
        head = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
        found += [(place, {**head, **_stored(item)}) for item in listed["items"] if _is_of(item, namespace, name)]
    hashes = {hash_ for _, one in found if (hash_ := intent_hash(one))}
    intents = {_hash(intent): intent for intent in _applied(audit_log) if _hash(intent) in hashes}
    if hashes - intents.keys():
        raise RuntimeError(f"the audit log has no intents of the hashes {sorted(hashes - intents.keys())}")
    return Original(name, namespace, found, list(intents.values()))


def restore(plane: ControlPlane, chosen: Original, models: Sequence[str], policies: int) -> int:
    """Write the copies into etcd; the first models have a RetrainPolicy each. The number of objects."""
    written, batch = 0, []
    for number, name in enumerate(models):
        for key, found in chosen.copy(number, name):
            if number >= policies and _is_of_a_policy(found):
                continue
            batch.append({"requestPut": {"key": _encoded(key), "value": _encoded(json.dumps(found))}})
            written += 1
            if len(batch) == _AT_ONCE:
                _put(plane, batch)
                batch = []
    _put(plane, batch)
    return written


def _put(plane: ControlPlane, batch: Sequence[Mapping[str, Any]]) -> None:
    if batch:
        body = json.dumps({"success": list(batch)}).encode()
        request(f"{plane.layout.etcd}/v3/kv/txn", plane.layout.identity, body, timeout=60)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _is_of_a_policy(found: Object) -> bool:
    owners = found["metadata"].get("ownerReferences") or ()
    return "RetrainPolicy" in (found["kind"], *(owner["kind"] for owner in owners))


def _is_of(item: Object, namespace: str, name: str) -> bool:
    if parent := (item.get("spec") or {}).get("parentRef"):
        return bool(parent["namespace"] == namespace and str(parent["name"]).startswith(name))
    metadata = item["metadata"]
    return metadata.get("namespace") == namespace and str(metadata["name"]).startswith(name)


def _stored(item: Object) -> Object:
    """etcd counts the versions."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "resourceVersion"}
    return {**item, "metadata": metadata}


def _applied(audit_log: Path) -> Iterator[Object]:
    """The manifests of all applies that carry the hash of an intent, as they were hashed."""
    for line in audit_log.read_text().splitlines():
        manifest = json.loads(line).get("requestObject") or {}
        if intent_hash(manifest) is None:
            continue
        metadata = {key: value for key, value in manifest["metadata"].items() if key not in ("uid", "resourceVersion")}
        own = {key: value for key, value in metadata.pop("annotations").items() if key != INTENT_ANNOTATION}
        for noted in ({"annotations": own} if own else {}, {"annotations": own}):
            yield {**manifest, "metadata": {**metadata, **noted}}


def _hash(intent: Object) -> str:
    return short_hash(json.dumps(intent, sort_keys=True, separators=(",", ":")), length=16)


def _revision(objects: Sequence[Object]) -> str:
    """The revision of the model that these objects are of."""
    deployment = next(found for found in objects if found["kind"] == "ModelDeployment")
    spec, invalid = parse_spec(deployment)
    if spec is None:
        raise RuntimeError(invalid)
    found = (records.parse(one) for one in objects if one["kind"] == "ControllerRevision")
    (record,) = (one for one in found if one is not None)
    return revision_of(record.model, spec.server, "")


def _replaced(text: str, renamed: Mapping[str, str]) -> str:
    longest_first = sorted(renamed, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: renamed[found[0]], text)
