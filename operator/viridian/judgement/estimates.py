"""The judgement of a metric that is known with a standard error: of rows whose outcomes came in one after the other.

Evidence is the one-sided mixture of a normal test: with d the harm that was measured (how far the metric is beyond what
is allowed), v its variance, and effects that are half-normal with scale tau,

    e = 2 sqrt(v / (v + tau^2)) exp(tau^2 d^2 / (2 v (v + tau^2))) Phi(d tau / sqrt(v (v + tau^2)))

It may be looked at after any row: the chance that it reaches n while the metric keeps its bound is at most 1/n, as far
as the metric's error is normal. Source: Robbins, "Statistical methods related to the law of the iterated logarithm",
1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from viridian.judgement.canary import MOST_EVIDENCE, CanaryVerdict, Judgement, exponential
from viridian.judgement.figures import EffectSize
from viridian.judgement.metrics import Measured
from viridian.judgement.values import ValueBound, side_of

_EFFECT: Final = 0.2
"""The scale of effects, in standard deviations of one row."""
LEAST_ROWS: Final = 100
"""Rows from which the error of a metric is taken for normal."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """A metric of the rows with an outcome, of the challenger and of the champion beside it."""

    known: int
    """Rows of the challenger with a mature outcome."""
    challenger: Measured | None
    champion: Measured | None = None
    compared: bool = False
    """Whether there is a champion to compare with."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the predictions of the challenger are from the champion's; None where one of them is not known."""

    samples: int
    distance: EffectSize | None


def judge_estimates(bound: ValueBound, known: Estimates, *, evidence_needed: float) -> Judgement:
    """Judge one metric: against its bound, and beside the champion where there is a margin."""
    ours, theirs = known.challenger, known.champion
    missing = _missing(bound, known)
    if ours is None or missing:
        return Judgement(bound.name, CanaryVerdict.NO_DATA, f"{bound.name}: {missing}", samples=known.known)
    compared = bound.margin is not None and known.compared
    if theirs is not None and not theirs.reliable:
        theirs = None
    beyond = log_beyond(bound, ours)
    worse = _log_worse(bound, ours, theirs) if compared and theirs is not None else -math.inf
    no_worse = _log_no_worse(bound, ours, theirs) if compared and theirs is not None else 0.0
    needed = math.log(evidence_needed)
    breaks, is_worse = beyond >= needed, worse >= needed
    sentence = _sentence(bound, ours, theirs, breaks=breaks, is_worse=is_worse)
    return Judgement(
        bound.name,
        CanaryVerdict.BREACH if breaks or is_worse else CanaryVerdict.PASS,
        f"{bound.name} {ours.value:.4g} over {known.known} rows {sentence}",
        value=ours.value,
        samples=known.known,
        evidence=min(exponential(max(beyond, worse)), MOST_EVIDENCE),
        champion=theirs.value if theirs is not None else None,
        champion_too=breaks and not is_worse and theirs is not None and bound.is_beyond(theirs.value),
        no_worse=min(exponential(no_worse), MOST_EVIDENCE) if compared else None,
        beyond=bound.is_beyond(ours.value) and not breaks and not is_worse,
    )


def _missing(bound: ValueBound, known: Estimates) -> str:
    """Why the metric cannot be judged yet; empty where it can be."""
    needed = max(bound.min_samples, LEAST_ROWS)
    if known.challenger is None or known.known < needed:
        return f"{known.known} of the {needed} rows with an outcome that are needed"
    return "" if known.challenger.reliable else "too few rows of one kind, such as positive ones, have an outcome"


def judge_shift(bound: ValueBound, known: Shift) -> Judgement:
    """Judge the distance of two distributions: a breach is one whose lower bound is above the maximum."""
    distance = known.distance
    if distance is None or known.samples < bound.min_samples:
        message = f"{bound.name}: {known.samples} of the {bound.min_samples} predictions that are needed"
        return Judgement(bound.name, CanaryVerdict.NO_DATA, message, samples=known.samples)
    most = bound.max if bound.max is not None else 1.0
    broken = distance.bound > most
    relation = "is above the maximum" if broken else "is not proved to be above"
    return Judgement(
        bound.name,
        CanaryVerdict.BREACH if broken else CanaryVerdict.PASS,
        f"{bound.name} {distance.value:.3g} (at least {distance.bound:.3g}) {relation} {most:.3g}",
        value=distance.value,
        samples=known.samples,
    )


def log_beyond(bound: ValueBound, measured: Measured) -> float:
    """The logarithm of the evidence that the metric is beyond `min` or `max`."""
    harms = [measured.value - bound.max] if bound.max is not None else []
    harms += [bound.min - measured.value] if bound.min is not None else []
    return max((_log_harm(harm, measured.error**2, measured) for harm in harms), default=-math.inf)


def _log_worse(bound: ValueBound, ours: Measured, theirs: Measured) -> float:
    """That the challenger is worse than the champion by more than the margin."""
    return _log_harm(_beyond_the_margin(bound, ours, theirs), _variance(bound, ours, theirs), ours)


def _log_no_worse(bound: ValueBound, ours: Measured, theirs: Measured) -> float:
    """That it is not."""
    return _log_harm(-_beyond_the_margin(bound, ours, theirs), _variance(bound, ours, theirs), ours)


def _beyond_the_margin(bound: ValueBound, ours: Measured, theirs: Measured) -> float:
    worse_by = theirs.value - ours.value if bound.higher_is_better else ours.value - theirs.value
    margin = bound.margin
    allowed = margin.relative * abs(theirs.value) + margin.absolute if margin is not None else 0.0
    return worse_by - allowed


def _variance(bound: ValueBound, ours: Measured, theirs: Measured) -> float:
    scale = 1 + bound.margin.relative if bound.margin is not None else 1.0
    return ours.error**2 + (scale * theirs.error) ** 2


def _log_harm(harm: float, variance: float, measured: Measured) -> float:
    scale = _EFFECT * measured.error * math.sqrt(measured.rows)
    if variance <= 0 or scale <= 0:
        return -math.inf
    both = variance + scale**2
    strength = harm * scale / math.sqrt(variance * both)
    return math.log(2) + 0.5 * math.log(variance / both) + strength**2 / 2 + _log_normal_below(strength)


def _log_normal_below(place: float) -> float:
    """The logarithm of the normal distribution function."""
    if place > -30:
        return math.log(math.erfc(-place / math.sqrt(2)) / 2)
    return -(place**2) / 2 - math.log(-place) - math.log(2 * math.pi) / 2


def _sentence(bound: ValueBound, ours: Measured, theirs: Measured | None, *, breaks: bool, is_worse: bool) -> str:
    if breaks:
        return f"is {side_of(bound, ours.value)}"
    if theirs is not None and is_worse:
        return f"is worse than the champion's {theirs.value:.4g} by more than the margin"
    if bound.is_beyond(ours.value):
        return f"is {side_of(bound, ours.value)}, but that may be chance"
    return "is not proved to break its bounds"
