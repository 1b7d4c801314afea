"""Sentences about a snapshot and the move that follows from it, and the worlds that they are about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago_time, answers, promoted, record, revision, slot, snapshot, spec
from viridian.api.names import Slot
from viridian.api.samples import Idle
from viridian.rollout.conditions import needs_a_person
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.events import events_of_change
from viridian.rollout.input import RolloutInput
from viridian.rollout.policies.choose import choose
from viridian.rollout.sentences import sentence
from viridian.rollout.state import read
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.record import Reverted, Traffic, Trial

BLUE, GREEN = Slot.BLUE, Slot.GREEN
V1, V2, V3 = revision("1"), revision("2"), revision("3")
ONE_STEADY = Traffic(BLUE, V1, ago_time(3600))
TWO_STEADY = Traffic(GREEN, V2, ago_time(3600), former=V1)
KNOWN = (record("1", promoted()), record("2"))


def met(seconds_ago: float, *, partial: bool = False, **pods: CounterBaseline) -> Exposure:
    """Users can meet the challenger's pods since then; what these had counted by then, by their uids with `_`."""
    there = {f"green-{number}": CounterBaseline() for number in range(3)}
    return Exposure(ago_time(seconds_ago), {**there, **{k.replace("_", "-"): v for k, v in pods.items()}}, partial)


FIRST_STEP = Trial(V2, weight=25, entered=ago_time(12), since=ago_time(11), exposure=met(11))
ENTERED = Trial(V2, entered=ago_time(5))
TWO_PROBATION = Traffic(GREEN, V2, ago_time(10), former=V1, exposure=met(11))
BOTH_STEPS = ("25%", "50%")
HEALTHY_BEFORE: dict[str, Any] = {"wanted": "2", "known": KNOWN}

TWO_KNOWN = (record("1", promoted(7200)), record("2", promoted()))
# Version 2 in green, version 1 warm in blue.
TWO_WARM: dict[str, Any] = {
    "wanted": "2",
    "traffic": TWO_STEADY,
    "slots": (slot(BLUE, "1", 1), slot(GREEN, "2")),
    "known": TWO_KNOWN,
}


def on_trial(trial: Trial, **more: Any) -> Traffic:
    return replace(ONE_STEADY, trial=trial, **more)


def move_of(shown: RolloutInput) -> RolloutDecision:
    assert shown.spec is not None
    return choose(read(shown, shown.spec, NOW))


def said_of(shown: RolloutInput, move: RolloutDecision) -> str:
    """What is waited for, or else what was changed and why."""
    assert shown.spec is not None
    return sentence(read(shown, shown.spec, NOW), move.wait or move.change)


@dataclass(frozen=True)
class Case:
    sentence: str
    shown: RolloutInput
    reason: str
    waiting: str = ""
    """A part of what is waited for."""
    candidate: str | None = None
    champion: str | None = None
    """Revision of the champion after the move; None: no live Service yet."""
    trial: tuple[int, int] | None = None
    """Step and weight after the move."""
    reverted: str | None = None
    events: tuple[str, ...] = ()
    close: tuple[tuple[Slot, ...], Idle] | None = None
    stalled: str | None = None


def paused(**more: Any) -> Any:
    return spec(rollout={"paused": True, **more})


def with_metrics(**analysis: Any) -> Any:
    return spec(rollout={"analysis": analysis})


def trial_world(
    trial: Trial,
    *,
    blue: int = 3,
    green: int = 1,
    whole: Any = None,
    requests: float = 500,
    errors: float = 0.0,
    **more: Any,
) -> RolloutInput:
    """Version 2 on trial in green beside version 1 in blue, with the pods of the first step."""
    challenger = more.pop("challenger", None) or slot(GREEN, "2", green, of=whole)
    readings = more.pop("readings", None)
    return snapshot(
        of=whole,
        **{
            **HEALTHY_BEFORE,
            "slots": (more.pop("champion", None) or slot(BLUE, "1", blue, of=whole), challenger),
            **more,
        },
        traffic=on_trial(trial),
        readings=answers(challenger, requests, errors) if readings is None else readings,
    )


def probation_world(*, errors: float = 0.0, of: Any = None, **more: Any) -> RolloutInput:
    champion = slot(GREEN, "2", 2)
    parts = {
        "wanted": "2",
        "traffic": TWO_PROBATION,
        "slots": (slot(BLUE, "1", 2), champion),
        "known": (record("1", promoted()), record("2", promoted(10))),
        "readings": answers(champion, 500, errors),
    }
    return snapshot(of=of, **{**parts, **more})


def check(case: Case) -> None:
    """The move that follows from the snapshot is the one that the case names."""
    move = move_of(case.shown)
    traffic = move.traffic
    trial = traffic.trial if traffic else None
    assert (move.reason, move.challenger) == (case.reason, case.candidate)
    assert case.waiting in said_of(case.shown, move)
    assert (traffic.revision if traffic else None) == case.champion
    assert ((trial.step, trial.weight) if trial else None) == case.trial
    new = traffic.reverted if traffic and traffic.reverted != read_reverted(case.shown) else None
    assert (new.revision if new else None) == case.reverted
    assert case.shown.spec is not None
    state = read(case.shown, case.shown.spec, NOW)
    assert tuple(event.reason for event in events_of_change(state, move.change)) == case.events
    assert ((move.close.slots, move.close.idle) if move.close else None) == case.close
    stalled = needs_a_person(state, move)
    assert (stalled[0] if stalled else None) == case.stalled


def read_reverted(shown: RolloutInput) -> Reverted | None:
    return shown.traffic.reverted if shown.traffic else None


def table(*cases: Case) -> pytest.MarkDecorator:
    """One test a case, named by its sentence."""
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.sentence)
