"""Which models a person may list: those of all namespaces, or else those of the namespaces that are known to try.

Only the API server decides. A person who may list in single namespaces alone names them once; the browser remembers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from viridian.access.caller import Caller
from viridian.dashboard.person_cluster import PersonCluster
from viridian.http_problem import HttpProblem

MAX_NAMESPACES: Final = 50
"""That are tried for one page."""
_NOT_ALLOWED: Final = 403
Model = TypeVar("Model")

ListModels = Callable[[str, str, str], Awaitable[Sequence[Model]]]
"""By token, namespace (empty: all) and labels; 403 where the person may not list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible(Generic[Model]):
    """What was found."""

    models: Sequence[Model]
    everywhere: bool
    """Whether the person may list the models of all namespaces."""
    namespaces: Sequence[str]
    """Where the person may list them otherwise."""
    refused: str
    """The namespace that was asked for and may not be listed; empty where there is none."""

    @property
    def remembered(self) -> Sequence[str] | None:
        """What the browser is to remember; None: nothing new."""
        return None if self.everywhere else self.namespaces


class VisibleModels(Generic[Model]):
    """Asks the API server as the person."""

    def __init__(self, cluster: PersonCluster, list_models: ListModels[Model], namespaces: Sequence[str]) -> None:
        self._cluster = cluster
        self._list = list_models
        self._namespaces = tuple(namespaces)

    async def of(self, token: str, asked: str, labels: str, remembered: Iterable[str]) -> Visible[Model]:
        """`asked`: the namespace that the person has named; empty: all."""
        try:
            found = await self._list(token, "", labels)
            return Visible(models=found, everywhere=True, namespaces=(), refused="")
        except HttpProblem as problem:
            if problem.status != _NOT_ALLOWED:
                raise
        own = Caller(await self._cluster.user(token)).namespace
        tried = list(dict.fromkeys(name for name in (asked, own, *self._namespaces, *remembered) if name))
        tried = tried[:MAX_NAMESPACES]
        lists = await asyncio.gather(*(self._listed(token, name, labels) for name in tried))
        allowed = {name: found for name, found in zip(tried, lists, strict=True) if found is not None}
        return Visible(
            models=[model for found in allowed.values() for model in found],
            everywhere=False,
            namespaces=sorted(allowed),
            refused=asked if asked and asked not in allowed else "",
        )

    async def _listed(self, token: str, namespace: str, labels: str) -> Sequence[Model] | None:
        """The models of one namespace; None where the person may not list them."""
        try:
            return await self._list(token, namespace, labels)
        except HttpProblem as problem:
            if problem.status != _NOT_ALLOWED:
                raise
            return None
