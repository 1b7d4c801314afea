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
from typing import Protocol

from viridian.judgement.counts import Counts
from viridian.judgement.detector import Detected, Memory, Tally, detect
from viridian.judgement.evidence import log_against_share

ERROR_RATE = "error-rate"
SUCCESS_RATE = "success-rate"
LATENCIES = {"latency-p50": 0.50, "latency-p90": 0.90, "latency-p95": 0.95, "latency-p99": 0.99}
OPEN = {ERROR_RATE: 1.0, SUCCESS_RATE: 0.0, **dict.fromkeys(LATENCIES, math.inf)}
"""The limits that every answer keeps."""
MOST_EVIDENCE = 1e9
"""More is not shown: JSON has no infinity."""


class CanaryVerdict(StrEnum):
    PASS = "Pass"  # noqa: S105 - the word of the API, no password
    BREACH = "Breach"
    NO_DATA = "NoData"
    PROVIDER_ERROR = "ProviderError"


class Named(Protocol):
    """A metric, whatever it is bounded by."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """One metric that must keep its bound: `limit` is a maximum, except for success-rate, where it is a minimum."""

    name: str
    limit: float
    min_samples: int
    consecutive: int = 1
    beyond: float | None = None
    """Of a latency: the part of the answers in the bucket of the limit that are slower. None: it is interpolated."""

    @property
    def is_open(self) -> bool:
        """Whether no value breaks it: the metric is only compared with the champion."""
        return self.limit == OPEN[self.name]

    @property
    def allowed(self) -> float:
        """The share of bad answers that keeps the bound."""
        if self.name in LATENCIES:
            return 1 - LATENCIES[self.name]
        return 1 - self.limit if self.name == SUCCESS_RATE else self.limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of one metric."""

    name: str
    verdict: CanaryVerdict
    message: str
    value: float | None = None
    samples: int = 0
    evidence: float | None = None
    past: bool = False
    """What was counted since before the present window breaks the bound, while the window keeps it."""
    champion: float | None = None
    """The champion's value in the same window, where the two are compared."""
    champion_too: bool = False
    """The champion breaks the bound as well, and nothing shows that the challenger is worse."""
    no_worse: float | None = None
    """The evidence that the challenger is not worse than the champion by the margin; None where there is no margin."""
    beyond: bool = False
    """The value is beyond the bound, and it may be chance: no breach, and no reason to go further either."""
    guard_rail: bool = False
    """Only its breach counts: nothing waits for its samples or its evidence."""
    silent: bool = False
    """The source answered that it has no figure."""

    @property
    def blind(self) -> bool:
        """Whether it is neither health nor a breach."""
        return self.verdict in (CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR)


def judge(
    bound: Bound, looks: Sequence[Counts], *, evidence_needed: float, memories: Sequence[Memory] = ()
) -> Judgement:
    """Judge one metric on the challenger's answers in the window as it is now, as it was one look earlier, and so on.

    `memories` has what is known of the whole trial at each of these looks; without it the window speaks alone. The
    bound is breached when the newest `consecutive` looks all breach it; what came before does not count.
    """
    counts, value = looks[0], measured(bound.name, looks[0])
    samples = math.floor(tally(bound, counts).total)
    if samples < bound.min_samples or value is None:
        return Judgement(
            bound.name,
            CanaryVerdict.NO_DATA,
            f"{bound.name}: {samples} of the {bound.min_samples} samples that are needed",
            value=value,
            samples=samples,
        )
    evidence = [_detected(bound, looks, memories, number) for number in range(min(bound.consecutive, len(looks)))]
    streak = len(list(takewhile(lambda found: found.log_evidence >= math.log(evidence_needed), evidence)))
    shown_evidence = min(exponential(evidence[0].log_evidence), MOST_EVIDENCE)
    before_window = memories[0].trial if evidence[0].by_trial and memories else evidence[0].by_earlier
    past = streak > 0 and before_window is not None and keeps(bound, counts)
    sentence = _sentence(bound, value, samples, streak)
    if past and before_window is not None:
        sentence = _slowly(bound, before_window, whole=evidence[0].by_trial)
    beyond = streak < bound.consecutive and not keeps(bound, counts)
    if streak == 0 and beyond:
        chance = f"evidence {shown_evidence:.3g} of {evidence_needed:g}"
        sentence = f"{_beyond(bound, value, samples)}, but that may be chance ({chance})"
    return Judgement(
        bound.name,
        CanaryVerdict.BREACH if streak >= bound.consecutive else CanaryVerdict.PASS,
        sentence,
        value=value,
        samples=samples,
        evidence=shown_evidence,
        past=past,
        beyond=beyond,
    )


def _detected(bound: Bound, looks: Sequence[Counts], memories: Sequence[Memory], number: int) -> Detected:
    """The evidence against the bound at one look; none where the look has too few samples."""
    seen = tally(bound, looks[number])
    if seen.total < bound.min_samples:
        return Detected(-math.inf, by_trial=False)
    if memories:
        return detect(memories[number], bound.allowed)
    return Detected(log_against_share(seen.bad, seen.total, bound.allowed), by_trial=False)


def has_bad(bound: Bound, counts: Counts) -> bool:
    """Whether any answer was of the kind that the metric bounds."""
    return tally(bound, counts).bad > 0


def strength(bound: Bound, counts: Counts) -> float:
    """The logarithm of the evidence against the bound, for finding out from when on the answers were bad."""
    seen = tally(bound, counts)
    return log_against_share(seen.bad, seen.total, bound.allowed)


def unreadable(metric: Named, why: str) -> Judgement:
    """The judgement where the metrics source did not answer: neither health nor breach."""
    return Judgement(metric.name, CanaryVerdict.PROVIDER_ERROR, f"{metric.name}: {why}")


def without_figure(metric: Named, why: str) -> Judgement:
    """The judgement where the source answered that it has no figure: neither health nor breach."""
    return Judgement(metric.name, CanaryVerdict.NO_DATA, f"{metric.name}: {why}", silent=True)


def overall(judgements: Sequence[Judgement]) -> CanaryVerdict:
    """One verdict for all metrics: a breach outweighs everything, blindness outweighs health, but for guard rails."""
    return _first(
        (judgement.verdict for judgement in judgements if not (judgement.guard_rail and judgement.blind)),
        CanaryVerdict.BREACH,
        CanaryVerdict.PROVIDER_ERROR,
        CanaryVerdict.NO_DATA,
    )


def _first(verdicts: Iterable[CanaryVerdict], *order: CanaryVerdict) -> CanaryVerdict:
    present = set(verdicts)
    return next((verdict for verdict in order if verdict in present), CanaryVerdict.PASS)


def tally(bound: Bound, counts: Counts) -> Tally:
    """The answers that the bound is about, and those of them that are bad.

    A quantile is a share as well: "p95 is at most 250 ms" says that at most 5 % of the answers take longer.
    """
    if bound.name in LATENCIES:
        return Tally(counts.slower_than(bound.limit, bound.beyond), counts.timed)
    return Tally(counts.errors, counts.requests)


def keeps(bound: Bound, counts: Counts) -> bool:
    """Whether the share of bad answers is within the bound, whatever chance has to do with it."""
    seen = tally(bound, counts)
    return seen.bad <= bound.allowed * seen.total


def measured(name: str, counts: Counts) -> float | None:
    """The metric's own value; None without answers."""
    if name in LATENCIES:
        return counts.quantile(LATENCIES[name])
    rate = counts.errors / counts.requests if counts.requests > 0 else None
    return 1 - rate if name == SUCCESS_RATE and rate is not None else rate


def exponential(log: float) -> float:
    """The evidence whose logarithm this is."""
    return math.exp(log) if log < 700 else math.inf


def _sentence(bound: Bound, value: float, samples: int, streak: int) -> str:
    if bound.is_open:
        return _measured(bound, value, samples)
    if streak == 0:
        inside = "keeps the minimum" if bound.name == SUCCESS_RATE else "keeps the maximum"
        return f"{_measured(bound, value, samples)} {inside} {shown(bound.name, bound.limit)}"
    beyond = _beyond(bound, value, samples)
    return beyond if streak >= bound.consecutive else f"{beyond}, look {streak} of {bound.consecutive}"


def _beyond(bound: Bound, value: float, samples: int) -> str:
    side = "below the minimum" if bound.name == SUCCESS_RATE else "above the maximum"
    return f"{_measured(bound, value, samples)} is {side} {shown(bound.name, bound.limit)}"


def _slowly(bound: Bound, counted: Tally, *, whole: bool) -> str:
    """What the whole trial shows where the window does not, or what a long part of it does."""
    what = f"answers slower than {shown(bound.name, bound.limit)}" if bound.name in LATENCIES else "errors"
    share, allowed = 100 * counted.bad / counted.total, 100 * bound.allowed
    requests = math.floor(counted.total)
    over = f"over {requests} requests of the whole trial" if whole else f"over the last {requests} requests"
    return f"{bound.name}: {share:.3g} % {what} {over}, above the {allowed:.3g} % that the bound allows"


def _measured(bound: Bound, value: float, samples: int) -> str:
    return f"{bound.name} {shown(bound.name, value)} over {samples} requests"


def shown(name: str, value: float) -> str:
    """A value of a metric, for people."""
    if name not in OPEN:
        return f"{value:.4g}"
    return f"{value * 1000:.0f} ms" if name in LATENCIES else f"{value * 100:.3g} %"
