"""The counters of a scripted model server, in the words of `viridian.api.samples`, as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.memory_pods import Behaviour
from viridian.api.samples import DURATION_METRIC, INFO_METRIC, LATENCY_BOUNDS, REQUESTS_METRIC, CodeClass, Identity


@dataclass
class Counters:
    """What a pod has answered since it started."""

    requests: float = 0.0
    errors: float = 0.0
    by_seconds: dict[float, float] = field(default_factory=dict)

    def answer(self, requests: float, behaviour: Behaviour) -> None:
        """So many more requests were answered as the behaviour says."""
        if behaviour.counting:
            self.requests += requests
            self.errors += requests * behaviour.errors
            self.by_seconds[behaviour.seconds] = self.by_seconds.get(behaviour.seconds, 0.0) + requests

    def text(self, identity: Identity) -> str:
        """Whole numbers, as a server counts, and whose they are."""
        return "\n".join([*_info(identity), *self._lines()]) + "\n"

    def _lines(self) -> Iterator[str]:
        total, errors = int(self.requests), int(self.errors)
        counts = {CodeClass.SUCCESS: total - errors, CodeClass.CLIENT_ERROR: 0, CodeClass.SERVER_ERROR: errors}
        yield f"# TYPE {REQUESTS_METRIC}_total counter"
        for code, number in counts.items():
            yield f'{REQUESTS_METRIC}_total{{code="{code}"}} {number}'
        yield f"# TYPE {DURATION_METRIC} histogram"
        for bound in LATENCY_BOUNDS:
            within = sum(number for seconds, number in self.by_seconds.items() if seconds <= bound)
            yield f'{DURATION_METRIC}_bucket{{le="{bound}"}} {min(total, int(within))}'
        yield f'{DURATION_METRIC}_bucket{{le="+Inf"}} {total}'
        yield f"{DURATION_METRIC}_sum {sum(seconds * number for seconds, number in self.by_seconds.items())}"
        yield f"{DURATION_METRIC}_count {total}"


def _info(identity: Identity) -> Iterator[str]:
    labels = ",".join(f'{name}="{value}"' for name, value in identity.labels().items())
    yield f"# TYPE {INFO_METRIC}_info gauge"
    yield f"{INFO_METRIC}_info{{{labels}}} 1.0"
