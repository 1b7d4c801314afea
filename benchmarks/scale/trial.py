"""One challenger that breaches, again and again: how long users meet it, whatever else the operator has to do."""

from __future__ import annotations

import hashlib
import time

from tests.support.kube import Kube, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.memory_pods import Behaviour

NAMESPACE = "trial"
_STEPS = [{"weight": 50, "duration": "10m"}]
_BAD = Behaviour(errors=0.3)


class Trial:
    """A ModelDeployment with a good champion, and a bad version that is tried on demand."""

    def __init__(self, kube: Kube, kubelet: Kubelet) -> None:
        self._kube, self._kubelet = kube, kubelet
        self._model = LiveModel(kube, kubelet, NAMESPACE)
        self._number = 0

    def prepare(self) -> None:
        """The champion serves, and the bad version was tried once."""
        self._kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._model.behave("2", _BAD)
        self._model.apply("1", rollout={"steps": _STEPS})
        eventually(lambda: self._model.champion == "1", what="the first champion", timeout=300)
        self._model.apply("2", rollout={"steps": _STEPS})
        eventually(lambda: "2" in self._model.rejected, what="the first rejection", timeout=300)

    def seconds(self) -> float:
        """From the first failed answer of the bad version to the write that takes the traffic from it."""
        settled = self._selector()
        revision = next(revision for revision, version in self._model.records().items() if version == "2")
        eventually(self._is_emptied, what="the slot to be emptied", timeout=300)
        self._number += 1
        self._model.annotate("retry", f"{revision}#{_token(self._number)}")
        eventually(
            lambda: self._kubelet.errors(NAMESPACE) > 0, what="the first failed answer", timeout=300, every=0.005
        )
        began = time.monotonic()
        eventually(lambda: self._selector() == settled, what="the revert", timeout=60, every=0.005)
        return time.monotonic() - began

    def _selector(self) -> dict[str, str]:
        service = self._kube.get("v1", "Service", "churn", NAMESPACE) or {}
        found: dict[str, str] = service["spec"]["selector"]
        return found

    def _is_emptied(self) -> bool:
        return len(self._kube.list("v1", "Pod", NAMESPACE)) == 1 and self._kubelet.errors(NAMESPACE) == 0


def _token(number: int) -> str:
    return hashlib.sha256(f"{number}-{time.time()}".encode()).hexdigest()[:8]
