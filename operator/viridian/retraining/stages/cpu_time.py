"""How much CPU the pods of a stage took, from what the API server shows of pods that have ended.

A kubelet reports when a container began and ended, and not what it used. So a container counts with the CPU that it
requests, for as long as it ran: what the cluster kept free for it, and what a cloud charges. One that requests none
counts with its limit, and without a limit with one CPU. Pods that are gone do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from viridian.core.lookup import Object, dig, entries, mapping, text
from viridian.core.times import parse_time

UNWRITTEN_CPUS: Final = 1.0
"""Of a container that says neither how much CPU it requests nor how much it may take."""
_QUANTITY: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([num]?)")
_FACTORS: Final = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def cpu_seconds(pods: Sequence[Object]) -> float:
    """CPU-seconds of all containers of these pods that have ended, attempts that failed included."""
    return sum(cpus * seconds for pod in pods for cpus, seconds in _containers(pod))


def _containers(pod: Object) -> Iterator[tuple[float, float]]:
    """CPUs of each container that has ended, and how many seconds it ran."""
    for specs, statuses in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
        cpus = {text(container, "name"): _cpus(container) for container in entries(pod, "spec", specs)}
        for status in entries(pod, "status", statuses):
            ended = mapping(status, "state", "terminated")
            began, end = parse_time(text(ended, "startedAt")), parse_time(text(ended, "finishedAt"))
            if began is not None and end is not None and end > began:
                yield cpus.get(text(status, "name"), UNWRITTEN_CPUS), (end - began).total_seconds()


def _cpus(container: Object) -> float:
    resources = mapping(container, "resources")
    written = (dig(resources, kind, "cpu") for kind in ("requests", "limits"))
    return next((cpus for quantity in written if (cpus := _parsed(quantity)) is not None), UNWRITTEN_CPUS)


def _parsed(quantity: object) -> float | None:
    found = _QUANTITY.fullmatch(str(quantity)) if isinstance(quantity, str | int | float) else None
    return float(found[1]) * _FACTORS[found[2]] if found is not None else None
