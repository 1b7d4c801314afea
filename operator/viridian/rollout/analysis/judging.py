"""One judgement a metric, from whatever evidence its source has."""

from __future__ import annotations

from viridian.api.modeldeployment import Metric
from viridian.judgement.canary import SUCCESS_RATE, Bound, Judgement, judge, judge_values, unreadable
from viridian.rollout.analysis.source import Counted, Evidence, Look, MetricSource, Missing, Sampled


def judgements(source: MetricSource, look: Look) -> tuple[Judgement, ...]:
    needed = look.analysis.judge.rollback_evidence
    return tuple(
        judged(bound_of(metric), source.evidence(metric, look), evidence_needed=needed)
        for metric in look.analysis.metrics
    )


def judged(bound: Bound, evidence: Evidence, *, evidence_needed: float) -> Judgement:
    match evidence:
        case Counted(windows):
            return judge(bound, windows, evidence_needed=evidence_needed)
        case Sampled(values, samples):
            return judge_values(bound, values, samples)
        case Missing(why):
            return unreadable(bound, why)


def bound_of(metric: Metric) -> Bound:
    limit = metric.min if metric.name == SUCCESS_RATE else metric.max
    return Bound(metric.name, limit if limit is not None else 1.0, metric.min_samples, metric.consecutive)
