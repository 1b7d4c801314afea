"""Judges models between their passes, as samples come in: a breach is found with the answer that decides it.

What is found is no decision. The model is woken, and its pass reads all pods anew, the champion's as well, before it
decides. So a sample that comes early, or a pod that sends what is not true, costs a pass and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from viridian.api.samples import PodSample
from viridian.controller.followed_pods import FollowedPods
from viridian.controller.keys import Key
from viridian.controller.samples import Samples
from viridian.ports.answer_streams import AnswerStreams
from viridian.rollout.analysis.selection import streamed
from viridian.rollout.input import RolloutInput
from viridian.rollout.policies.breaches import would_revert

APART_SECONDS: Final = 0.05
"""Between two judgements of a model."""
APART_AFTER_BREACH_SECONDS: Final = 0.25
"""The same after one that has woken the model: what its pass found may speak against a way back."""
_MOST_OF_A_CORE: Final = 0.1
"""Of a core, for judgements of one model between its passes."""


@dataclass(slots=True)
class _Judged:
    """A model that is judged: what its latest pass has read, and when the next judgement may be."""

    inputs: RolloutInput
    next_at: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Arrivals:
    """One for all models. `wake(key)` is called for those whose traffic should be taken back."""

    def __init__(
        self,
        streams: AnswerStreams,
        samples: Samples,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
    ) -> None:
        self.pods = FollowedPods(streams, self._took)
        self._samples = samples
        self._clock = clock
        self._wake = wake
        self._judged: dict[Key, _Judged] = {}

    def observed(self, key: Key, inputs: RolloutInput, now: datetime) -> None:
        """A pass has read this: from now on the pods that are judged by it are followed."""
        followed = streamed(inputs, now)
        self.pods.follow(key, followed.targets, followed.slow_seconds)
        if not followed.targets:
            self._drop(key)
        elif key in self._judged:
            self._judged[key].inputs = inputs
        else:
            self._judged[key] = _Judged(inputs)

    def forget(self, key: Key) -> None:
        """The model is gone, or nobody judges it here."""
        self.pods.forget(key)
        self._drop(key)

    def close(self) -> None:
        """This operator does not lead any more."""
        self.pods.close()
        for key in list(self._judged):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        judged = self._judged.pop(key, None)
        if judged is not None and judged.timer is not None:
            judged.timer.cancel()

    def _took(self, key: Key, sample: PodSample) -> None:
        judged = self._judged.get(key)
        if judged is None or not self._samples.add(key, sample) or judged.timer is not None:
            return
        loop = asyncio.get_running_loop()
        judged.timer = loop.call_at(max(loop.time(), judged.next_at), self._judge, key, judged)

    def _judge(self, key: Key, judged: _Judged) -> None:
        loop = asyncio.get_running_loop()
        began, judged.timer = loop.time(), None
        reverts = would_revert(replace(judged.inputs, readings=self._samples.known(key)), self._clock())
        if reverts:
            self._samples.read_again(key)
            self._wake(key)
        apart = APART_AFTER_BREACH_SECONDS if reverts else APART_SECONDS
        judged.next_at = began + max(apart, (loop.time() - began) / _MOST_OF_A_CORE)
