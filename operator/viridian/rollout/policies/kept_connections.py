"""Clients that keep a connection stay with its pod whatever the weight is: when the pods ask them to connect anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from viridian.api import durations
from viridian.api.samples import Idle, PodTarget
from viridian.core.times import has_come_round
from viridian.rollout.analysis.pod_readings import readings_of
from viridian.rollout.analysis.pods import counting
from viridian.rollout.analysis.source import Look
from viridian.rollout.decision import Close, RolloutDecision
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.exposure import Exposure

_SHUFFLE_SECONDS: Final = 2
"""As long as proxies may take to hear of the new split."""
_LOOK_AGAIN_AFTER: Final = timedelta(seconds=10)
"""How often the split of the requests is compared with that of the pods."""
_FAR_MORE: Final = 3
"""A pod of the challenger that answers so many times as much as one of the champion has more clients than it should."""


def shuffle(state: RolloutState, weight: int) -> Close:
    """Clients that hold on to a connection would never meet the challenger, so all of them connect anew.

    On both sides: if only the champion let go, everyone would end up with the challenger. And not for long: each time
    round a slow challenger keeps those who came to it.
    """
    champion = state.serving.champion
    if weight >= 100:
        return Close((champion,), Idle.KEEP)
    return Close((champion, champion.other), Idle.KEEP, seconds=_SHUFFLE_SECONDS)


def shuffled_again(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, which closes connections once more where clients are not spread over the pods.

    Some proxies take longer than the first time to hear of the new split, and some pods get the order later than others
    or not at all. Those that let go last lose all their clients to the others.
    """
    trial, held = state.trial, decision.traffic is not None and decision.traffic.trial is not None
    if decision.close is not None or decision.change is not None or not held or trial.since is None:
        return decision
    if not state.inputs.provider.keeps_connections or not 0 < trial.weight < 100 or not _is_readable(state):
        return decision
    lasted, interval = state.now - trial.since, durations.parse(state.spec.rollout.analysis.interval)
    if not has_come_round(lasted, interval, _LOOK_AGAIN_AFTER) or _is_spread(state):
        return decision
    return replace(decision, close=shuffle(state, trial.weight))


def _is_spread(state: RolloutState) -> bool:
    """Whether users who ask meet the challenger, and not far more of them than its pods are to have.

    That it has few is no reason: a slow one answers less, and would keep yet more of those who connect anew.
    """
    look = state.look
    if look is None:
        return True
    challenger = _answered_by_a_pod(look, look.subject.pods, look.subject.exposure) or 0.0
    champion = _answered_by_a_champion(look)
    return challenger > 0 if champion is None else champion == challenger == 0 or 0 < challenger <= _FAR_MORE * champion


def _answered_by_a_champion(look: Look) -> float | None:
    champion = look.subject.champion
    return _answered_by_a_pod(look, champion.pods, champion.exposure) if champion is not None else None


def _answered_by_a_pod(look: Look, pods: Sequence[PodTarget], exposure: Exposure | None) -> float | None:
    """Requests that one of these pods has answered lately, on average; None where that cannot be read."""
    readings = readings_of(look, pods, exposure)
    since = look.now - max(_LOOK_AGAIN_AFTER, look.interval)
    return None if readings.blind else readings.between(since, look.now).requests / len(pods)


def _is_readable(state: RolloutState) -> bool:
    """Whether it is known of every pod of the challenger whom it has answered."""
    pods = counting(state.inputs, state.other_slot)
    return bool(pods) and all(pod.reading is not None for pod in pods)
