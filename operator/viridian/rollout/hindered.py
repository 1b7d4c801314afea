"""While the API server does not take the live Service, no traffic is moved: what is done instead.

A revert that cannot be written is tried again with every look. Where users meet champion and challenger by the number
of ready pods, the challenger's pods are taken away instead: its Deployment is emptied, and in the same write it is
noted why. The champion must be serving, or users would be left without an answer. Where all of the traffic is the
challenger's, by weight 100 or after its promotion, nothing but the Service can give it back.
"""

from __future__ import annotations

from dataclasses import replace

from viridian.api import reasons
from viridian.core.obstacles import Obstacle
from viridian.rollout import traffic as records
from viridian.rollout.move import Move
from viridian.rollout.situation import RolloutState, first_slot
from viridian.rollout.traffic import Reverted, Traffic


def hindered(situation: RolloutState, move: Move) -> Move | None:
    """What to do in place of a move whose Service is not taken; None where nothing hinders it."""
    if _obstacle(situation) is None or move.traffic is None or move.traffic == situation.traffic:
        return None
    if situation.traffic is None:
        return _unborn(situation, move, move.traffic)
    lost = _can_be_emptied(situation, situation.traffic, move.traffic)
    if lost is not None:
        told = move.events if situation.emptied is None else ()
        candidate = lost.revision
        return replace(move, traffic=situation.traffic, candidate=candidate, close=None, events=told, starved=lost)
    trial = situation.traffic.trial
    return replace(
        move,
        traffic=situation.traffic,
        waiting_for=_waiting(situation, move),
        candidate=trial.revision if trial is not None else move.candidate,
        close=None,
        events=(),
    )


def since_first_seen(situation: RolloutState, move: Move) -> Move:
    """The move, with the beginning of the breach as it was when the Service was refused before: windows forget."""
    obstacle, traffic = _obstacle(situation), move.traffic
    lost = traffic.reverted if traffic is not None else None
    if obstacle is None or obstacle.wanted is None or traffic is None or lost is None:
        return move
    before = records.parse(obstacle.wanted)
    known = before.reverted if before is not None else None
    if known is None or known.revision != lost.revision or not known.breach_at:
        return move
    earlier = min(known.breach_at, lost.breach_at or known.breach_at)
    return replace(move, traffic=replace(traffic, reverted=replace(lost, breach_at=earlier)))


def _obstacle(situation: RolloutState) -> Obstacle | None:
    return situation.snapshot.obstacles.get(("Service", situation.snapshot.name))


def _unborn(situation: RolloutState, move: Move, wanted: Traffic) -> Move:
    """There is no live Service yet, or none any more: what is deployed stays."""
    candidate = wanted.revision if wanted.champion is first_slot(situation) else None
    return Move(None, reasons.FIRST_DEPLOYMENT, _waiting(situation, move), candidate)


def _can_be_emptied(situation: RolloutState, actual: Traffic, wanted: Traffic) -> Reverted | None:
    """Why the challenger is to lose its pods, where that gives all users to a champion that serves."""
    trial, lost, champion = actual.trial, wanted.reverted, situation.slot(actual.champion)
    if trial is None or lost is None or wanted.trial is not None or lost.revision != trial.revision:
        return None
    shared = actual.champion in actual.receiving and actual.champion.other in actual.receiving
    return lost if shared and champion is not None and champion.serves else None


def _waiting(situation: RolloutState, move: Move) -> str:
    then = f"; then {move.waiting_for}" if move.waiting_for else ""
    return f"the Service {situation.snapshot.name} to be written{then}"
