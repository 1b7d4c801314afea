"""What splits the traffic between the two slots: one small interface, so that a rollout need not know which one it is.

A provider is pure. It renders the objects that make a split, and reads the split from the objects that are there. The
record of the traffic (`viridian.rollout.traffic.record`) stands on the first of its objects, so that both change in one
write. Which provider a ModelDeployment has is decided by `RolloutInput.provider`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from viridian.api.names import Slot
from viridian.core.ownership import Owner
from viridian.core.plan import Target
from viridian.rollout.manifests import Manifest
from viridian.rollout.traffic.capacity import PodSplit
from viridian.rollout.traffic.record import Traffic

LiveObjects = Mapping[Target, Mapping[str, Any]]
"""The objects of a provider that are there, by kind and name."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Why a split that is written may not be in effect yet."""

    message: str
    serves: bool
    """Whether users are served meanwhile, perhaps by the split before."""


class TrafficProvider(Protocol):
    """How a split becomes objects, and objects a split."""

    @property
    def follows_ready_pods(self) -> bool:
        """Whether a slot without ready pods gets no requests; elsewhere its share would fail."""

    @property
    def keeps_connections(self) -> bool:
        """Whether a client stays with a pod after the split has changed, until the pod closes the connection."""

    @property
    def confirms(self) -> bool:
        """Whether a split takes effect some time after its write, and `unsettled` tells when; elsewhere at once."""

    @property
    def copies_requests(self) -> bool:
        """Whether a slot can get copies of the users' requests, whose answers nobody sees."""

    def target(self, name: str) -> Target:
        """Kind and name of the object that carries the record: its write is what moves the traffic."""

    def read(self, name: str, live: LiveObjects) -> Traffic | None:
        """The record; None where there is none, or where it was destroyed."""

    def receiving(self, name: str, live: LiveObjects) -> frozenset[Slot]:
        """The slots that the objects send requests to, whatever a record says; empty where nobody can tell."""

    def port(self, name: str, live: LiveObjects) -> int | None:
        """The port that users call."""

    def objects(self, owner: Owner, port: int, traffic: Traffic) -> Sequence[Manifest]:
        """All that has to be there for this traffic. The first one is decisive, and carries the record."""

    def replicas(self, weight: int, replicas: int, max_surge: int) -> PodSplit:
        """The pods of champion and challenger that a weight needs."""

    def weight(self, traffic: Traffic, ready: Mapping[Slot, int]) -> int:
        """The share of the challenger in percent as it is, with so many ready pods in each slot."""

    def unsettled(self, name: str, live: LiveObjects) -> Unsettled | None:
        """Why the split of the objects may not be in effect; None where it is."""
