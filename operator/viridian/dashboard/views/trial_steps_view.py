"""The steps of a rollout: those that are behind the challenger, the present one, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.modeldeployment_status import ChallengerStatus
from viridian.core.lookup import dig, entries, text

_USUAL_WEIGHT: Final = 50
_USUAL_LENGTH: Final = "14d"
"""The schema's defaults of an experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStep:
    """A step as people read it."""

    name: str
    what: str
    """Such as `10 % of the traffic, at least 5m and 500 requests`."""
    state: str
    """passed, present or next; planned where no version is on trial."""
    started_at: str = ""


def trial_steps(spec: Mapping[str, Any], challenger: ChallengerStatus | None) -> Iterator[TrialStep]:
    """In their order, with the promotion and the probation at the end."""
    steps = entries(spec, "rollout", "steps")
    step_now = challenger.step if challenger is not None else None
    present = step_now.index if step_now is not None else -1
    promotable = challenger is not None and challenger.promotable is True
    for index, step in enumerate(steps):
        yield TrialStep(
            name=text(step, "name") or f"step {index + 1}",
            what=_what(step),
            state=_state(index, len(steps) if promotable else present, challenger),
            started_at=(challenger.step.started_at or "")
            if challenger and challenger.step and index == present
            else "",
        )
    yield TrialStep(
        name="promotion",
        what="all of the traffic",
        state=_state(len(steps), len(steps) if promotable else present, challenger),
    )
    probation = text(spec, "rollout", "probation") or "5m"
    if probation != "0s":
        state = "planned" if challenger is None else "next"
        yield TrialStep(name="probation", what=f"judged for {probation} more; a breach goes back", state=state)


def _state(index: int, present: int, challenger: ChallengerStatus | None) -> str:
    if challenger is None:
        return "planned"
    if index == present:
        return "present"
    return "passed" if index < present else "next"


def _what(step: Mapping[str, Any]) -> str:
    if dig(step, "approval") is not None:
        return "a person approves"
    if (experiment := dig(step, "experiment")) is not None:
        weight, longest = dig(experiment, "weight") or _USUAL_WEIGHT, text(experiment, "maxDuration") or _USUAL_LENGTH
        return f"an experiment with {weight} % of the traffic at first, for {longest} at most"
    shadow, weight = dig(step, "shadow"), dig(step, "weight")
    what = f"copies of {shadow} % of the requests" if shadow is not None else f"{weight} % of the traffic"
    duration, requests = text(step, "duration"), dig(step, "minRequests")
    least = [duration] if duration not in ("", "0s") else []
    least += [f"{requests} requests"] if requests else []
    return f"{what}, at least {' and '.join(least)}" if least else what
