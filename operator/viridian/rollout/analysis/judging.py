"""One judgement a metric, from whatever evidence its source has."""

from __future__ import annotations

from dataclasses import replace

from viridian.api.modeldeployment import Metric
from viridian.judgement.beside_champion import compared, margin_sentence, shares_its_breach
from viridian.judgement.canary import (
    LATENCIES,
    OPEN,
    SUCCESS_RATE,
    Bound,
    CanaryVerdict,
    Judgement,
    judge,
    judge_values,
    unreadable,
)
from viridian.judgement.split_test import Margin
from viridian.rollout.analysis.source import Counted, Evidence, Look, MetricSource, Missing, Sampled

_NO_MARGIN = Margin()


def judgements(source: MetricSource, look: Look) -> tuple[Judgement, ...]:
    metrics = look.analysis.metrics
    # All bounds share the chance of a false verdict (Bonferroni).
    bounds = sum((not bound_of(metric).is_open) + (metric.worse_than_champion_by is not None) for metric in metrics)
    needed = look.analysis.judge.rollback_evidence * bounds
    return tuple(_beside_the_champion(source, metric, look, needed) for metric in metrics)


def _beside_the_champion(source: MetricSource, metric: Metric, look: Look, needed: float) -> Judgement:
    """The judgement on the bound, and on the margin; a breach that the champion has as well is marked as such."""
    bound, margin = bound_of(metric), margin_of(metric)
    found = judged(bound, source.evidence(metric, look), evidence_needed=needed)
    if found.verdict not in (CanaryVerdict.PASS, CanaryVerdict.BREACH):
        return found
    if metric.worse_than_champion_by is None and found.verdict is CanaryVerdict.PASS:
        return found
    champion = source.beside_champion(metric, look)
    if champion is None:
        return found if metric.worse_than_champion_by is None else replace(found, no_worse=1.0)
    if found.verdict is CanaryVerdict.BREACH:
        shared = shares_its_breach(bound, champion, _counted_margin(metric), evidence_needed=needed)
        found = replace(found, champion_too=shared)
    if metric.worse_than_champion_by is None:
        return found
    sentence = margin_sentence(metric.name, margin)
    return compared(found, champion, _counted_margin(metric), sentence, evidence_needed=needed)


def judged(bound: Bound, evidence: Evidence, *, evidence_needed: float) -> Judgement:
    match evidence:
        case Counted(windows, memories):
            return judge(bound, windows, evidence_needed=evidence_needed, memories=memories)
        case Sampled(values, samples):
            return judge_values(bound, values, samples)
        case Missing(why):
            return unreadable(bound, why)


def bound_of(metric: Metric) -> Bound:
    limit = metric.min if metric.name == SUCCESS_RATE else metric.max
    return Bound(metric.name, limit if limit is not None else OPEN[metric.name], metric.min_samples, metric.consecutive)


def margin_of(metric: Metric) -> Margin:
    """How much worse than the champion still counts as no worse; none at all where the spec names no margin."""
    given = metric.worse_than_champion_by
    return Margin(given.relative or 0.0, given.absolute or 0.0) if given is not None else _NO_MARGIN


def _counted_margin(metric: Metric) -> Margin:
    """The margin that is left to the comparison of counts: that of a latency is in what counts as slow."""
    return _NO_MARGIN if metric.name in LATENCIES else margin_of(metric)
