"""The judge of a challenger: from what its pods answered to one of four verdicts, each with its numbers and a sentence.

A bound is only breached when the samples speak against it clearly enough (`viridian.judgement.evidence`): one error
among twenty answers is no proof of an error rate above 1 %, four are. So a broken model is found within a handful of
answers, and noise sends nobody home.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from viridian.judgement.counts import Counts
from viridian.judgement.evidence import against_share, log_against_share

ERROR_RATE = "error-rate"
SUCCESS_RATE = "success-rate"
LATENCIES = {"latency-p50": 0.50, "latency-p90": 0.90, "latency-p95": 0.95, "latency-p99": 0.99}


class CanaryVerdict(StrEnum):
    PASS = "Pass"  # noqa: S105 - the word of the API, no password
    BREACH = "Breach"
    NO_DATA = "NoData"
    PROVIDER_ERROR = "ProviderError"


@dataclass(frozen=True, slots=True)
class Bound:
    """One metric that must keep its bound: `limit` is a maximum, except for success-rate, where it is a minimum."""

    name: str
    limit: float
    min_samples: int
    consecutive: int = 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of one metric."""

    name: str
    verdict: CanaryVerdict
    message: str
    value: float | None = None
    samples: int = 0
    evidence: float | None = None


def judge(bound: Bound, looks: Sequence[Counts], *, evidence_needed: float) -> Judgement:
    """Judge one metric on the challenger's answers in the window as it is now, as it was one look earlier, and so on.

    The bound is breached when the newest `consecutive` looks all breach it; what came before does not count.
    """
    bad, total, allowed, value = _as_share(bound, looks[0])
    samples = math.floor(total)
    if samples < bound.min_samples or value is None:
        return Judgement(
            bound.name,
            CanaryVerdict.NO_DATA,
            f"{bound.name}: {samples} of the {bound.min_samples} samples that are needed",
            value=value,
            samples=samples,
        )
    streak = len(list(takewhile(lambda counts: _breaches(bound, counts, evidence_needed), looks[: bound.consecutive])))
    evidence = min(against_share(bad, total, allowed), 1e9)
    sentence = _sentence(bound, value, samples, streak)
    if streak == 0 and bad > allowed * total:
        sentence = (
            f"{_beyond(bound, value, samples)}, but that may be chance (evidence {evidence:.3g} of {evidence_needed:g})"
        )
    return Judgement(
        bound.name,
        CanaryVerdict.BREACH if streak >= bound.consecutive else CanaryVerdict.PASS,
        sentence,
        value=value,
        samples=samples,
        evidence=evidence,
    )


def judge_values(bound: Bound, values: Sequence[float], samples: int) -> Judgement:
    """Judge one metric on values that its source has computed, newest first. Chance is the source's business here.

    The bound is breached when the newest `consecutive` values are all beyond it.
    """
    if not values or samples < bound.min_samples:
        message = f"{bound.name}: {samples} of the {bound.min_samples} samples that are needed"
        return Judgement(bound.name, CanaryVerdict.NO_DATA, message, value=next(iter(values), None), samples=samples)
    streak = len(list(takewhile(lambda value: _is_beyond(bound, value), values[: bound.consecutive])))
    verdict = CanaryVerdict.BREACH if streak >= bound.consecutive else CanaryVerdict.PASS
    message = _sentence(bound, values[0], samples, streak)
    return Judgement(bound.name, verdict, message, value=values[0], samples=samples)


def _is_beyond(bound: Bound, value: float) -> bool:
    return value < bound.limit if bound.name == SUCCESS_RATE else value > bound.limit


def has_bad(bound: Bound, counts: Counts) -> bool:
    """Whether any answer was of the kind that the metric bounds."""
    return _as_share(bound, counts)[0] > 0


def strength(bound: Bound, counts: Counts) -> float:
    """The logarithm of the evidence against the bound, for finding out from when on the answers were bad."""
    bad, total, allowed, _ = _as_share(bound, counts)
    return log_against_share(bad, total, allowed)


def _breaches(bound: Bound, counts: Counts, evidence_needed: float) -> bool:
    bad, total, allowed, _ = _as_share(bound, counts)
    return total >= bound.min_samples and against_share(bad, total, allowed) >= evidence_needed


def unreadable(bound: Bound, why: str) -> Judgement:
    """The judgement where the metrics source did not answer: neither health nor breach."""
    return Judgement(bound.name, CanaryVerdict.PROVIDER_ERROR, f"{bound.name}: {why}")


def overall(judgements: Sequence[Judgement]) -> CanaryVerdict:
    """One verdict for all metrics: a breach outweighs everything, blindness outweighs health."""
    return _first(
        (judgement.verdict for judgement in judgements),
        CanaryVerdict.BREACH,
        CanaryVerdict.PROVIDER_ERROR,
        CanaryVerdict.NO_DATA,
    )


def _first(verdicts: Iterable[CanaryVerdict], *order: CanaryVerdict) -> CanaryVerdict:
    present = set(verdicts)
    return next((verdict for verdict in order if verdict in present), CanaryVerdict.PASS)


def _as_share(bound: Bound, counts: Counts) -> tuple[float, float, float, float | None]:
    """(bad answers, all answers, allowed share of bad ones, the metric's own value).

    A quantile is a share as well: "p95 is at most 250 ms" says that at most 5 % of the answers take longer.
    """
    if bound.name in LATENCIES:
        share = LATENCIES[bound.name]
        return counts.slower_than(bound.limit), counts.timed, 1 - share, counts.quantile(share)
    rate = counts.errors / counts.requests if counts.requests > 0 else None
    if bound.name == SUCCESS_RATE:
        return counts.errors, counts.requests, 1 - bound.limit, None if rate is None else 1 - rate
    return counts.errors, counts.requests, bound.limit, rate


def _sentence(bound: Bound, value: float, samples: int, streak: int) -> str:
    if streak == 0:
        inside = "keeps the minimum" if bound.name == SUCCESS_RATE else "keeps the maximum"
        return f"{_measured(bound, value, samples)} {inside} {_shown(bound.name, bound.limit)}"
    beyond = _beyond(bound, value, samples)
    return beyond if streak >= bound.consecutive else f"{beyond}, look {streak} of {bound.consecutive}"


def _beyond(bound: Bound, value: float, samples: int) -> str:
    side = "below the minimum" if bound.name == SUCCESS_RATE else "above the maximum"
    return f"{_measured(bound, value, samples)} is {side} {_shown(bound.name, bound.limit)}"


def _measured(bound: Bound, value: float, samples: int) -> str:
    return f"{bound.name} {_shown(bound.name, value)} over {samples} requests"


def _shown(name: str, value: float) -> str:
    return f"{value * 1000:.0f} ms" if name in LATENCIES else f"{value * 100:.3g} %"
