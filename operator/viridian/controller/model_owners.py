"""Reading to whom a registered model belongs, from a registry or from what it said lately."""

from __future__ import annotations

from typing import Protocol

from viridian.api.registry import ModelVersion, RegisteredModel
from viridian.core.model_owners import Owners, former_claim_on, owners_of


class Readable(Protocol):
    """The reading half of a registry."""

    async def model(self, name: str) -> RegisteredModel | None: ...

    async def version(self, name: str, version: str) -> ModelVersion | None: ...


async def owners(registry: Readable, name: str) -> Owners:
    """Raises the RegistryError that keeps it from being known."""
    model = await registry.model(name)
    asked = former_claim_on(model) if model is not None else None
    version = await registry.version(name, asked) if asked is not None else None
    return owners_of(model, version.tags if version is not None else None)
