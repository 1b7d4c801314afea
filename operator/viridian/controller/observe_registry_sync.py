"""Observe what registry-sync needs of a ModelDeployment: its records, who serves, and at need the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.names import MODEL_DEPLOYMENT_LABEL
from viridian.api.registry import RegisteredModel
from viridian.controller.keys import Key
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.model_owners import owners_of_read
from viridian.controller.reconcilable import Observed
from viridian.controller.registries import ByNamespace
from viridian.core.lookup import text
from viridian.core.model_owners import OwnerRule, Owners, OwnersUnknown
from viridian.core.obstacles import Obstacles
from viridian.core.ownership import Belongs, belongs
from viridian.core.plan import Plan
from viridian.ports.cluster import ClusterReader, Object, ObjectRef
from viridian.ports.registry import Registry, RegistryError
from viridian.registry_sync.decide import decide
from viridian.registry_sync.input import SyncInput, models_to_write
from viridian.rollout.input import parse_records
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.replaced_versions import is_another, may_be_another
from viridian.rollout.traffic.service import record_of


@dataclass(frozen=True, slots=True)
class RegistrySync:
    """How the loop keeps the registry in step with the decisions about a ModelDeployment."""

    cluster: ClusterReader
    registries: ByNamespace[Registry]
    rules: tuple[OwnerRule, ...]
    clock: Callable[[], datetime]

    async def observe(self, key: Key, manifest: Object) -> Observed[SyncInput]:
        """Its records and its live Service; of the registry what is to be written to, and nothing at rest."""
        uid, labels = manifest["metadata"]["uid"], {MODEL_DEPLOYMENT_LABEL: key.name}
        listed, live = await asyncio.gather(
            self.cluster.list("apps/v1", "ControllerRevision", key.namespace, labels),
            self.cluster.get(ObjectRef("v1", "Service", key.namespace, key.name)),
        )
        records = parse_records([found for found in listed if belongs(found, uid) is Belongs.OURS])
        serves = live is not None and belongs(live, uid) is Belongs.OURS
        names = sorted(models_to_write(records))
        read = await asyncio.gather(*(self._read(key.namespace, name, records.values()) for name in names))
        inputs = SyncInput(
            name=key.name,
            namespace=key.namespace,
            generation=manifest["metadata"].get("generation", 0),
            status=manifest.get("status") or {},
            records=records,
            traffic=record_of(live) if serves else None,
            owners={name: owners for name, (owners, _, _) in zip(names, read, strict=True)},
            aliases={model.name: model.aliases for _, model, _ in read if model is not None},
            replaced=frozenset().union(*(replaced for _, _, replaced in read)),
            ticket=text(manifest, "spec", "governance", "ticketRef"),
            rules=self.rules,
        )
        return Observed(inputs, self.clock())

    def decide(self, observed: Observed[SyncInput], obstacles: Obstacles) -> Plan:
        return decide(replace(observed.input, obstacles=obstacles), observed.now)

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:  # noqa: ARG002
        return None  # no user meets the registry

    def by_lists(self, lists: ClusterReader) -> RegistrySync:
        return replace(self, cluster=lists, registries=ByNamespace(NOT_ASKED))

    async def forget(self, key: Key) -> None:
        """Nothing is remembered."""

    async def _read(
        self, namespace: str, name: str, records: Iterable[RevisionRecord]
    ) -> tuple[Owners | OwnersUnknown, RegisteredModel | None, frozenset[str]]:
        """To whom the model belongs, the model, and the revisions whose number is another version's by now."""
        registry = self.registries.of(namespace)
        try:
            model = await registry.model(name)
            replaced = await _replaced(registry, model, records) if model is not None else frozenset[str]()
            return await owners_of_read(registry, model), model, replaced
        except RegistryError as error:
            return OwnersUnknown(error.reason, error.message), None, frozenset()


async def _replaced(registry: Registry, model: RegisteredModel, records: Iterable[RevisionRecord]) -> frozenset[str]:
    doubted = [one for one in records if one.model.name == model.name and may_be_another(one, model.history)]
    found = await asyncio.gather(*(registry.version(model.name, one.model.version or "") for one in doubted))
    pairs = zip(doubted, found, strict=True)
    return frozenset(
        one.revision
        for one, version in pairs
        if version is not None and is_another(one.model, ServedModel.registered(version))
    )
