"""Registry actions, each by the port's own call."""

from __future__ import annotations

import asyncio
from typing import Final

from viridian.api.registry import RunStatus
from viridian.core.model_owners import namespace_of
from viridian.core.plan import (
    ClaimModel,
    CreateRun,
    FinishRun,
    RegisterVersion,
    RegistryAction,
    SetAlias,
    TagRun,
    TagVersion,
)
from viridian.ports.registry import Registry, RegistryError, RegistryNotYours, RegistryUnavailable

LONGEST: Final = 60.0
"""Seconds that one write may take, of several requests that are each bounded by themselves."""


async def write(registry: Registry, action: RegistryAction) -> RegistryError | None:
    """Do it; what kept the registry from doing it."""
    try:
        async with asyncio.timeout(LONGEST):
            await _perform(registry, action)
    except RegistryError as error:
        return error
    except TimeoutError:
        return RegistryUnavailable(f"no answer within {LONGEST:g} s")
    return None


def model_of(action: RegistryAction) -> str:
    """The registered model that the action changes; empty where it changes none."""
    return action.model if isinstance(action, ClaimModel | SetAlias | TagVersion | RegisterVersion) else ""


async def _perform(registry: Registry, action: RegistryAction) -> None:
    match action:
        case ClaimModel(model, owner):
            await _claim(registry, model, owner)
        case SetAlias(model, alias, version):
            await registry.set_alias(model, alias, version)
        case TagVersion(model, version, tags):
            await registry.tag_version(model, version, tags)
        case CreateRun(experiment, run, tags):
            await registry.create_run(experiment, run, tags)
        case TagRun(mlflow_run, tags):
            await registry.tag_run(mlflow_run, tags)
        case FinishRun(mlflow_run, status):
            await registry.finish_run(mlflow_run, RunStatus(status))
        case RegisterVersion(model, mlflow_run, source, tags, owner):
            await registry.register(model, mlflow_run, source, tags, owner=owner)


async def _claim(registry: Registry, model: str, owner: str) -> None:
    claimed = await registry.claim(model, owner)
    if namespace_of(claimed) != namespace_of(owner):
        raise RegistryNotYours(f"the ModelDeployment {claimed} has claimed it at the same moment")
