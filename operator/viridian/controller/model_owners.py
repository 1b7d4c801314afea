"""Reading to whom a registered model belongs."""

from __future__ import annotations

from viridian.api.registry import RegisteredModel
from viridian.core.model_owners import Owners, former_claim_on, owners_of
from viridian.ports.registry import Registry


async def owners(registry: Registry, name: str) -> Owners:
    """Raises the RegistryError that keeps it from being known."""
    return await owners_of_read(registry, await registry.model(name))


async def owners_of_read(registry: Registry, model: RegisteredModel | None) -> Owners:
    """The same of a model that has just been read."""
    asked = former_claim_on(model) if model is not None else None
    version = await registry.version(model.name, asked) if model is not None and asked is not None else None
    return owners_of(model, version.tags if version is not None else None)
