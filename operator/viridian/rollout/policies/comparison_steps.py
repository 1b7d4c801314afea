"""The comparison of challenger and champion from one weight step to the next."""

from __future__ import annotations

from collections.abc import Mapping

from viridian.judgement.split_test import SlotTallies
from viridian.rollout.analysis.judged import MOST_COMPARED
from viridian.rollout.analysis.pods import counting
from viridian.rollout.analysis.selection import SOURCES
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.compared import ComparedTrial


def comparison_in_new_step(state: RolloutState, weight: int) -> ComparedTrial | None:
    """What the two are compared from, where a step with this weight begins now; None where only one of them serves."""
    if not state.spec.rollout.analysis.metrics or weight >= 100:
        return None
    pods = sorted(counting(state.inputs, state.serving.champion), key=lambda pod: pod.uid)
    champion = exposures.begun(pods, state.now, most=MOST_COMPARED)
    if state.trial.weight == 0:
        return ComparedTrial(champion)
    challenger = exposures.begun(counting(state.inputs, state.other_slot), state.now)
    return ComparedTrial(champion, challenger, _steps_so_far(state))


def _steps_so_far(state: RolloutState) -> Mapping[str, tuple[SlotTallies, ...]]:
    """The steps before, and the one that ends now; without the latter where the champion cannot be read."""
    look, compared = state.look, state.trial.compared
    if look is None or compared is None:
        return {}
    steps = dict(compared.earlier)
    for metric in look.analysis.metrics:
        beside = SOURCES.beside_champion(metric, look)
        if beside is not None:
            answered = [step for step in beside.concurrent.steps if step.challenger.total > 0]
            steps[metric.name] = tuple(answered)
    return steps
