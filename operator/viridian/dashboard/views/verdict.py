"""A verdict of the judge: its figures beside their bound, and its evidence beside what the evidence must reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from viridian.api.canary_metric import Metric
from viridian.api.modeldeployment import Analysis
from viridian.api.modeldeployment_status import MetricStatus
from viridian.core.lookup import dig
from viridian.dashboard.views.moments import number
from viridian.judgement.canary import SUCCESS_RATE, CanaryVerdict
from viridian.rollout.analysis.judging import evidence_needed
from viridian.rollout.analysis.metric_bounds import value_bound

_SYMBOLS: Final[Mapping[str, tuple[str, str]]] = {
    CanaryVerdict.PASS: ("✓", "good"),
    CanaryVerdict.BREACH: ("✕", "bad"),
}
_BLIND: Final = ("?", "neutral")
_EDGE: Final = 14.0
"""Percent of a picture on both sides that no figure reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceBar:
    """Evidence beside what counts."""

    found: str
    needed: str
    percent: float
    """How far it has come, on a logarithmic scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPicture:
    """The figures of the last look on one line; positions are in percent of the picture."""

    text: str
    value: float
    champion: float | None
    breaches: Sequence[tuple[float, float]]
    """Where a value breaks the bound: beginning and width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One metric of the challenger."""

    name: str
    verdict: str
    symbol: str
    kind: str
    value: str
    champion: str
    bound: str
    picture: BoundPicture | None
    """None without a value, or without a bound."""
    samples: int
    breach: EvidenceBar | None
    """None without evidence, or where the spec does not say any more what is needed."""
    no_worse: EvidenceBar | None
    """That the challenger is no worse than the champion, where that is asked for."""
    message: str


def verdicts(spec: Mapping[str, Any], metrics: tuple[MetricStatus, ...]) -> Iterator[Verdict]:
    """In the order of the status."""
    analysis = _analysis(spec)
    needed, bounds = evidence_needed(analysis), {one.name: one for one in analysis.metrics}
    for metric in metrics:
        symbol, kind = _SYMBOLS.get(metric.verdict, _BLIND)
        bound = bounds.get(metric.name)
        yield Verdict(
            name=metric.name,
            verdict=metric.verdict,
            symbol=symbol,
            kind=kind,
            value=number(metric.value),
            champion=number(metric.champion),
            bound=_words(bound) if bound is not None else "–",
            picture=_picture(bound, metric) if bound is not None else None,
            samples=metric.samples,
            breach=_bar(metric.evidence, needed.get(metric.name)),
            no_worse=_bar(metric.no_worse, analysis.judge.promote_evidence),
            message=metric.message,
        )


def _analysis(spec: Mapping[str, Any]) -> Analysis:
    """What is asked; the usual, without any bound, where the spec is of another release."""
    try:
        return msgspec.convert(dig(spec, "rollout", "analysis") or {}, Analysis)
    except msgspec.ValidationError:
        return Analysis()


def _words(metric: Metric) -> str:
    parts = [
        f"{word} {number(value)}"
        for word, value in (("at most", metric.max), ("at least", metric.min))
        if value is not None
    ]
    if (margin := metric.worse_than_champion_by) is not None:
        amount = f"{margin.relative:.3g} of it" if margin.relative is not None else number(margin.absolute)
        parts.append(f"{'champion −' if _higher_is_better(metric) else 'champion +'} {amount}")
    return ", ".join(parts) or "–"


def _picture(metric: Metric, found: MetricStatus) -> BoundPicture | None:
    lowest, highest = _limits(metric, found.champion)
    figures = [one for one in (found.value, found.champion, lowest, highest) if one is not None and math.isfinite(one)]
    if found.value is None or (lowest is None and highest is None) or len(figures) < 2:
        return None
    left, span = min(figures), max(figures) - min(figures)

    def at(figure: float) -> float:
        part = (figure - left) / span if span else 0.5
        return round(_EDGE + part * (100 - 2 * _EDGE), 2)

    beyond = [(0.0, at(lowest))] if lowest is not None else []
    beyond += [(at(highest), round(100 - at(highest), 2))] if highest is not None else []
    beside = f", champion {number(found.champion)}" if found.champion is not None else ""
    return BoundPicture(
        text=f"challenger {number(found.value)}{beside}, bound {_words(metric)}",
        value=at(found.value),
        champion=at(found.champion) if found.champion is not None else None,
        breaches=beyond,
    )


def _limits(metric: Metric, champion: float | None) -> tuple[float | None, float | None]:
    """The lowest and the highest value that break nothing, with the margin on the side that is worse."""
    lowest, highest, margin = metric.min, metric.max, metric.worse_than_champion_by
    if margin is None or champion is None:
        return lowest, highest
    allowed = (margin.relative or 0.0) * abs(champion) + (margin.absolute or 0.0)
    if _higher_is_better(metric):
        worst = champion - allowed
        return (worst if lowest is None else max(lowest, worst)), highest
    worst = champion + allowed
    return lowest, (worst if highest is None else min(highest, worst))


def _higher_is_better(metric: Metric) -> bool:
    if metric.query is None and metric.performance is None:
        return metric.name == SUCCESS_RATE
    return value_bound(metric).higher_is_better


def _bar(evidence: float | None, needed: float | None) -> EvidenceBar | None:
    """1 is no evidence at all, and evidence multiplies: so its logarithm is what grows steadily."""
    if evidence is None or math.isnan(evidence) or not needed:
        return None
    if evidence <= 1 or needed <= 1:
        percent = 100.0 if evidence >= needed else 0.0
    else:
        percent = round(min(100.0, 100 * math.log(evidence) / math.log(needed)), 1)
    return EvidenceBar(found=number(evidence), needed=number(needed), percent=percent)
