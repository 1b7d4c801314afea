"""How many pods a slot may have, and how many make a weight where the traffic is split by the number of ready pods."""

from __future__ import annotations

import math
from dataclasses import dataclass

from viridian.api.surge_spec import MAX_SURGE


@dataclass(frozen=True, slots=True)
class PodSplit:
    """Pods of the two slots while a challenger is on trial."""

    champion: int
    challenger: int

    @property
    def weight(self) -> float:
        """Share of the challenger in percent."""
        return 100 * self.challenger / max(1, self.champion + self.challenger)


@dataclass(frozen=True, slots=True)
class PodBounds:
    """How few and how many pods a slot may have."""

    least: int
    most: int

    def holds(self, pods: int) -> bool:
        return self.least <= pods <= self.most

    def nearest(self, pods: int) -> int:
        """The number within the bounds that is nearest to this one."""
        return min(max(pods, self.least), self.most)


def pods_for_share(share: int, replicas: int) -> PodSplit:
    """The challenger has as large a share of the champion's pods as of the requests or their copies, at least one."""
    champion = max(1, replicas)
    return PodSplit(champion, max(1, math.ceil(champion * share / 100)))


def surge_pods(max_surge: int | str | None, replicas: int) -> int:
    """Pods that may be added to `replicas`: a number, or a percentage of them as text, rounded up.

    None: as many again, since half of the traffic needs half of the pods, and 2 for the sake of small weights.
    """
    if max_surge is None:
        return min(MAX_SURGE, max(2, replicas))
    if isinstance(max_surge, int):
        return max_surge
    return min(MAX_SURGE, math.ceil(replicas * int(max_surge.partition("%")[0]) / 100))


def pods_for(weight: int, replicas: int, max_surge: int) -> PodSplit:
    """The counts that come closest to the weight with at most `max_surge` pods (at least one) above `replicas`.

    The champion never has fewer than its replicas, since a revert must find it at full size. At 100 % the challenger
    takes all of the traffic and needs all of the replicas.
    """
    champion = max(1, replicas)
    if weight >= 100:
        return PodSplit(champion, champion)
    if weight <= 0:
        return PodSplit(champion, 1)
    spare = max(1, max_surge)
    options = [
        PodSplit(champion + extra, challenger)
        for extra in range(spare)
        for challenger in _beside(champion + extra, weight, min(champion, spare - extra))
    ]
    return min(options, key=lambda pods: (abs(pods.weight - weight), pods.champion + pods.challenger))


def _beside(champion: int, weight: int, most: int) -> set[int]:
    """The numbers of challengers, from 1 to `most`, whose shares beside so many champions are next to the weight."""
    exact = champion * weight / (100 - weight)
    return {min(max(1, number), most) for number in (math.floor(exact), math.ceil(exact))}
